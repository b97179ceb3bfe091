#ifndef DEVICE_INSIDE_H
#define DEVICE_INSIDE_H
/*
 * inside.h - what host.c shares with hostwait.c and disk_image.c. Layer: device, inside
 * only.
 *
 * Thread   scheduler thread only.
 */
#include "base/cc.h"

#include <stdint.h>

/* Entries for calls that no task sends. */
#define HOST_CALLS_WATCHER 1u
#define HOST_CALLS_DISKS 64u

/* A call on its way. Embedded in what its sender needs to go on. */
struct host_request {
	/* Takes the reply, outside any task: must not yield, may post again. */
	void (*done)(struct host_request *request, int64_t ret);
	uint64_t ticket;
};

/*
 * Send a call. The sender saw to it that an entry is free. 0, or what
 * hascall_open() and hascall_post() answer.
 */
MUST_USE int host_post(struct host_request *request, uint32_t num, const uint64_t arg[6]);
bool host_running(void); /* between host_init() and host_fini() */
/* Sleep until a reply has come and take it. For the end only. */
void host_wait_outside(void);

/* Nobody would notice if this thread waited for the host now. */
bool host_alone(void);

/* Ends the watcher; nothing may be watched. */
void hostwait_fini(void);

#endif /* DEVICE_INSIDE_H */
