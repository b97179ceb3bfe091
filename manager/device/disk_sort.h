#ifndef DEVICE_DISK_SORT_H
#define DEVICE_DISK_SORT_H
/*
 * disk_sort.h - requests sorted by offset, those of one offset by sequence: a treap. Layer:
 * device, inside only.
 *
 * Limit    any number; each function takes about log2(number) steps.
 * Owner    the links are in the requests. *root NULL: empty.
 */
#include "device/disk.h"

void disk_sort_add(struct disk_request **root, struct disk_request *r);
void disk_sort_remove(struct disk_request **root, struct disk_request *r); /* it is in there */
/* The first that begins at `offset` or after it; NULL. */
struct disk_request *disk_sort_from(struct disk_request *root, uint64_t offset);
/* The last that begins before `offset`; NULL. */
struct disk_request *disk_sort_before(struct disk_request *root, uint64_t offset);

#endif /* DEVICE_DISK_SORT_H */
