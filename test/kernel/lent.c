#include "test/kernel/lent.h"

#include "lib/futex.h"
#include "test/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long answer(long r)
{
	return r < 0 ? -errno : r;
}

bool lent_is_patched(void)
{
	return syscall(ASYNC_SYSCALL_INIT_NUMBER, NULL, -1) < 0 && errno != ENOSYS;
}

bool lent_is_there(void)
{
	return lent_is_patched() || access(HASCALL_DEVICE, R_OK) == 0;
}

int lent_begin(struct lent_area *a, struct syscall_info *entry, uint32_t count)
{
	struct async_syscall_setup *s = &a->setup;
	int r;

	a->entry = entry;
	a->patched = lent_is_patched();
	s->size = sizeof(*s);
	s->array = (uintptr_t)entry;
	s->count = count;
	if (!s->rings) {
		s->rings = (uintptr_t)&a->bell.rings;
		s->sleepers = (uintptr_t)&a->server.sleepers;
	}
	if (a->patched) {
		a->handle = (int)answer(syscall(ASYNC_SYSCALL_INIT_NUMBER, s, 0));
		return a->handle < 0 ? a->handle : 0;
	}
	a->handle = open(HASCALL_DEVICE, O_RDONLY | O_CLOEXEC);
	if (a->handle < 0)
		return -errno;
	r = (int)answer(ioctl(a->handle, HASCALL_BEGIN, s));
	if (r < 0)
		close(a->handle);
	return r;
}

int lent_forget(struct lent_area *a)
{
	if (a->patched)
		return (int)answer(syscall(ASYNC_SYSCALL_INIT_NUMBER, NULL, a->handle));
	return (int)answer(close(a->handle));
}

long lent_exec(struct lent_area *a, struct async_syscall_executor *record)
{
	if (a->patched)
		return answer(syscall(ASYNC_SYSCALL_EXEC_NUMBER, a->handle, record));
	return answer(ioctl(a->handle, HASCALL_EXEC, record));
}

static void start_one(struct lent_area *a);

static void *stay_lent(void *arg)
{
	struct lent_thread *t = arg;
	struct lent_area *a = t->area;

	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELEASE);
	for (;;) {
		bool room = __atomic_load_n(&a->count, __ATOMIC_RELAXED) < LENT_THREADS;

		t->record.flags = a->grows && room ? ASYNC_SYSCALL_TELL_GROW : 0;
		t->answer = lent_exec(a, &t->record);
		if (t->answer == ASYNC_SYSCALL_GROW) {
			t->grown++;
			start_one(a);
		} else if (t->answer == -EINTR) {
			t->interrupted++;
		} else {
			return NULL;
		}
	}
}

static void start_one(struct lent_area *a)
{
	uint32_t i = __atomic_fetch_add(&a->count, 1, __ATOMIC_RELAXED);
	struct lent_thread *t = &a->thread[i];

	if (i >= LENT_THREADS) {
		__atomic_fetch_sub(&a->count, 1, __ATOMIC_RELAXED);
		return;
	}
	t->area = a;
	CHECK_INT(pthread_create(&t->thread, NULL, stay_lent, t), 0);
}

void lent_start(struct lent_area *a, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		start_one(a);
}

void lent_open(struct lent_area *a, struct syscall_info *entry, uint32_t count, uint32_t threads)
{
	if (!lent_is_there())
		SKIP("this kernel executes no calls for others");
	CHECK_INT(lent_begin(a, entry, count), 0);
	lent_start(a, threads);
}

void lent_join(struct lent_area *a, long wanted)
{
	for (uint32_t i = 0; i < a->count; i++) {
		CHECK_INT(pthread_join(a->thread[i].thread, NULL), 0);
		CHECK_INT(a->thread[i].answer, wanted);
	}
}

void lent_end(struct lent_area *a, uint32_t end)
{
	CHECK_INT(slot_end(&a->entry[end]), 0);
	lent_ring(a);
	lent_join(a, ASYNC_SYSCALL_ENDED);
	CHECK_INT(a->server.sleepers, 0);
	CHECK_INT(lent_forget(a), 0);
}

void lent_ring(struct lent_area *a)
{
	if (area_must_ring(&a->server)) {
		area_ring(&a->bell);
		futex_wake(&a->bell.rings, 1);
	}
}

void lent_ring_all(struct lent_area *a)
{
	for (unsigned int i = 0; i < 100; i++) {
		lent_ring(a);
		usleep(2000);
	}
}

void lent_post(struct lent_area *a, uint32_t entry, uint32_t num, const uint64_t arg[6])
{
	CHECK_INT(slot_post(&a->entry[entry], num, arg), 0);
	lent_ring(a);
}

int64_t lent_take(struct lent_area *a, uint32_t entry)
{
	struct syscall_info *e = &a->entry[entry];
	uint32_t flags;
	int64_t ret = 0;
	int r;

	while ((r = slot_take(e, &ret, &flags)) == -EAGAIN) {
		uint32_t word;

		if (slot_wait_begin(e, &word) == 0)
			futex_wait(&e->state, word, FOREVER);
	}
	CHECK_INT(r, 0);
	return ret;
}

int64_t lent_call(struct lent_area *a, uint32_t entry, uint32_t num, const uint64_t arg[6])
{
	lent_post(a, entry, num, arg);
	return lent_take(a, entry);
}

void lent_await_asleep(int tid)
{
	char path[64];
	char text[64];
	char state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	while (state != 'S') {
		FILE *f = fopen(path, "re");

		CHECK(f);
		CHECK(fgets(text, sizeof(text), f));
		fclose(f);
		CHECK_INT(sscanf(strrchr(text, ')'), ") %c", &state), 1);
		usleep(200);
	}
}

void lent_await(struct lent_area *a, uint32_t entry, int state)
{
	while (slot_state(&a->entry[entry]) != state)
		usleep(200);
}
