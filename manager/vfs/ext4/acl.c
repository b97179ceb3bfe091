#include "vfs/ext4/acl.h"

#include <errno.h>
#include <string.h>

#define CALL_VERSION 2u
#define DISK_VERSION 1u
#define NOBODY UINT32_MAX
#define PERMISSIONS 7u

enum tag {
	TAG_OWNER = 1,
	TAG_USER = 2,
	TAG_OWNING_GROUP = 4,
	TAG_GROUP = 8,
	TAG_MASK = 16,
	TAG_OTHER = 32,
};

struct entry {
	uint16_t tag;
	uint16_t permissions;
	uint32_t id; /* of TAG_USER and TAG_GROUP only; on the disk others end before it */
};
static_assert(sizeof(struct entry) == 8, "as calls give it");
#define SHORT_SIZE 4u

static bool is_named(unsigned int tag)
{
	return tag == TAG_USER || tag == TAG_GROUP;
}

/* ---- checking. */

/* The caller's memory begins anywhere. */
static struct entry entry_of(const uint8_t *entries, uint32_t index)
{
	struct entry e;

	memcpy(&e, entries + index * sizeof(e), sizeof(e));
	return e;
}

/* What must be in it once, what may, and in which order: by rising tags. */
static int check(const uint8_t *entries, uint32_t count)
{
	const unsigned int needed = TAG_OWNER | TAG_OWNING_GROUP | TAG_OTHER;
	unsigned int seen = 0, last = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct entry e = entry_of(entries, i);
		unsigned int tag = e.tag;

		if (tag == 0 || tag & (tag - 1) || tag > TAG_OTHER || tag < last ||
		    (tag == last && !is_named(tag)) || e.permissions > PERMISSIONS)
			return -EINVAL;
		if (is_named(tag) && e.id == NOBODY)
			return -EINVAL;
		seen |= tag;
		last = tag;
	}
	if ((seen & needed) != needed)
		return -EINVAL;
	return seen & (TAG_USER | TAG_GROUP) && !(seen & TAG_MASK) ? -EINVAL : 0;
}

/* ---- to the disk. */

static void note_class(const struct entry *e, uint32_t *mode, bool *plain)
{
	switch ((enum tag)e->tag) {
	case TAG_OWNER:
		*mode = (*mode & ~0700u) | (uint32_t)e->permissions << 6;
		return;
	case TAG_OTHER:
		*mode = (*mode & ~0007u) | e->permissions;
		return;
	case TAG_MASK:
		*plain = false;
		/* it is the class of the group, as the mode shows it */
		*mode = (*mode & ~0070u) | (uint32_t)e->permissions << 3;
		return;
	case TAG_OWNING_GROUP:
		*mode = (*mode & ~0070u) | (uint32_t)e->permissions << 3;
		return;
	case TAG_USER:
	case TAG_GROUP:
		*plain = false;
		return;
	}
}

ssize_t acl_to_disk(const void *value, size_t size, void *disk, uint32_t *mode, bool *ret_plain)
{
	const uint32_t version = DISK_VERSION;
	const uint8_t *entries = (const uint8_t *)value + sizeof(version);
	uint8_t *at = disk;
	uint32_t seen, count;

	if (size < sizeof(seen))
		return -EINVAL;
	memcpy(&seen, value, sizeof(seen));
	if (seen != CALL_VERSION)
		return -EOPNOTSUPP;
	size -= sizeof(seen);
	if (size % sizeof(struct entry) || size / sizeof(struct entry) > ACL_ENTRIES_MAX)
		return -EINVAL;
	count = (uint32_t)(size / sizeof(struct entry));
	if (check(entries, count) < 0)
		return -EINVAL;
	memcpy(at, &version, sizeof(version));
	at += sizeof(version);
	*ret_plain = true;
	for (uint32_t i = 0; i < count; i++) {
		struct entry e = entry_of(entries, i);
		size_t one = is_named(e.tag) ? sizeof(e) : SHORT_SIZE;

		memcpy(at, &e, one);
		at += one;
		note_class(&e, mode, ret_plain);
	}
	return at - (uint8_t *)disk;
}

/* ---- from the disk. */

/* One entry; its size on the disk, or 0: damaged. */
static size_t take(const uint8_t *at, size_t left, struct entry *ret)
{
	size_t size = SHORT_SIZE;

	ret->id = NOBODY;
	if (left < SHORT_SIZE)
		return 0;
	memcpy(ret, at, SHORT_SIZE);
	if (is_named(ret->tag)) {
		size = sizeof(*ret);
		if (left < size)
			return 0;
		memcpy(ret, at, size);
	} else if (ret->tag != TAG_OWNER && ret->tag != TAG_OWNING_GROUP && ret->tag != TAG_MASK &&
		   ret->tag != TAG_OTHER) {
		return 0;
	}
	return size;
}

static bool has_version(const void *disk, size_t disk_size)
{
	uint32_t version;

	if (disk_size < sizeof(version))
		return false;
	memcpy(&version, disk, sizeof(version));
	return version == DISK_VERSION;
}

ssize_t acl_from_disk(const void *disk, size_t disk_size, void *value, size_t size)
{
	const uint32_t version = CALL_VERSION;
	const uint8_t *at = disk;
	size_t used = sizeof(version), done = sizeof(version);

	if (!has_version(disk, disk_size))
		return -EUCLEAN;
	if (size > 0 && size < done)
		return -ERANGE;
	if (size > 0)
		memcpy(value, &version, sizeof(version));
	while (used < disk_size) {
		struct entry e;
		size_t one = take(at + used, disk_size - used, &e);

		if (one == 0)
			return -EUCLEAN;
		if (size > 0 && done + sizeof(e) > size)
			return -ERANGE;
		if (size > 0)
			memcpy((uint8_t *)value + done, &e, sizeof(e));
		used += one;
		done += sizeof(e);
	}
	return (ssize_t)done;
}

/* ---- chmod. */

int acl_chmod(void *disk, size_t disk_size, uint32_t mode)
{
	uint8_t *at = disk, *group = NULL, *mask = NULL;
	size_t used = sizeof(uint32_t), one;

	if (!has_version(disk, disk_size))
		return -EUCLEAN;
	for (; used < disk_size; used += one) {
		struct entry e;
		uint16_t permissions;

		one = take(at + used, disk_size - used, &e);
		if (one == 0)
			return -EUCLEAN;
		permissions = (uint16_t)((e.tag == TAG_OWNER ? mode >> 6 : mode) & PERMISSIONS);
		if (e.tag == TAG_OWNING_GROUP)
			group = at + used;
		else if (e.tag == TAG_MASK)
			mask = at + used;
		else if (!is_named(e.tag))
			memcpy(at + used + sizeof(e.tag), &permissions, sizeof(permissions));
	}
	if (mask || group) {
		uint16_t permissions = (uint16_t)(mode >> 3 & PERMISSIONS);

		memcpy((mask ? mask : group) + sizeof(uint16_t), &permissions, sizeof(permissions));
	}
	return 0;
}
