#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H
/*
 * crc32c.h - the checksum CRC-32C (Castagnoli), which the processor computes. Layer: base.
 *
 * The register as it is: nothing is inverted before or after. The checksum others call
 * CRC-32C is crc32c(~0, data, size) inverted; ext4 and its journal leave the last step out.
 *
 * Thread: any.
 */
#include "base/cc.h"

#include <stdint.h>

/* Go on from `crc` over the data: crc32c(crc32c(c, a), b) is that of a followed by b. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* The same without the processor's instruction: the fallback, open for tests. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif /* BASE_CRC32C_H */
