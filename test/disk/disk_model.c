/*
 * disk_model.c - how long a disk takes: the way of its head, the turn of its platter, its bytes.
 */
#include "test/disk/inside.h"

#define SECOND_NS 1000000000u

const struct test_disk_model test_disk_7200 = {
	.call_ns = 50000,
	.seek_min_ns = 800000,
	.seek_max_ns = 15000000,
	.turn_ns = 8333333,
	.bytes_per_s = 150000000,
	.flush_ns = 8333333,
	.nearest = true,
};

const struct test_disk_model test_disk_ssd = {
	.call_ns = 100000,
	.bytes_per_s = 500000000,
	.flush_ns = 500000,
	.channels = 8,
};

static uint64_t root_of(uint64_t n)
{
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit > 0; bit >>= 1)
		if ((root + bit) * (root + bit) <= n)
			root += bit;
	return root;
}

/* From min to max as the square root of the way: an arm speeds up, then slows down. */
static uint64_t seek_time(const struct model_state *m, uint64_t from, uint64_t to)
{
	const struct test_disk_model *model = m->model;
	uint64_t way = from < to ? to - from : from - to;
	uint64_t stroke = model->stroke ? model->stroke : m->size;
	uint64_t share; /* of a million */

	if (way >= stroke)
		return model->seek_max_ns;
	share = (uint64_t)((double)way / (double)stroke * 1e12);
	return model->seek_min_ns +
	       (model->seek_max_ns - model->seek_min_ns) * root_of(share) / 1000000;
}

static uint64_t bytes_time(const struct test_disk_model *model, uint64_t bytes)
{
	if (model->bytes_per_s == 0)
		return 0;
	return (uint64_t)((double)bytes * SECOND_NS / (double)model->bytes_per_s);
}

/* Until the offset passes under a head that is on its track at now_ns. */
static uint64_t turn_time(const struct test_disk_model *model, uint64_t offset, uint64_t now_ns)
{
	uint64_t place_ns;

	if (model->turn_ns == 0)
		return 0;
	place_ns = bytes_time(model, offset) % model->turn_ns;
	return (place_ns + model->turn_ns - now_ns % model->turn_ns) % model->turn_ns;
}

uint64_t model_time(const struct model_state *m, const struct call *call, uint64_t now_ns,
		    uint64_t *ret_end)
{
	const struct disk_request *first = LIST_ENTRY(call->requests.next, struct disk_request,
						      node);
	const struct disk_request *last = LIST_ENTRY(call->requests.prev, struct disk_request,
						     node);
	uint64_t time_ns = m->model->call_ns;
	uint64_t end = last->offset + last->size;

	*ret_end = m->head;
	if (first->op == DISK_FLUSH)
		return time_ns + m->model->flush_ns;
	if (first->op == DISK_DISCARD)
		return time_ns;
	if (first->op == DISK_WRITE)
		time_ns += m->model->write_ns;
	/* What follows the last call stands in the disk's own buffer, or is on its way there. */
	if (first->offset != m->head && m->model->seek_max_ns > 0) {
		time_ns += seek_time(m, m->head, first->offset);
		time_ns += turn_time(m->model, first->offset, now_ns + time_ns);
	}
	*ret_end = end;
	if (now_ns + time_ns < m->channel_ns)
		time_ns = m->channel_ns - now_ns;
	return time_ns + bytes_time(m->model, end - first->offset);
}
