#include "cmd/boot.h"

#include "cmd/cmd.h"
#include "cmd/world.h"
#include "proc/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLANKS " \t\r"

static struct {
	const char *command;
	struct manager_options *options;
	char text[BOOT_CONFIG_MAX + 1];
	size_t size;
} boot;

bool boot_read_servers(const char *text, unsigned int *ret)
{
	uint64_t value;

	if (strcmp(text, "0") == 0) {
		*ret = MANAGER_SERVERS_PER_CALL;
		return true;
	}
	if (!cmd_read_number(text, false, &value) || value > PROC_THREADS_DEFAULT)
		return false;
	*ret = (unsigned int)value;
	return true;
}

/* ---- reading it. */

static int complain(int error)
{
	cmd_complain(boot.command, "%s: %s", BOOT_CONFIG, strerror(-error));
	return CMD_FAILED;
}

static int take_all(struct inode *inode) MAY_YIELD
{
	ssize_t n = 1;

	while (n > 0 && boot.size < sizeof(boot.text)) {
		n = vfs_read(inode, boot.text + boot.size, sizeof(boot.text) - boot.size,
			     boot.size);
		if (n > 0)
			boot.size += (size_t)n;
	}
	return n < 0 ? complain((int)n) : 0;
}

static int read_in_world(void *context) MAY_YIELD
{
	const struct manager_options *m = boot.options;
	const struct world_how how = { .raw = m->image_use == MANAGER_IMAGE_ROOT };
	struct world_image *image;
	struct dentry *d;
	int status = world_open(m->image, &how, &image), closed, r;

	(void)context;
	if (status == 0) {
		r = vfs_walk(&image->view, NULL, BOOT_CONFIG, VFS_FOLLOW, &d);
		if (r == 0) {
			status = take_all(dentry_inode(d));
			dentry_put(d);
		} else if (r != -ENOENT) {
			status = complain(r);
		}
	}
	closed = world_close_all();
	return status ? status : closed;
}

/* Without an image what is inside is the host's. */
static int read_host(void)
{
	int fd = open(BOOT_CONFIG, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		return errno == ENOENT ? 0 : complain(-errno);
	while (n > 0 && boot.size < sizeof(boot.text)) {
		n = read(fd, boot.text + boot.size, sizeof(boot.text) - boot.size);
		if (n > 0)
			boot.size += (size_t)n;
	}
	close(fd);
	return n < 0 ? complain(-errno) : 0;
}

/* ---- what it says. */

static bool set(const char *word, const char *value)
{
	struct manager_options *m = boot.options;
	unsigned int servers;
	uint64_t number;

	if (strcmp(word, "servers") == 0) {
		if (!boot_read_servers(value, &servers))
			return false;
		m->servers = m->servers ? m->servers : servers;
	} else if (strcmp(word, "processes") == 0) {
		if (!cmd_read_number(value, false, &number) || number > INT_MAX)
			return false;
		m->process_limit = m->process_limit ? m->process_limit : (uint32_t)number;
	} else if (strcmp(word, "cache") == 0) {
		if (!cmd_read_number(value, true, &number))
			return false;
		m->cache_limit = m->cache_limit ? m->cache_limit : number;
	} else {
		return false;
	}
	return true;
}

static int take_line(char *line, unsigned int number)
{
	char *rest = NULL, *word, *value;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, BLANKS, &rest);
	value = strtok_r(NULL, BLANKS, &rest);
	if (!word)
		return 0;
	if (value && !strtok_r(NULL, BLANKS, &rest) && set(word, value))
		return 0;
	cmd_complain(boot.command,
		     "%s:%u: 'servers N', 'processes N' or 'cache SIZE' should stand here",
		     BOOT_CONFIG, number);
	return CMD_FAILED;
}

int boot_configure(const char *command, struct manager_options *m)
{
	unsigned int number = 1;
	char *next = boot.text;
	int status;

	boot.command = command;
	boot.options = m;
	status = m->image ? world_run(command, read_in_world, NULL) : read_host();
	if (status == 0 && (boot.size > BOOT_CONFIG_MAX || strlen(boot.text) != boot.size)) {
		cmd_complain(command, "%s: is no text, or a very long one", BOOT_CONFIG);
		status = CMD_FAILED;
	}
	while (status == 0 && next) {
		char *line = strsep(&next, "\n");

		status = take_line(line, number++);
	}
	return status;
}
