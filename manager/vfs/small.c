#include "vfs/small.h"

#include <string.h>
#include <sys/random.h>

uint64_t name_hash(const char *name, size_t len)
{
	const uint64_t prime = 0x9e3779b97f4a7c15u;
	static uint64_t seed;
	uint64_t h, word;

	if (seed == 0) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = (uintptr_t)&seed;
		seed |= 1;
	}
	h = seed ^ ((uint64_t)len << 56);
	for (; len >= sizeof(word); len -= sizeof(word), name += sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		h = (h ^ word) * prime;
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, name, len);
	h = (h ^ word) * prime;
	h ^= h >> 32;
	h *= prime;
	return h ^ (h >> 32);
}

void reap(struct reaper *r, struct list *node, void (*destroy)(struct list *node))
{
	list_push_back(&r->queue, node);
	if (r->running)
		return;
	r->running = true;
	while ((node = list_pop_front(&r->queue)))
		destroy(node);
	r->running = false;
}
