#ifndef TEST_DISK_IMAGE_FILE_H
#define TEST_DISK_IMAGE_FILE_H
/*
 * image_file.h - an image file of the host for a test, and one request to a disk. Layer: test.
 *
 * Thread   one.
 */
#include "device/disk.h"

/* Of the file, and what it is called between. */
extern char path[64];

/* A sparse file of `size` bytes in the folder (its name ends without a slash). */
void make_image(const char *folder, uint64_t size);
void remove_image(void);

/* disk_send(), and wait for the end: 0 or a negated error number. `done` is ours. */
int send_and_wait(struct disk *disk, const struct disk_request *request) MAY_YIELD;

#endif /* TEST_DISK_IMAGE_FILE_H */
