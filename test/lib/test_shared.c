/* What a program outside this tree does: installed headers, libhascall.so. */
#include <hascall/hascall.h>

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	const uint64_t none[6] = { 0 };
	struct hascall *h;
	uint64_t ticket;
	int64_t pid;

	if (hascall_open(&h, NULL) < 0)
		return 1;
	if (hascall_post(h, SYS_getpid, none, 0, 0, &ticket) < 0)
		return 2;
	if (hascall_wait(h, ticket, -1, 0, &pid) < 0 || pid != getpid())
		return 3;
	hascall_close(h);
	puts("ok");
	return 0;
}
