#include "test/ext4/map_client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

struct ext4_inode *file;

void begin(void)
{
	static char bytes[SIZE];

	for (uint32_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i % 251);
	file = image_file("file");
	CHECK_INT(ext4_write(&file->inode, bytes, SIZE, 0), SIZE);
}

int client_fd(bool for_write)
{
	struct vfs_mapping mapping;

	CHECK_INT(ext4_map_file(&file->inode, for_write, &mapping), 0);
	CHECK_INT(mapping.file_size, file->size);
	CHECK_INT(mapping.writable, for_write);
	return fcntl(mapping.host_fd, F_DUPFD_CLOEXEC, 0);
}

char *client_map(bool for_write)
{
	int fd = client_fd(for_write);
	char *at = mmap(NULL, MAPPED, PROT_READ | (for_write ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

	CHECK(at != MAP_FAILED);
	close(fd);
	return at;
}

char byte_at(uint64_t offset)
{
	char byte = 0;

	CHECK_INT(ext4_read(&file->inode, &byte, 1, offset), 1);
	return byte;
}

void remount(void)
{
	inode_put(&file->inode);
	image_again();
	file = image_find("file");
}

void wait_s(uint64_t seconds)
{
	CHECK_INT(task_sleep_until(clock_now_ns() + seconds * UINT64_C(1000000000)), 0);
}
