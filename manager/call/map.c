/* map.c - mmap of a file: which descriptor of the client, and with which stubs. */
#include "call/call.h"

#include "call/elf.h"
#include "call/map_slots.h"
#include "call/stub_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* ---- slots */

/*
 * Keys of client_slot(): a file's version without its two highest bits, the second of
 * them set for a descriptor that may write; the highest is for patched texts.
 */
#define KEY_WRITABLE (1ull << 62)
#define KEY_VERSION (KEY_WRITABLE - 1)

static uint32_t slot_of(struct map_slots *s, uint64_t key, int fd)
{
	bool fresh;
	uint32_t slot = client_slot(s->client, key, &fresh);

	if (fresh) {
		assert(s->count < RUN_FDS_MAX);
		s->fds[s->count] = fd;
		s->slots[s->count++] = slot;
	}
	return slot;
}

uint32_t map_slots_file(struct map_slots *s, const struct vfs_mapping *mapping)
{
	uint64_t key = mapping->version & KEY_VERSION;

	if (key == 0) /* means an empty slot */
		key = 1;
	return slot_of(s, mapping->writable ? key | KEY_WRITABLE : key, mapping->host_fd);
}

uint32_t map_slots_text(struct map_slots *s, const struct stub_text *text)
{
	return slot_of(s, text->key, text->fd);
}

int map_slots_send(struct map_slots *s, struct request *req)
{
	int r;

	if (s->count == 0)
		return 0;
	r = client_send(s->client, s->fds, s->slots, s->count);
	if (r < 0) {
		for (uint32_t i = 0; i < s->count; i++)
			client_slot_forget(s->client, s->slots[i]);
		return r;
	}
	req->reply_flags |= RUN_REPLY_FDS;
	return 0;
}

/* ---- the call */

#define ADDRESSES UINT64_C(0x7ffffffff000) /* what a program has in all */

struct map_request {
	struct file *file;
	uint64_t prot, flags, offset, length;
	bool plain; /* no stubs */
	bool shared, for_write;
};

static bool is_zero_device(const struct file *f)
{
	const struct inode *inode = file_inode(f);

	return inode && S_ISCHR(inode->type) && inode->rdev == makedev(1, 5);
}

static int map_check(const struct request *req, struct map_request *m)
{
	uint64_t type = m->flags & MAP_TYPE;

	m->offset = req->arg[3];
	m->length = req->arg[4];
	m->plain = req->arg[5] != 0;
	m->shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
	if (!m->shared && type != MAP_PRIVATE)
		return -EINVAL;
	if (m->length == 0 || m->offset % ELF_PAGE != 0)
		return -EINVAL;
	if (m->length > ADDRESSES)
		return -ENOMEM;
	if (m->offset > INT64_MAX || m->length > INT64_MAX - m->offset)
		return -EOVERFLOW;
	if (m->file->flags & O_PATH)
		return -EBADF;
	if (!file_readable(m->file))
		return -EACCES;
	if (m->shared && (m->prot & PROT_WRITE) && !file_writable(m->file))
		return -EACCES;
	/* A shared mapping of a file open for writing may be made writable later, by mprotect. */
	m->for_write = m->shared && file_writable(m->file);
	return 0;
}

/* A C library or a dynamic linker, by its name: what surely makes calls. */
static bool is_c_library(const struct file *f)
{
	static const char *const beginnings[] = { "libc.", "libc-", "ld-", "ld." };
	size_t len;
	const char *name = f->dentry ? dentry_name(f->dentry, &len) : NULL;

	for (unsigned int i = 0; name && i < ARRAY_COUNT(beginnings); i++)
		if (len > strlen(beginnings[i]) &&
		    memcmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* The patched text for this request, counted, or NULL. */
static struct stub_text *text_for(const struct map_request *m) MAY_YIELD
{
	struct inode *inode = file_inode(m->file);
	bool executable = m->prot & PROT_EXEC;

	if (m->plain || m->shared || (m->prot & PROT_WRITE) || !inode || !S_ISREG(inode->type))
		return NULL;
	if (executable)
		return stub_text_find(inode, STUB_TEXT_MAP, false);
	if (m->offset == 0)
		return stub_text_find(inode, STUB_FIRST_MAP, is_c_library(m->file));
	return NULL;
}

static uint64_t page_up(uint64_t size) /* far from the end of numbers: checked before */
{
	return (size + ELF_PAGE - 1) & ~(ELF_PAGE - 1);
}

/* Is the request for exactly the text? Anything else is mapped as it is in the file. */
static bool is_whole_text(const struct map_request *m, const struct stub_text *text)
{
	return m->prot == (PROT_READ | PROT_EXEC) && m->offset == text->offset &&
	       page_up(m->length) == text->size;
}

static bool is_whole_span(const struct map_request *m, const struct stub_text *text)
{
	return m->offset == 0 && !(m->prot & PROT_EXEC) && page_up(m->length) == text->span;
}

static int answer(struct request *req, const struct map_request *m, const struct stub_text *text)
	MAY_YIELD
{
	struct run_map answer = { .offset = m->offset };
	struct vfs_mapping mapping;
	struct map_slots slots;
	void *out;
	int r = file_map(m->file, m->for_write, &mapping);

	if (r < 0)
		return r;
	/* From here on nothing yields. */
	map_slots_begin(&slots, req->client);
	answer.file_size = mapping.file_size;
	if (text && is_whole_text(m, text)) {
		answer.slot = map_slots_text(&slots, text);
		answer.offset = 0;
		answer.stub_slot = answer.slot;
		answer.stub_offset = text->size;
		answer.stub_size = text->stub_size;
		answer.stub_delta = text->min_vaddr + text->span - text->vaddr;
	} else {
		mapping.writable = m->for_write;
		answer.slot = map_slots_file(&slots, &mapping);
		if (text && is_whole_span(m, text))
			answer.reserve = text->stub_size;
	}
	r = map_slots_send(&slots, req);
	if (r == 0)
		r = request_at(req, 0, sizeof(answer), &out);
	if (r == 0)
		memcpy(out, &answer, sizeof(answer));
	return r;
}

int64_t call_run_map(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	struct map_request m = { .file = f, .prot = req->arg[1], .flags = req->arg[2] };
	struct stub_text *text;
	int r;

	if (!f)
		return -EBADF;
	r = map_check(req, &m);
	if (r < 0)
		return r;
	if (is_zero_device(f)) {
		struct run_map zero = { .slot = RUN_SLOT_ZERO };

		memcpy(req->bounce, &zero, sizeof(zero));
		return 0;
	}
	if (m.for_write && file_inode(f))
		stub_cache_written(file_inode(f));
	text = text_for(&m);
	r = answer(req, &m, text);
	stub_text_put(text);
	return r;
}
