#ifndef DEVICE_DISK_CLAIM_H
#define DEVICE_DISK_CLAIM_H
/*
 * disk_claim.h - an image has one user at a time. Layer: device.
 *
 * For commands that hand an image to other programs; disk_open_image() does it itself.
 *
 * Owner    the claim is a flock(2): it ends when the last copy of the descriptor is closed,
 *          also one that a child inherited.
 * Thread   one at a time. Nothing here yields.
 */
#include "base/cc.h"

/*
 * Claim an open file or block device, against everybody, or only against those who
 * write (shared). 0; -EBUSY: another open claims it, or it is mounted or behind a loop
 * device, as far as the host tells; -EMEDIUMTYPE: neither file nor block device; -errno.
 */
MUST_USE int disk_claim(int fd, bool shared);

/* For as long as the descriptor in *ret_fd is open, the host does not mount the device. */
MUST_USE int disk_keep_from_mount(int fd, int *ret_fd);

#endif /* DEVICE_DISK_CLAIM_H */
