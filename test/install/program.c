/* SPDX-License-Identifier: MIT */
/*
 * program.c - a stranger's program in C: it uses each part of the installed headers, prints
 * the library's version, and ends with 0 if all went as promised.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hascall/calls.h>

static void must(int is_so, const char *what)
{
	if (!is_so) {
		printf("%s\n", what);
		exit(1);
	}
}

static void a_chain_passes_its_results_on(struct hascall *h)
{
	static char seen[64];
	struct hascall_call calls[4];
	uint64_t ticket[4];
	int64_t result[4];
	struct stat status;

	calls[0] = hascall_call_open("/proc/self/comm", O_RDONLY | O_CLOEXEC, 0);
	calls[1] = hascall_call_fstat(0, &status);
	calls[2] = hascall_call_read(0, seen, sizeof(seen));
	calls[3] = hascall_call_close(0);
	hascall_chain_all(calls, 4);
	for (unsigned int i = 1; i < 4; i++)
		hascall_from(&calls[i], 0, i);
	hascall_always(&calls[3]);
	must(hascall_submit(h, calls, 4, 0, ticket) == 0, "submit");
	for (unsigned int i = 0; i < 4; i++)
		must(hascall_wait(h, ticket[i], -1, 0, &result[i]) == 0, "wait");
	must(result[0] > 2 && result[1] == 0 && result[2] > 0 && result[3] == 0, "results");
	must(S_ISREG(status.st_mode), "fstat wrote no status");
	must(strchr(seen, '\n') == seen + result[2] - 1, "read wrote no line");
}

static void done(void *ctx, uint64_t user_data, int64_t ret)
{
	uint64_t *seen = ctx;

	must(ret == getppid(), "getppid");
	*seen += user_data;
}

static void results_are_reaped(struct hascall *h)
{
	struct hascall_call calls[3];
	uint64_t seen = 0;

	for (unsigned int i = 0; i < 3; i++) {
		calls[i] = hascall_call_getppid();
		hascall_group(hascall_user_data(&calls[i], UINT64_C(1) << i), 7);
	}
	must(hascall_submit(h, calls, 3, HASCALL_MORE, NULL) == 0, "submit");
	must(hascall_wait_all(h, 7, -1, HASCALL_HELP) == 0, "wait_all");
	must(hascall_reap(h, done, &seen) == 3 && seen == 7, "reap");
	must(hascall_in_flight(h) == 0, "in_flight");
}

static void what_may_not_be_posted_has_a_reason(void)
{
	const uint64_t arg[6] = { 0 };
	const char *reason = NULL;

	must(hascall_check(SYS_getppid, arg, &reason) == 0, "check getppid");
	must(hascall_check(SYS_gettid, arg, &reason) < 0 && reason, "check gettid");
}

int main(void)
{
	struct hascall *h;

	must(hascall_open(&h, NULL) == 0, "open");
	a_chain_passes_its_results_on(h);
	results_are_reaped(h);
	what_may_not_be_posted_has_a_reason();
	hascall_close(h);
	printf("%s\n", hascall_version());
	return 0;
}
