/*
 * test_dlclose.c - the shared library, loaded by a program that does not know it when it
 * starts: after the last area is closed it may go, and leaves nothing that points into it.
 */
#include "hascall/hascall.h"
#include "test/harness.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What dlsym() gives, as the function it is. */
union symbol {
	void *address;
	int (*open)(struct hascall **, const struct hascall_options *);
	void (*close)(struct hascall *);
	int (*submit)(struct hascall *, const struct hascall_call *, uint32_t, uint32_t,
		      uint64_t *);
	int (*wait)(struct hascall *, uint64_t, int64_t, uint32_t, int64_t *);
	int (*cancel)(struct hascall *, uint64_t);
};

static union symbol find(void *library, const char *name)
{
	union symbol s = { .address = dlsym(library, name) };

	if (!s.address)
		test_fail(__FILE__, __LINE__, "%s", dlerror());
	return s;
}

/* Blocked calls, ended by their time limit and by request: signals are used. */
static void use(void *library)
{
	const struct hascall_call calls[] = {
		{ .num = SYS_poll, .arg = { 0, 0, UINT64_MAX }, .timeout_ns = 1000000 },
		{ .num = SYS_poll, .arg = { 0, 0, UINT64_MAX } },
	};
	struct hascall *h = NULL;
	uint64_t tickets[2];
	int64_t ret = 0;

	CHECK_INT(find(library, "hascall_open").open(&h, NULL), 0);
	CHECK_INT(find(library, "hascall_submit").submit(h, calls, 2, 0, tickets), 0);
	CHECK_INT(find(library, "hascall_wait").wait(h, tickets[0], -1, 0, &ret), 0);
	CHECK_INT(ret, -ETIMEDOUT);
	CHECK_INT(find(library, "hascall_cancel").cancel(h, tickets[1]), 0);
	CHECK_INT(find(library, "hascall_wait").wait(h, tickets[1], -1, 0, &ret), 0);
	CHECK_INT(ret, -ECANCELED);
	find(library, "hascall_close").close(h);
}

/* Does the address lie in code that is there? */
static bool is_code(uintptr_t address)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;
		char rights[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 && address >= from &&
		    address < to)
			found = rights[2] == 'x';
	}
	fclose(f);
	return found;
}

/* A handler of a library that is gone would be a jump into nowhere. */
static void no_signal_handler_is_left_hanging(void)
{
	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction action;

		if (sigaction(number, NULL, &action) < 0 || action.sa_handler == SIG_DFL ||
		    action.sa_handler == SIG_IGN)
			continue;
		if (!is_code((uintptr_t)action.sa_handler))
			test_fail(__FILE__, __LINE__, "the handler of signal %d is gone", number);
	}
}

static void library_can_be_unloaded_and_loaded_again(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		void *library = dlopen(SHARED_LIBRARY, RTLD_NOW | RTLD_LOCAL);

		if (!library)
			test_fail(__FILE__, __LINE__, "%s", dlerror());
		use(library);
		CHECK_INT(dlclose(library), 0);
		no_signal_handler_is_left_hanging();
	}
	/* What a child would be told of its birth must not be gone either. */
	if (fork() == 0)
		_exit(0);
}

static const struct test tests[] = {
	TEST(library_can_be_unloaded_and_loaded_again),
};
TEST_MAIN(tests)
