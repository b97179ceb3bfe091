#include "vfs/acl.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BUCKETS 4096u /* of the table at first; it doubles */
#define BUCKETS_MAX (1u << 20)
#define TABLE_AHEAD 32u /* blocks of a table of inodes, read together */
#define EPOCH_BITS 2u	/* of an extra time field: seconds above 32 bits */
#define EPOCH_MASK 3u
#define NS_PER_S 1000000000u
#define DAY_S (24 * 60 * 60)
#define EXTRA_END(field)                                                                          \
	(offsetof(struct ext4_disk_inode, field) + sizeof(((struct ext4_disk_inode *)0)->field) - \
	 EXT4_INODE_SIZE_MIN)

int ext4_inodes_init(struct ext4 *fs)
{
	fs->inode_table = calloc(BUCKETS, sizeof(struct ext4_inode *));
	if (!fs->inode_table)
		return -ENOMEM;
	fs->inode_buckets = BUCKETS;
	return 0;
}

void ext4_inodes_fini(struct ext4 *fs)
{
	assert(fs->inodes_in_memory == 0);
	free(fs->inode_table);
	fs->inode_table = NULL;
}

static struct ext4_inode **bucket_of(struct ext4 *fs, uint32_t number)
{
	return &fs->inode_table[number & (fs->inode_buckets - 1)];
}

static struct ext4_inode *find(struct ext4 *fs, uint32_t number)
{
	struct ext4_inode *inode = *bucket_of(fs, number);

	while (inode && inode->number != number)
		inode = inode->hash_next;
	return inode;
}

/* Without memory chains become longer. A number's bucket is the same or a later one then. */
static void table_grow(struct ext4 *fs)
{
	struct ext4_inode **old = fs->inode_table, *inode, *next;
	uint32_t count = fs->inode_buckets;

	if (fs->inodes_in_memory < count || count >= BUCKETS_MAX)
		return;
	fs->inode_table = calloc((size_t)2 * count, sizeof(struct ext4_inode *));
	if (!fs->inode_table) {
		fs->inode_table = old;
		return;
	}
	fs->inode_buckets = 2 * count;
	for (uint32_t i = 0; i < count; i++) {
		for (inode = old[i]; inode; inode = next) {
			struct ext4_inode **bucket = bucket_of(fs, inode->number);

			next = inode->hash_next;
			inode->hash_next = *bucket;
			*bucket = inode;
		}
	}
	free(old);
}

uint32_t ext4_group_of_inode(const struct ext4 *fs, uint32_t number)
{
	return (number - 1) / fs->inodes_per_group;
}

/* In the table, with one reference, and nothing of the disk's inode yet. */
static struct ext4_inode *inode_make(struct ext4 *fs, uint32_t number)
{
	struct ext4_inode *inode = calloc(1, sizeof(*inode)), **bucket;

	if (!inode)
		return NULL;
	table_grow(fs);
	bucket = bucket_of(fs, number);
	inode->fs = fs;
	inode->number = number;
	inode->inode.refs = 1;
	list_init(&inode->dirty_node);
	list_init(&inode->orphan_node);
	list_init(&inode->closing_node);
	list_init(&inode->replaced_node);
	waitq_init(&inode->loaded);
	task_lock_init(&inode->lock);
	task_lock_init(&inode->map_lock);
	inode->hash_next = *bucket;
	*bucket = inode;
	fs->inodes_in_memory++;
	return inode;
}

void ext4_inode_unhash(struct ext4_inode *inode)
{
	struct ext4_inode **link = bucket_of(inode->fs, inode->number);

	for (; *link != inode; link = &(*link)->hash_next)
		assert(*link);
	*link = inode->hash_next;
}

void ext4_inode_drop(struct ext4_inode *inode)
{
	assert(waitq_empty(&inode->loaded));
	if (!(inode->state & EXT4_I_DELETED))
		ext4_inode_unhash(inode);
	inode->fs->inodes_in_memory--;
	list_del(&inode->dirty_node);
	list_del(&inode->orphan_node);
	list_del(&inode->closing_node);
	free(inode);
}

