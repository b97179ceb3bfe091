#include "vfs/ext4/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DISK_VERSION 1u
#define SHORT_SIZE 4u /* tag and permissions */

static size_t entry_size(const struct acl_entry *e)
{
	return acl_is_named(e->tag) ? sizeof(*e) : SHORT_SIZE;
}

size_t acl_disk_size(const struct vfs_acl *acl)
{
	size_t size = sizeof(uint32_t);

	for (uint32_t i = 0; i < acl->count; i++)
		size += entry_size(&acl->entries[i]);
	return size;
}

void acl_to_disk(const struct vfs_acl *acl, void *disk)
{
	const uint32_t version = DISK_VERSION;
	uint8_t *at = disk;

	memcpy(at, &version, sizeof(version));
	at += sizeof(version);
	for (uint32_t i = 0; i < acl->count; i++) {
		size_t size = entry_size(&acl->entries[i]);

		memcpy(at, &acl->entries[i], size);
		at += size;
	}
}

/* One entry, with any tag; its size on the disk, or 0: it ends too early. */
static size_t take(const uint8_t *at, size_t left, struct acl_entry *ret)
{
	size_t size;

	if (left < SHORT_SIZE)
		return 0;
	ret->id = ACL_NO_ID;
	memcpy(ret, at, SHORT_SIZE);
	size = entry_size(ret);
	if (left < size)
		return 0;
	memcpy(ret, at, size);
	return size;
}

int acl_from_disk(const void *disk, size_t size, struct vfs_acl **ret)
{
	const uint8_t *at = disk;
	struct vfs_acl *acl;
	uint32_t version;

	*ret = NULL;
	if (size < sizeof(version))
		return -EUCLEAN;
	memcpy(&version, at, sizeof(version));
	if (version != DISK_VERSION || size / SHORT_SIZE > ACL_ENTRIES_MAX)
		return -EUCLEAN;
	at += sizeof(version);
	size -= sizeof(version);
	if (size == 0)
		return 0;
	acl = acl_new((uint32_t)(size / SHORT_SIZE)); /* as many as there can be */
	if (!acl)
		return -ENOMEM;
	acl->count = 0;
	while (size > 0) {
		size_t one = take(at, size, &acl->entries[acl->count]);

		if (one == 0)
			break;
		acl->count++;
		at += one;
		size -= one;
	}
	if (size > 0 || !acl_valid(acl)) {
		free(acl);
		return -EUCLEAN;
	}
	*ret = acl;
	return 0;
}
