#include "vfs/overlay/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define UPPER_PART VFS_CURSOR_END /* cursors of names that only the upper has */

#define NAMES_AT_ONCE 256u /* asked about, before others have their turn */

struct merge {
	struct ovl_inode *dir;
	vfs_emit_fn *emit;
	void *ctx;
	unsigned int asked;
	bool stopped;
	int error;
};

/*
 * Of what the layers are asked about. They may yield, as we do, and the name may be removed
 * meanwhile: use a copy.
 */
static struct vfs_dirent own_entry(struct merge *m, const struct vfs_dirent *found, char *name)
	MAY_YIELD
{
	struct vfs_dirent entry = *found;

	assert(entry.name_len <= VFS_NAME_MAX);
	memcpy(name, found->name, entry.name_len);
	entry.name = name;
	if (++m->asked % NAMES_AT_ONCE == 0)
		task_yield();
	return entry;
}

/* What the lookup says of a directory of this name: 1, 0 if it was removed while we asked. */
static int ask_for_folder(struct merge *m, struct vfs_dirent *entry) MAY_YIELD
{
	struct inode *merged;
	int r = ovl_lookup(&m->dir->inode, entry->name, entry->name_len, &merged);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	entry->ino = merged->ino;
	entry->type = DT_DIR;
	inode_put(merged);
	return 1;
}

/*
 * What a lower name shows: its own entry, the upper's in its place, or nothing.
 * 1: emit, 0: hidden, -errno.
 */
static int see_lower(struct merge *m, struct vfs_dirent *entry) MAY_YIELD
{
	struct inode *upper;
	int r = ovl_in_upper(m->dir, entry->name, entry->name_len, &upper);

	if (r < 0 || !upper)
		return r < 0 ? r : 1;
	if (is_whiteout(upper)) {
		r = 0;
	} else if (!S_ISDIR(upper->type)) {
		entry->ino = ovl_number(ovl_fs_of(m->dir), upper->ino);
		entry->type = upper->type >> 12;
		r = 1;
	} else {
		/* Merged, opaque or moved here: the lookup knows. */
		r = ask_for_folder(m, entry);
	}
	inode_put(upper);
	return r;
}

static int emit_lower(void *ctx, const struct vfs_dirent *found) MAY_YIELD
{
	char name[VFS_NAME_MAX];
	struct merge *m = ctx;
	struct vfs_dirent entry = own_entry(m, found, name);
	int r = see_lower(m, &entry);

	if (r < 0)
		m->error = r;
	if (r > 0)
		m->stopped = m->emit(m->ctx, &entry);
	return r < 0 || m->stopped;
}

/*
 * What a name that only the upper has shows, as far as the upper's listing says it: 1 or 0, as
 * below; -EAGAIN: its inode has to be asked.
 */
static int see_listed(const struct merge *m, struct vfs_dirent *entry)
{
	const struct ovl_fs *fs = ovl_fs_of(m->dir);

	switch (entry->type) {
	case DT_REG:
	case DT_LNK:
	case DT_FIFO:
	case DT_SOCK:
	case DT_BLK:
		break;
	case DT_DIR: /* one that was moved here keeps the number it had in the lower */
		if (fs->lower)
			return -EAGAIN;
		break;
	case DT_CHR:
		if (fs->whiteout && fs->whiteout->ino == entry->ino)
			return 0;
		return -EAGAIN;
	default: /* the upper's listing does not tell types */
		return -EAGAIN;
	}
	entry->ino = ovl_number(fs, entry->ino);
	return 1;
}

/* 1: only the upper has it, 0: a whiteout, or emitted with the lower names. */
static int see_upper(struct merge *m, struct vfs_dirent *entry) MAY_YIELD
{
	struct inode *upper;
	int r = ovl_in_lower(m->dir, entry->name, entry->name_len);

	if (r != 0)
		return r < 0 ? r : 0;
	r = see_listed(m, entry);
	if (r != -EAGAIN)
		return r;
	r = ovl_in_upper(m->dir, entry->name, entry->name_len, &upper);
	if (r < 0 || !upper)
		return r;
	r = !is_whiteout(upper);
	entry->ino = ovl_number(ovl_fs_of(m->dir), upper->ino);
	if (r && S_ISDIR(upper->type) && ovl_fs_of(m->dir)->lower)
		r = ask_for_folder(m, entry);
	inode_put(upper);
	return r;
}

static int emit_upper(void *ctx, const struct vfs_dirent *found) MAY_YIELD
{
	char name[VFS_NAME_MAX];
	struct merge *m = ctx;
	struct vfs_dirent entry = *found;
	int r = m->dir->lower ? -EAGAIN : see_listed(m, &entry);

	if (r == -EAGAIN) {
		entry = own_entry(m, found, name);
		r = see_upper(m, &entry);
	}
	entry.next |= UPPER_PART;
	if (r < 0)
		m->error = r;
	if (r > 0)
		m->stopped = m->emit(m->ctx, &entry);
	return r < 0 || m->stopped;
}

int ovl_readdir(struct inode *inode, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	struct ovl_inode *dir = ovl_of(inode);
	struct merge m = { .dir = dir, .emit = emit, .ctx = ctx };
	uint64_t at = *cursor;
	int r = 0;

	if (dir->gone)
		return 0;
	if (at < UPPER_PART && dir->lower) {
		r = dir->lower->ops->readdir(dir->lower, &at, emit_lower, &m);
		*cursor = at;
		if (r < 0 || m.error < 0)
			return r < 0 ? r : m.error;
		if (m.stopped)
			return 0;
	}
	if (!dir->upper)
		return 0;
	at = *cursor < UPPER_PART ? 0 : *cursor & ~UPPER_PART;
	r = dir->upper->ops->readdir(dir->upper, &at, emit_upper, &m);
	*cursor = at | UPPER_PART;
	return r < 0 ? r : m.error;
}