void ext4_inode_perm(struct ext4_inode *inode)
{
	inode->inode.mode = inode->mode;
	inode->inode.uid = inode->uid;
	inode->inode.gid = inode->gid;
	inode->inode.has_perm = true;
}

static const struct inode_ops *ops_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return &ext4_file_ops;
	case S_IFDIR:
		return &ext4_dir_ops;
	case S_IFLNK:
		return &ext4_link_ops;
	default:
		return &ext4_special_ops;
	}
}

/* Numbers of a device stand in the first two words of block: small ones in the first. */
static uint64_t decode_device(const struct ext4_inode *inode)
{
	uint32_t words[2];

	memcpy(words, inode->block, sizeof(words));
	if (words[0])
		return makedev(words[0] >> 8 & 0xff, words[0] & 0xff);
	return makedev(words[1] >> 8 & 0xfff, (words[1] & 0xff) | (words[1] >> 12 & 0xfff00));
}

/* What the vfs knows of it; again for one that comes back before it was dropped. */
static void enter_vfs(struct ext4_inode *inode)
{
	inode_init(&inode->inode, ops_of(inode->mode), &inode->fs->fs, inode->mode & S_IFMT);
	inode->inode.ino = inode->number;
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		inode->inode.rdev = decode_device(inode);
	ext4_inode_perm(inode);
}

/*
 * A block of a table is not there: ask for those around it too. The inodes of a directory's names
 * lie together, and who asks for one asks for the others.
 */
static void read_table_ahead(struct ext4 *fs, const struct ext4_group *g, uint64_t block)
{
	uint64_t used = (uint64_t)(fs->inodes_per_group - g->unused_inodes) * fs->inode_size;
	uint64_t end = (used + fs->block_size - 1) >> fs->block_shift;
	uint64_t first = block - block % TABLE_AHEAD;

	if (block >= end)
		return;
	if (end > first + TABLE_AHEAD)
		end = first + TABLE_AHEAD;
	cache_read_ahead(&fs->blocks, g->inode_table + first, (unsigned int)(end - first));
}

static int raw_inode(struct ext4 *fs, uint32_t number, struct cache_page **ret, uint8_t **ret_raw)
	MAY_YIELD
{
	const struct ext4_group *g = &fs->groups[ext4_group_of_inode(fs, number)];
	uint64_t offset = (uint64_t)((number - 1) % fs->inodes_per_group) * fs->inode_size;
	uint64_t block = offset >> fs->block_shift;
	int r;

	if (g->damaged)
		return -EUCLEAN;
	*ret = cache_find(&fs->blocks, g->inode_table + block);
	if (!*ret) {
		read_table_ahead(fs, g, block);
		r = cache_get(&fs->blocks, g->inode_table + block, ret);
		if (r < 0)
			return r;
	}
	*ret_raw = (uint8_t *)(*ret)->data + (offset & (fs->block_size - 1));
	return 0;
}

int ext4_inode_block(struct ext4_inode *inode, struct cache_page **ret, uint8_t **ret_raw)
{
	return raw_inode(inode->fs, inode->number, ret, ret_raw);
}

/* ---- reading. */

static struct timespec decode_time(uint32_t seconds, uint32_t extra)
{
	struct timespec t = { .tv_sec = (int32_t)seconds };

	t.tv_sec += (int64_t)(extra & EPOCH_MASK) << 32;
	t.tv_nsec = extra >> EPOCH_BITS;
	if (t.tv_nsec >= (long)NS_PER_S)
		t.tv_nsec = 0;
	return t;
}

static void decode_extra(struct ext4_inode *inode, const struct ext4_disk_inode *d)
{
	uint32_t size = inode->extra_size;
	uint32_t ctime = size >= EXTRA_END(ctime_extra) ? d->ctime_extra : 0;
	uint32_t mtime = size >= EXTRA_END(mtime_extra) ? d->mtime_extra : 0;
	uint32_t atime = size >= EXTRA_END(atime_extra) ? d->atime_extra : 0;

	inode->ctime = decode_time(d->ctime, ctime);
	inode->mtime = decode_time(d->mtime, mtime);
	inode->atime = decode_time(d->atime, atime);
	if (size >= EXTRA_END(btime))
		inode->btime = decode_time(d->btime,
					   size >= EXTRA_END(btime_extra) ? d->btime_extra : 0);
	else
		inode->btime = inode->ctime;
	if (size >= EXTRA_END(project))
		inode->project = d->project;
}

