#ifndef VFS_SMALL_H
#define VFS_SMALL_H
/*
 * small.h - two helpers that several file systems need. Layer: vfs, inside the folder only.
 *
 * Thread   scheduler thread only.
 */
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

#endif /* VFS_SMALL_H */
