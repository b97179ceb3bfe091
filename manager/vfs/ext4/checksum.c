#include "vfs/ext4/inside.h"

#include "base/crc32c.h"

#include <string.h>

#define CRC16_POLYNOMIAL 0xa001u /* x^16 + x^15 + x^2 + 1, lowest bit first */
#define FULL_CHECKSUM_EXTRA 4u	 /* extra_size from which an inode has room for the upper half */

uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t size)
{
	return crc32c(crc, data, size);
}

bool ext4_has_checksums(const struct ext4 *fs)
{
	return fs->feature_ro_compat & EXT4_RO_COMPAT_METADATA_CSUM;
}

/* Descriptors of images without metadata_csum: few and short, so no table. */
uint16_t ext4_crc16(uint16_t crc, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t value = crc;

	for (size_t i = 0; i < size; i++) {
		value ^= bytes[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? CRC16_POLYNOMIAL : 0);
	}
	return (uint16_t)value;
}

uint16_t ext4_descriptor_checksum(const struct ext4 *fs, uint32_t group,
				  const struct ext4_descriptor *d)
{
	const size_t before = offsetof(struct ext4_descriptor, checksum);
	const size_t after = before + sizeof(d->checksum);
	const uint8_t *raw = (const uint8_t *)d;
	const uint16_t zero = 0;

	if (ext4_has_checksums(fs)) {
		uint32_t crc = ext4_crc32c(fs->checksum_seed, &group, sizeof(group));

		crc = ext4_crc32c(crc, raw, before);
		crc = ext4_crc32c(crc, &zero, sizeof(zero));
		return (uint16_t)ext4_crc32c(crc, raw + after, fs->descriptor_size - after);
	}
	if (fs->feature_ro_compat & EXT4_RO_COMPAT_GDT_CSUM) {
		uint16_t crc = ext4_crc16(0xffff, fs->uuid, sizeof(fs->uuid));

		crc = ext4_crc16(crc, &group, sizeof(group));
		crc = ext4_crc16(crc, raw, before);
		return ext4_crc16(crc, raw + after, fs->descriptor_size - after);
	}
	return d->checksum;
}

uint32_t ext4_inode_seed(const struct ext4 *fs, uint32_t number, uint32_t generation)
{
	uint32_t crc = ext4_crc32c(fs->checksum_seed, &number, sizeof(number));

	return ext4_crc32c(crc, &generation, sizeof(generation));
}

uint32_t ext4_inode_checksum(const struct ext4 *fs, uint32_t seed, const uint8_t *raw)
{
	const size_t low = offsetof(struct ext4_disk_inode, checksum_low);
	const size_t high = offsetof(struct ext4_disk_inode, checksum_high);
	const uint16_t zero = 0;
	uint32_t crc = ext4_crc32c(seed, raw, low);
	size_t at = low + sizeof(zero);

	crc = ext4_crc32c(crc, &zero, sizeof(zero));
	if (fs->inode_size > EXT4_INODE_SIZE_MIN) {
		uint16_t extra_size;

		memcpy(&extra_size, raw + offsetof(struct ext4_disk_inode, extra_size),
		       sizeof(extra_size));
		crc = ext4_crc32c(crc, raw + at, high - at);
		at = high;
		if (extra_size >= FULL_CHECKSUM_EXTRA) {
			crc = ext4_crc32c(crc, &zero, sizeof(zero));
			at += sizeof(zero);
		}
	}
	return ext4_crc32c(crc, raw + at, fs->inode_size - at);
}