static void decode(struct ext4_inode *inode, const struct ext4_disk_inode *d)
{
	inode->mode = d->mode;
	inode->uid = d->uid_low | (uint32_t)d->uid_high << 16;
	inode->gid = d->gid_low | (uint32_t)d->gid_high << 16;
	inode->nlink = d->links_count;
	inode->size = d->size_low;
	if (S_ISREG(d->mode) || inode->fs->feature_incompat & EXT4_INCOMPAT_LARGEDIR)
		inode->size |= (uint64_t)d->size_high << 32;
	inode->disk_size = inode->size;
	inode->flags = d->flags;
	inode->blocks = d->blocks_low;
	if (inode->fs->feature_ro_compat & EXT4_RO_COMPAT_HUGE_FILE) {
		inode->blocks |= (uint64_t)d->blocks_high << 32;
		if (d->flags & EXT4_HUGE_FILE_FL)
			inode->blocks <<= inode->fs->block_shift - 9;
	}
	inode->generation = d->generation;
	inode->xattr_block = d->xattr_block_low;
	if (inode->fs->feature_incompat & EXT4_INCOMPAT_64BIT)
		inode->xattr_block |= (uint64_t)d->xattr_block_high << 32;
	memcpy(inode->block, d->block, sizeof(inode->block));
	inode->next_orphan = d->dtime;
	decode_extra(inode, d);
}

bool ext4_link_is_fast(const struct ext4_inode *inode)
{
	uint64_t of_attributes = inode->xattr_block ? inode->fs->block_size / 512 : 0;

	return inode->blocks == of_attributes && !(inode->flags & EXT4_EXTENTS_FL);
}

/* Is each number possible? NULL, or what is wrong. */
static const char *wrong(const struct ext4_inode *inode)
{
	const struct ext4 *fs = inode->fs;
	uint64_t blocks = (inode->size + fs->block_size - 1) >> fs->block_shift;

	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		if (inode->size > INT64_MAX || blocks > UINT32_MAX)
			return "is larger than possible";
		break;
	case S_IFDIR:
		if (inode->size == 0 || inode->size & (fs->block_size - 1) ||
		    blocks > fs->block_count || blocks > UINT32_MAX)
			return "is a directory of impossible size";
		break;
	case S_IFLNK:
		if (inode->size == 0 || inode->size >= VFS_PATH_MAX ||
		    inode->size > fs->block_size ||
		    (ext4_link_is_fast(inode) && inode->size > EXT4_FAST_LINK_MAX))
			return "is a link of impossible length";
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return "is of no known type";
	}
	if (inode->xattr_block && !ext4_block_valid(fs, inode->xattr_block, 1))
		return "has attributes in an impossible block";
	if (inode->flags & EXT4_EA_INODE_FL)
		return "holds attributes of others";
	return NULL;
}

static int load(struct ext4_inode *inode) MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	const struct ext4_disk_inode *d;
	struct cache_page *page;
	uint8_t *raw;
	const char *what = NULL;
	int r = raw_inode(fs, inode->number, &page, &raw);

	if (r < 0)
		return r;
	d = (const struct ext4_disk_inode *)(const void *)raw;
	if (fs->inode_size > EXT4_INODE_SIZE_MIN)
		inode->extra_size = d->extra_size;
	if (inode->extra_size > fs->inode_size - EXT4_INODE_SIZE_MIN || inode->extra_size % 4) {
		what = "has impossible extra fields";
	} else {
		inode->checksum_seed = ext4_inode_seed(fs, inode->number, d->generation);
		if (ext4_has_checksums(fs)) {
			uint32_t wanted = ext4_inode_checksum(fs, inode->checksum_seed, raw);
			uint32_t mask = inode->extra_size >= 4 ? UINT32_MAX : 0xffff;
			uint32_t seen = d->checksum_low;

			if (inode->extra_size >= 4)
				seen |= (uint32_t)d->checksum_high << 16;
			if ((wanted & mask) != seen)
				what = "has a wrong checksum";
		}
		if (!what) {
			decode(inode, d);
			what = wrong(inode);
		}
	}
	cache_put(page);
	return what ? ext4_damage(fs, "inode %u %s", inode->number, what) : 0;
}

