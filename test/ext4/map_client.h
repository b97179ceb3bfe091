#ifndef TEST_EXT4_MAP_CLIENT_H
#define TEST_EXT4_MAP_CLIENT_H
/*
 * map_client.h - a file on an image, and clients that map it. Layer: test.
 */
#include "test/ext4/data_image.h"

#define PAGE 4096u
#define SIZE (40u * PAGE + 100)
#define MAPPED (41u * PAGE)

extern struct ext4_inode *file;

/* "file" is new, and of its SIZE bytes the i-th is i % 251. */
void begin(void) MAY_YIELD;
/* A client's own descriptor, as it gets one over its socket. */
int client_fd(bool for_write) MAY_YIELD;
/* MAPPED bytes of it. */
char *client_map(bool for_write) MAY_YIELD;
char byte_at(uint64_t offset) MAY_YIELD;
/* Unmount, judge, mount; then `file` is "file" again. */
void remount(void) MAY_YIELD;
void wait_s(uint64_t seconds) MAY_YIELD;

#endif /* TEST_EXT4_MAP_CLIENT_H */
