#include "test/disk/image_file.h"

#include "test/device/device_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char path[64];

void make_image(const char *folder, uint64_t size)
{
	int fd;

	snprintf(path, sizeof(path), "%s/hascall-disk-XXXXXX", folder);
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

void remove_image(void)
{
	CHECK_INT(unlink(path), 0);
}

struct errand {
	struct disk_request request;
	int error;
	bool done;
};

static void errand_done(struct disk_request *request, int error)
{
	struct errand *e = CONTAINER_OF(request, struct errand, request);

	e->error = error;
	e->done = true;
}

int send_and_wait(struct disk *disk, const struct disk_request *request)
{
	struct errand e = { .request = *request };

	e.request.done = errand_done;
	disk_send(disk, &e.request);
	while (!e.done)
		sleep_ms(1);
	return e.error;
}