/* May such an inode be handed out? */
static int check_use(const struct ext4_inode *inode, bool orphan)
{
	if (!orphan && inode->nlink == 0)
		return -ESTALE;
	/* Names and bytes are not what they seem. */
	if (inode->flags & (EXT4_ENCRYPT_FL | EXT4_INLINE_DATA_FL))
		return -EOPNOTSUPP;
	return 0;
}

static int wait_loaded(struct ext4_inode *inode) MAY_YIELD
{
	int r;

	inode->inode.refs++; /* the one who loads does not drop it under us */
	while (inode->state & EXT4_I_LOADING)
		(void)!waitq_wait(&inode->loaded, TASK_FOREVER, WAIT_SURE);
	r = inode->error;
	if (r < 0 && --inode->inode.refs == 0)
		ext4_inode_drop(inode);
	return r;
}

void ext4_inode_hold(struct ext4_inode *inode)
{
	if (inode->state & EXT4_I_CLOSING) {
		inode->revivals++;
		list_del(&inode->closing_node);
		inode->state &= ~(unsigned int)EXT4_I_CLOSING;
		enter_vfs(inode);
	} else {
		inode_get(&inode->inode);
	}
}

/* One that is in the table; counts it. */
static int get_known(struct ext4_inode *inode) MAY_YIELD
{
	if (inode->state & EXT4_I_LOADING)
		return wait_loaded(inode);
	ext4_inode_hold(inode);
	return 0;
}

static int get_unknown(struct ext4 *fs, uint32_t number, bool orphan, struct ext4_inode **ret)
	MAY_YIELD
{
	struct ext4_inode *inode = inode_make(fs, number);
	uint32_t others;
	int r;

	if (!inode)
		return -ENOMEM;
	inode->state = EXT4_I_LOADING;
	r = load(inode);
	if (r == 0)
		r = check_use(inode, orphan);
	inode->error = r;
	inode->state &= ~(unsigned int)EXT4_I_LOADING;
	others = inode->inode.refs - 1;
	waitq_wake_all(&inode->loaded);
	if (r < 0) {
		/* Those who waited look at the error and let go; new ones must not find it. */
		if (others == 0)
			ext4_inode_drop(inode);
		else
			inode->inode.refs--;
		return r;
	}
	/* It may have been in memory before, and changed: by no later transaction than this. */
	inode->last_transaction = journal_newest(fs->journal);
	inode->last_data_transaction = inode->last_transaction;
	enter_vfs(inode);
	inode->inode.refs += others;
	*ret = inode;
	return 0;
}

static int iget(struct ext4 *fs, uint32_t number, bool orphan, struct ext4_inode **ret) MAY_YIELD
{
	struct ext4_inode *inode;
	int r;

	if (number == 0 || number > fs->inode_count)
		return ext4_damage(fs, "there is no inode %u", number);
	while ((inode = find(fs, number)) != NULL && inode->state & EXT4_I_LEAVING)
		(void)!waitq_wait(&fs->closed, TASK_FOREVER, WAIT_SURE);
	/* One that failed to load stands there until those who waited for it have seen so. */
	if (inode && inode->error < 0)
		return inode->error;
	if (!inode)
		return get_unknown(fs, number, orphan, ret);
	r = get_known(inode);
	if (r < 0)
		return r;
	if (!orphan && inode->nlink == 0) {
		inode_put(&inode->inode);
		return -ESTALE;
	}
	*ret = inode;
	return 0;
}

int ext4_iget(struct ext4 *fs, uint32_t number, struct ext4_inode **ret)
{
	return iget(fs, number, false, ret);
}

int ext4_iget_orphan(struct ext4 *fs, uint32_t number, struct ext4_inode **ret)
{
	return iget(fs, number, true, ret);
}

