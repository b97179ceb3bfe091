#ifndef CALL_MAP_SLOTS_H
#define CALL_MAP_SLOTS_H
/*
 * map_slots.h - the descriptors that one reply needs in the client, gathered and sent
 * in one message. Layer: call, for map.c and exec.c.
 *
 * Order    begin, add, send; nothing may yield between, because a mapping's host
 *          descriptor is borrowed and the client's slots belong to one reply at a time.
 * Limit    RUN_FDS_MAX descriptors.
 * Thread   scheduler thread only.
 */
#include "call/call.h"
#include "call/stub_cache.h"

struct map_slots {
	struct client *client;
	uint32_t count;
	int fds[RUN_FDS_MAX];
	uint32_t slots[RUN_FDS_MAX];
};

static inline void map_slots_begin(struct map_slots *s, struct client *client)
{
	*s = (struct map_slots){ .client = client };
}
/* The client's slot for a file, for a patched text. */
uint32_t map_slots_file(struct map_slots *s, const struct vfs_mapping *mapping);
uint32_t map_slots_text(struct map_slots *s, const struct stub_text *text);
/* Send what the client does not hold. 0 or -errno: then all is forgotten. */
MUST_USE int map_slots_send(struct map_slots *s, struct request *req);

#endif /* CALL_MAP_SLOTS_H */
