#ifndef VFS_SMALL_H
#define VFS_SMALL_H
/*
 * small.h - helpers that several file systems need. Layer: vfs, inside the folder only.
 *
 * Thread   scheduler thread only.
 */
#include "base/cc.h"
#include "base/list.h"

#include <stdint.h>

/* A hash of a name, seeded: who chooses names cannot choose collisions. */
uint64_t name_hash(const char *name, size_t len);

/*
 * Objects whose end ends others (a directory its children, a child its parent)
 * queue here: trees may be deeper than a task's stack. The outermost caller
 * empties the queue; `destroy` may call reap() again.
 */
struct reaper {
	struct list queue;
	bool running;
};
#define REAPER_INIT(r)                      \
	{                                   \
		LIST_INIT((r).queue), false \
	}
void reap(struct reaper *r, struct list *node, void (*destroy)(struct list *node));

/*
 * Bytes [from, from + size) of a memfd come to be at `to` as well, as memmove() does it, holes
 * as holes. What is behind the memfd's end is zeros; it must end behind where they go. 0 or
 * -errno: some were moved. The memory is the host's: nothing waits, but much takes its time.
 */
MUST_USE int memory_move(int fd, uint64_t from, uint64_t to, uint64_t size);

#endif /* VFS_SMALL_H */