int ext4_inode_new(struct ext4 *fs, uint32_t number, uint32_t mode, struct ext4_inode **ret)
{
	struct ext4_inode *inode;

	assert(number > 0 && number <= fs->inode_count);
	if (find(fs, number))
		return ext4_damage(fs, "inode %u is in use, but its bit is not set", number);
	inode = inode_make(fs, number);
	if (!inode)
		return -ENOMEM;
	inode->state = EXT4_I_NEW;
	inode->mode = mode;
	inode->generation = ++fs->next_generation;
	inode->checksum_seed = ext4_inode_seed(fs, number, inode->generation);
	inode->extra_size = fs->want_extra_size;
	inode->atime = vfs_now();
	inode->mtime = inode->atime;
	inode->ctime = inode->atime;
	inode->btime = inode->atime;
	enter_vfs(inode);
	inode_acl_drop(&inode->inode); /* there are none: no need to look */
	*ret = inode;
	return 0;
}

/* ---- writing. */

static uint32_t encode_extra(const struct timespec *t)
{
	uint32_t epoch = (uint32_t)((t->tv_sec - (int32_t)t->tv_sec) >> 32) & EPOCH_MASK;

	return epoch | (uint32_t)t->tv_nsec << EPOCH_BITS;
}

struct timespec ext4_time_held(const struct ext4_inode *inode, struct timespec t)
{
	int64_t last = INT32_MAX;

	if (inode->extra_size >= EXTRA_END(atime_extra))
		last = ((int64_t)EPOCH_MASK << 32) + INT32_MAX;
	if (t.tv_sec < INT32_MIN)
		return (struct timespec){ .tv_sec = INT32_MIN };
	return t.tv_sec > last ? (struct timespec){ .tv_sec = last } : t;
}

static void encode_times(const struct ext4_inode *inode, struct ext4_disk_inode *d)
{
	uint32_t size = inode->extra_size;

	d->ctime = (uint32_t)inode->ctime.tv_sec;
	d->mtime = (uint32_t)inode->mtime.tv_sec;
	d->atime = (uint32_t)inode->atime.tv_sec;
	if (size >= EXTRA_END(ctime_extra))
		d->ctime_extra = encode_extra(&inode->ctime);
	if (size >= EXTRA_END(mtime_extra))
		d->mtime_extra = encode_extra(&inode->mtime);
	if (size >= EXTRA_END(atime_extra))
		d->atime_extra = encode_extra(&inode->atime);
	if (size >= EXTRA_END(btime))
		d->btime = (uint32_t)inode->btime.tv_sec;
	if (size >= EXTRA_END(btime_extra))
		d->btime_extra = encode_extra(&inode->btime);
	if (size >= EXTRA_END(project))
		d->project = inode->project;
}

static void encode_blocks(struct ext4_inode *inode, struct ext4_disk_inode *d)
{
	uint64_t blocks = inode->blocks;

	inode->flags &= ~EXT4_HUGE_FILE_FL;
	if (blocks > UINT32_MAX && inode->fs->feature_ro_compat & EXT4_RO_COMPAT_HUGE_FILE &&
	    blocks >> 48) {
		inode->flags |= EXT4_HUGE_FILE_FL;
		blocks >>= inode->fs->block_shift - 9;
	}
	d->blocks_low = (uint32_t)blocks;
	if (inode->fs->feature_ro_compat & EXT4_RO_COMPAT_HUGE_FILE)
		d->blocks_high = (uint16_t)(blocks >> 32);
}

static void encode(struct ext4_inode *inode, struct ext4_disk_inode *d)
{
	const struct ext4 *fs = inode->fs;

	d->mode = (uint16_t)inode->mode;
	d->uid_low = (uint16_t)inode->uid;
	d->uid_high = (uint16_t)(inode->uid >> 16);
	d->gid_low = (uint16_t)inode->gid;
	d->gid_high = (uint16_t)(inode->gid >> 16);
	d->links_count = (uint16_t)inode->nlink;
	d->size_low = (uint32_t)inode->disk_size;
	if (S_ISREG(inode->mode))
		d->size_high = (uint32_t)(inode->disk_size >> 32);
	encode_blocks(inode, d);
	d->flags = inode->flags;
	d->generation = inode->generation;
	d->xattr_block_low = (uint32_t)inode->xattr_block;
	if (fs->feature_incompat & EXT4_INCOMPAT_64BIT)
		d->xattr_block_high = (uint16_t)(inode->xattr_block >> 32);
	memcpy(d->block, inode->block, sizeof(d->block));
	d->dtime = inode->next_orphan;
	if (fs->inode_size > EXT4_INODE_SIZE_MIN)
		d->extra_size = inode->extra_size;
	encode_times(inode, d);
}

