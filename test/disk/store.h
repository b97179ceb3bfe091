#ifndef TEST_DISK_STORE_H
#define TEST_DISK_STORE_H
/*
 * store.h - the bytes of a disk, zeros at first; knows which pages were ever written, so that
 * copying and saving cost what was written, not the size. Layer: test.
 */
#include "base/cc.h"

#include <stdint.h>

struct store {
	char *data;
	uint64_t size;
	uint64_t *touched; /* a bit for STORE_PAGE bytes */
};
#define STORE_PAGE 4096u

void store_init(struct store *s, uint64_t size);
void store_fini(struct store *s);
void store_write(struct store *s, uint64_t offset, const void *data, uint64_t size);
void store_zero(struct store *s, uint64_t offset, uint64_t size);
void store_copy(struct store *to, const struct store *from); /* of the same size */
/* From and to a file; what is zero becomes a hole. */
void store_load(struct store *s, const char *path);
void store_save(const struct store *s, const char *path);

#endif /* TEST_DISK_STORE_H */
