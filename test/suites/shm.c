/*
 * shm.c - preloaded into fio, which asks for one System V segment before it forks: an
 * anonymous shared mapping is the same to it. hascall does not serve shmget(2).
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define SEGMENTS 16

static void *segment[SEGMENTS];
static size_t segment_size[SEGMENTS];
static int count;

int shmget(key_t key, size_t size, int flags)
{
	void *at;

	if (key != IPC_PRIVATE || !(flags & IPC_CREAT) || count == SEGMENTS) {
		errno = ENOSPC;
		return -1;
	}
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -1;
	segment[count] = at;
	segment_size[count] = size;
	return count++;
}

void *shmat(int id, const void *where, int flags)
{
	(void)where;
	(void)flags;
	if (id < 0 || id >= count) {
		errno = EINVAL;
		return (void *)-1; /* NOLINT(performance-no-int-to-ptr): as shmat(2) says */
	}
	return segment[id];
}

int shmdt(const void *at)
{
	for (int i = 0; i < count; i++)
		if (segment[i] == at)
			return munmap(segment[i], segment_size[i]);
	errno = EINVAL;
	return -1;
}

int shmctl(int id, int command, struct shmid_ds *buf)
{
	(void)id;
	(void)command;
	(void)buf;
	return 0; /* fio marks it to be removed: it ends with the processes that map it */
}