static void store_checksum(const struct ext4_inode *inode, uint8_t *raw)
{
	struct ext4_disk_inode *d = (struct ext4_disk_inode *)(void *)raw;
	uint32_t checksum;

	if (!ext4_has_checksums(inode->fs))
		return;
	checksum = ext4_inode_checksum(inode->fs, inode->checksum_seed, raw);
	d->checksum_low = (uint16_t)checksum;
	if (inode->extra_size >= 4)
		d->checksum_high = (uint16_t)(checksum >> 16);
}

int ext4_inode_store(struct journal_handle *h, struct ext4_inode *inode)
{
	struct cache_page *page;
	uint8_t *raw;
	int r = ext4_inode_block(inode, &page, &raw);

	if (r < 0)
		return r;
	r = journal_get_write(h, page);
	if (r == 0) {
		if (inode->state & EXT4_I_NEW) {
			memset(raw, 0, inode->fs->inode_size);
			/* Without it there is no file for the data. */
			inode->last_data_transaction = journal_handle_id(h);
		}
		encode(inode, (struct ext4_disk_inode *)(void *)raw);
		store_checksum(inode, raw);
		journal_dirty(h, page);
		inode->state &= ~(unsigned int)(EXT4_I_NEW | EXT4_I_DIRTY);
		list_del(&inode->dirty_node);
		inode->last_transaction = journal_handle_id(h);
	}
	cache_put(page);
	return r;
}

void ext4_inode_mark(struct ext4_inode *inode)
{
	if (inode->state & (EXT4_I_DIRTY | EXT4_I_DELETED) || ext4_writable(inode->fs) < 0)
		return;
	inode->state |= EXT4_I_DIRTY;
	list_push_back(&inode->fs->dirty_inodes, &inode->dirty_node);
	ext4_storer_start(inode->fs);
}

/* Counted. Those that nobody has are with the task that closes them. */
static struct ext4_inode *next_marked(struct ext4 *fs)
{
	LIST_EACH(node, &fs->dirty_inodes) {
		struct ext4_inode *inode = LIST_ENTRY(node, struct ext4_inode, dirty_node);

		if (inode->inode.refs == 0)
			continue;
		inode_get(&inode->inode);
		return inode;
	}
	return NULL;
}

int ext4_inodes_store_marked(struct ext4 *fs)
{
	struct ext4_inode *inode;
	int r = 0;

	while (r == 0 && (inode = next_marked(fs)) != NULL) {
		struct journal_handle h;

		r = ext4_begin(fs, 1, &h);
		if (r == 0) {
			/* Another may have stored it while we waited. */
			if (inode->state & EXT4_I_DIRTY)
				r = ext4_inode_store(&h, inode);
			journal_end(&h);
		}
		inode_put(&inode->inode);
	}
	return r;
}

/* ---- times. */

void ext4_touch(struct ext4_inode *inode)
{
	inode->mtime = vfs_now();
	inode->ctime = inode->mtime;
	ext4_inode_mark(inode);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec <= b->tv_nsec);
}

void ext4_note_access(struct ext4_inode *inode)
{
	struct timespec now;

	if (inode->flags & EXT4_NOATIME_FL || ext4_writable(inode->fs) < 0)
		return;
	now = vfs_now();
	if (!is_before(&inode->atime, &inode->mtime) && !is_before(&inode->atime, &inode->ctime) &&
	    now.tv_sec - inode->atime.tv_sec < DAY_S)
		return;
	inode->atime = now;
	ext4_inode_mark(inode);
}
