#include "vfs/ext4/xattr_area.h"

#include <errno.h>
#include <string.h>

#define PAD 4u
#define LAST_SIZE 4u /* of the zeros after the last entry */
#define NAME_SHIFT 5
#define VALUE_SHIFT 16

static uint32_t padded(uint32_t size)
{
	return (size + PAD - 1) & ~(PAD - 1);
}

static uint32_t entry_size(uint32_t name_len)
{
	return padded((uint32_t)sizeof(struct ext4_xattr_entry) + name_len);
}

/* The offset is a multiple of 4, and the base too. */
static struct ext4_xattr_entry *entry_at(const struct xattr_area *area, uint32_t offset)
{
	return (struct ext4_xattr_entry *)(void *)(area->base + offset);
}

static bool is_last(const struct xattr_area *area, uint32_t offset)
{
	static const uint8_t zeros[LAST_SIZE];

	return memcmp(area->base + offset, zeros, LAST_SIZE) == 0;
}

const struct ext4_xattr_entry *xattr_area_next(const struct xattr_area *area,
					       const struct ext4_xattr_entry *entry)
{
	uint32_t offset = area->first;

	if (entry)
		offset = (uint32_t)((const uint8_t *)entry - area->base) +
			 entry_size(entry->name_length);
	return is_last(area, offset) ? NULL : entry_at(area, offset);
}

bool xattr_area_empty(const struct xattr_area *area)
{
	return !xattr_area_next(area, NULL);
}

/* ---- checking. */

static bool entry_fits(const struct xattr_area *area, uint32_t offset)
{
	const struct ext4_xattr_entry *e = entry_at(area, offset);

	if (offset + sizeof(*e) + LAST_SIZE > area->end ||
	    offset + entry_size(e->name_length) + LAST_SIZE > area->end)
		return false;
	return !memchr(e->name, '\0', e->name_length);
}

/* `names_end`: of the entries. */
static bool value_fits(const struct xattr_area *area, const struct ext4_xattr_entry *e,
		       uint32_t names_end)
{
	if (e->value_inode || e->value_size == 0)
		return true;
	return e->value_offset >= names_end && e->value_size <= area->end &&
	       e->value_offset + padded(e->value_size) <= area->end;
}

int xattr_area_check(const struct xattr_area *area)
{
	const struct ext4_xattr_entry *e = NULL;
	uint32_t offset = area->first;

	if (!area->base)
		return 0;
	while (offset + LAST_SIZE <= area->end && !is_last(area, offset)) {
		if (!entry_fits(area, offset))
			return -EUCLEAN;
		offset += entry_size(entry_at(area, offset)->name_length);
	}
	if (offset + LAST_SIZE > area->end)
		return -EUCLEAN;
	while ((e = xattr_area_next(area, e)) != NULL)
		if (!value_fits(area, e, offset + LAST_SIZE))
			return -EUCLEAN;
	return 0;
}

/* ---- finding. */

/* As blocks are sorted. */
static int compare(const struct ext4_xattr_entry *e, const struct xattr_name *name)
{
	if (e->name_index != name->index)
		return e->name_index - name->index;
	if (e->name_length != name->len)
		return e->name_length - name->len;
	return memcmp(e->name, name->text, name->len);
}

const struct ext4_xattr_entry *xattr_area_find(const struct xattr_area *area,
					       const struct xattr_name *name)
{
	const struct ext4_xattr_entry *e = NULL;

	if (!area->base)
		return NULL;
	while ((e = xattr_area_next(area, e)) != NULL)
		if (compare(e, name) == 0)
			return e;
	return NULL;
}

/* ---- hashes. */

static uint32_t rotate(uint32_t hash, int by)
{
	return hash << by | hash >> (32 - by);
}

static uint32_t entry_hash(const struct xattr_area *area, const struct ext4_xattr_entry *e)
{
	const uint8_t *value = area->base + e->value_offset;
	uint32_t hash = 0;

	for (uint32_t i = 0; i < e->name_length; i++)
		hash = rotate(hash, NAME_SHIFT) ^ (uint8_t)e->name[i];
	for (uint32_t i = 0; i < padded(e->value_size); i += PAD) {
		uint32_t word;

		memcpy(&word, value + i, sizeof(word));
		hash = rotate(hash, VALUE_SHIFT) ^ word;
	}
	return hash;
}

uint32_t xattr_area_hash(const struct xattr_area *area)
{
	const struct ext4_xattr_entry *e = NULL;
	uint32_t hash = 0;

	while ((e = xattr_area_next(area, e)) != NULL) {
		if (e->hash == 0)
			return 0; /* such a block is not shared */
		hash = rotate(hash, VALUE_SHIFT) ^ e->hash;
	}
	return hash;
}

/* ---- building. */

struct building {
	const struct xattr_area *area;
	uint32_t names_end, values_start;
};

static int add(struct building *b, const struct xattr_name *name, const struct xattr_value *value)
{
	const struct xattr_area *area = b->area;
	uint32_t room = padded(value->size), size = entry_size(name->len);
	struct ext4_xattr_entry *e = entry_at(area, b->names_end);

	if (value->size > area->end || b->values_start < room ||
	    b->names_end + size + LAST_SIZE > b->values_start - room)
		return -ENOSPC;
	b->names_end += size;
	b->values_start -= room;
	*e = (struct ext4_xattr_entry){
		.name_length = name->len,
		.name_index = name->index,
		.value_size = value->size,
	};
	memcpy(e->name, name->text, name->len);
	if (room > 0) {
		e->value_offset = (uint16_t)b->values_start;
		memcpy(area->base + b->values_start, value->data, value->size);
	}
	if (area->hashed)
		e->hash = entry_hash(area, e);
	return 0;
}

static int add_old(struct building *b, const struct xattr_area *from,
		   const struct ext4_xattr_entry *e)
{
	const struct xattr_name name = { e->name_index, e->name_length, e->name };
	const struct xattr_value value = { xattr_area_value(from, e), e->value_size };

	return add(b, &name, &value);
}

int xattr_area_build(const struct xattr_area *to, const struct xattr_area *from,
		     const struct xattr_name *name, const struct xattr_value *value)
{
	struct building b = { to, to->first, to->end };
	const struct ext4_xattr_entry *e = NULL;
	int r = 0;

	memset(to->base + to->first, 0, to->end - to->first);
	while (from->base && r == 0 && (e = xattr_area_next(from, e)) != NULL) {
		int order = compare(e, name);

		if (value && order > 0) {
			r = add(&b, name, value);
			value = NULL;
		}
		if (r == 0 && order != 0)
			r = add_old(&b, from, e);
	}
	return r == 0 && value ? add(&b, name, value) : r;
}
