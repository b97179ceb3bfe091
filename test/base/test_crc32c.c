/*
 * test_crc32c.c - what base/crc32c.h promises: the values of RFC 3720 appendix B.4, the same
 * by processor and by table, for all sizes and places, in one piece or in two.
 */
#include "base/crc32c.h"
#include "test/harness.h"

#include <string.h>

static uint8_t bytes[4096 + 64];

static void fill(void)
{
	uint64_t state = 1;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		bytes[i] = (uint8_t)(state >> 56);
	}
}

static void known(const void *data, size_t size, uint32_t wanted)
{
	CHECK_INT(~crc32c(~0u, data, size) & 0xffffffff, wanted);
	CHECK_INT(~crc32c_by_table(~0u, data, size) & 0xffffffff, wanted);
}

static void values_of_rfc_3720_come_out(void)
{
	uint8_t block[32];

	memset(block, 0, sizeof(block));
	known(block, sizeof(block), 0x8a9136aa);
	memset(block, 0xff, sizeof(block));
	known(block, sizeof(block), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		block[i] = i;
	known(block, sizeof(block), 0x46dd794e);
	for (uint8_t i = 0; i < 32; i++)
		block[i] = (uint8_t)(31 - i);
	known(block, sizeof(block), 0x113fdb5c);
	known("123456789", 9, 0xe3069283);
}

static void nothing_is_inverted(void)
{
	static const uint8_t zeros[8];

	CHECK_INT(crc32c(0, zeros, sizeof(zeros)), 0);
	CHECK_INT(crc32c(0x12345678, zeros, 0), 0x12345678);
}

static void table_and_processor_agree_for_all_sizes_and_places(void)
{
	fill();
	for (size_t at = 0; at < 9; at++)
		for (size_t size = 0; size < 300; size++)
			CHECK_INT(crc32c((uint32_t)size, bytes + at, size),
				  crc32c_by_table((uint32_t)size, bytes + at, size));
	for (size_t size = 300; size < 4096; size += 1 + size % 7)
		CHECK_INT(crc32c(7, bytes + 3, size), crc32c_by_table(7, bytes + 3, size));
	CHECK_INT(crc32c(~0u, bytes, 4096), crc32c_by_table(~0u, bytes, 4096));
}

static void two_pieces_are_as_good_as_one(void)
{
	fill();
	for (size_t cut = 0; cut <= 257; cut++)
		CHECK_INT(crc32c(crc32c(5, bytes, cut), bytes + cut, 257 - cut),
			  crc32c(5, bytes, 257));
}

static const struct test tests[] = {
	TEST(values_of_rfc_3720_come_out),
	TEST(nothing_is_inverted),
	TEST(table_and_processor_agree_for_all_sizes_and_places),
	TEST(two_pieces_are_as_good_as_one),
};
TEST_MAIN(tests)
