#include "vfs/mem/mem.h"
#include "vfs/small.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 8u
#define SLOTS_MIN 8u

static uint64_t steps;

uint64_t dir_steps(void)
{
	return steps;
}

static uint64_t name_cost(size_t len)
{
	return sizeof(struct mem_name) + sizeof(struct mem_slot) + len;
}

struct mem_name *dir_find(const struct mem_dir *dir, const char *name, size_t len)
{
	uint32_t hash;

	if (dir->count == 0)
		return NULL;
	hash = (uint32_t)name_hash(name, len);
	for (struct mem_name *n = dir->buckets[hash & (dir->bucket_count - 1)]; n; n = n->next) {
		steps++;
		if (n->hash == hash && n->len == len && memcmp(n->text, name, len) == 0)
			return n;
	}
	return NULL;
}

static int grow_buckets(struct mem_dir *dir)
{
	uint32_t count = dir->bucket_count ? dir->bucket_count * 2 : BUCKETS_MIN;
	struct mem_name **wider = calloc(count, sizeof(struct mem_name *));

	if (!wider)
		return -ENOMEM;
	for (uint32_t i = 0; i < dir->slot_count; i++) {
		struct mem_name *n = dir->slots[i].name;

		steps++;
		if (!n)
			continue;
		n->next = wider[n->hash & (count - 1)];
		wider[n->hash & (count - 1)] = n;
	}
	free(dir->buckets);
	dir->buckets = wider;
	dir->bucket_count = count;
	return 0;
}

/* Squeeze removed names out; the sequence numbers that cursors mean stay. */
static void compact(struct mem_dir *dir)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < dir->slot_count; i++) {
		steps++;
		if (!dir->slots[i].name)
			continue;
		dir->slots[kept] = dir->slots[i];
		dir->slots[kept].name->slot = kept;
		kept++;
	}
	dir->slot_count = kept;
	dir->compactions++;
}

static int make_room(struct mem_dir *dir)
{
	uint32_t capacity = dir->slot_capacity ? dir->slot_capacity * 2 : SLOTS_MIN;
	struct mem_slot *longer;

	if (dir->slot_count < dir->slot_capacity)
		return 0;
	if (dir->count <= dir->slot_count / 2 && dir->slot_count > 0) {
		compact(dir);
		return 0;
	}
	if (dir->slot_capacity > UINT32_MAX / 4)
		return -ENOSPC;
	longer = realloc(dir->slots, capacity * sizeof(*longer));
	if (!longer)
		return -ENOMEM;
	dir->slots = longer;
	dir->slot_capacity = capacity;
	return 0;
}

int dir_add(struct mem_fs *fs, struct mem_dir *dir, const char *name, size_t len,
	    struct mem_inode *inode)
{
	struct mem_name **bucket;
	struct mem_name *n;
	int r = make_room(dir);

	if (r == 0 && dir->count >= dir->bucket_count)
		r = grow_buckets(dir);
	if (r == 0)
		r = mem_charge(fs, name_cost(len));
	if (r < 0)
		return r;
	n = malloc(sizeof(*n) + len);
	if (!n) {
		mem_uncharge(fs, name_cost(len));
		return -ENOMEM;
	}
	n->hash = (uint32_t)name_hash(name, len);
	n->len = (uint16_t)len;
	memcpy(n->text, name, len);
	n->inode = inode;
	inode_get(&inode->inode);
	n->slot = dir->slot_count++;
	dir->slots[n->slot] = (struct mem_slot){ ++dir->next_sequence, n };
	bucket = &dir->buckets[n->hash & (dir->bucket_count - 1)];
	n->next = *bucket;
	*bucket = n;
	dir->count++;
	return 0;
}

void dir_remove(struct mem_fs *fs, struct mem_dir *dir, struct mem_name *name)
{
	struct mem_name **link = &dir->buckets[name->hash & (dir->bucket_count - 1)];

	for (; *link != name; link = &(*link)->next)
		assert(*link);
	*link = name->next;
	dir->slots[name->slot].name = NULL;
	while (dir->slot_count > 0 && !dir->slots[dir->slot_count - 1].name)
		dir->slot_count--;
	dir->count--;
	mem_uncharge(fs, name_cost(name->len));
	inode_put(&name->inode->inode);
	free(name);
}

void dir_clear(struct mem_fs *fs, struct mem_dir *dir)
{
	for (uint32_t i = 0; i < dir->slot_count; i++) {
		struct mem_name *n = dir->slots[i].name;

		if (!n)
			continue;
		mem_uncharge(fs, name_cost(n->len));
		inode_put(&n->inode->inode);
		free(n);
	}
	free(dir->slots);
	free(dir->buckets);
	*dir = (struct mem_dir){ .next_sequence = dir->next_sequence };
}

/* First slot whose sequence is at least `sequence`. */
static uint32_t first_from(const struct mem_dir *dir, uint64_t sequence)
{
	uint32_t low = 0, high = dir->slot_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		steps++;
		if (dir->slots[middle].sequence < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* `emit` may yield (an overlay above asks its lower): nothing of `dir` is kept across it. */
int dir_read(const struct mem_dir *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	uint32_t compactions = dir->compactions;

	for (uint32_t i = first_from(dir, *cursor); i < dir->slot_count; i++) {
		const struct mem_slot *slot = &dir->slots[i];
		struct vfs_dirent entry;

		steps++;
		if (!slot->name)
			continue;
		entry = (struct vfs_dirent){
			.name = slot->name->text,
			.name_len = slot->name->len,
			.ino = slot->name->inode->inode.ino,
			.type = slot->name->inode->inode.type >> 12, /* S_IFMT to DT_ */
			.next = slot->sequence + 1,
		};
		if (emit(ctx, &entry))
			return 0;
		*cursor = entry.next;
		if (compactions != dir->compactions) {
			compactions = dir->compactions;
			i = first_from(dir, *cursor) - 1; /* one is added again */
		}
	}
	return 0;
}
