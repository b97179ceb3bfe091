/* SPDX-License-Identifier: MIT */
#include "call/call.h"

#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static_assert(PROC_ENTRIES == RUN_ENTRY_COUNT, "a thread an entry");
static_assert(PROC_SLOTS == RUN_FD_SLOTS, "the mirror has the client's slots");

static const struct call_first *first_program;
static bool tracing;

void call_set_first(const struct call_first *first)
{
	first_program = first;
}

const struct call_first *call_first(void)
{
	return first_program;
}

void call_set_trace(bool on)
{
	tracing = on;
}

int64_t call_serve(struct request *req)
{
	const struct call_row *row = call_row(req->num);
	struct call_trace *trace = tracing ? call_trace_begin(req) : NULL;
	int64_t ret;

	req->caller.cred = &req->process->cred;
	vfs_act_for(&req->caller);
	ret = row ? row->fn(req) : -ENOSYS;
	vfs_act_for(NULL);
	call_trace_end(trace, ret);
	return ret;
}

/* ---- arguments. */

int request_at(const struct request *req, uint64_t offset, uint64_t size, void **ret_bytes)
{
	if (size == 0) {
		*ret_bytes = req->bounce;
		return 0;
	}
	if (offset > RUN_BOUNCE_SIZE || size > RUN_BOUNCE_SIZE - offset)
		return -EFAULT;
	*ret_bytes = req->bounce + offset;
	return 0;
}

int request_buffer(const struct request *req, unsigned int i, uint64_t size, void **ret_bytes)
{
	return request_at(req, req->arg[i], size, ret_bytes);
}

int request_in(const struct request *req, unsigned int i, size_t size, void *copy)
{
	void *bytes;
	int r = request_buffer(req, i, size, &bytes);

	if (r == 0)
		memcpy(copy, bytes, size);
	return r;
}

int request_out(const struct request *req, unsigned int i, const void *from, size_t size)
{
	void *bytes;
	int r = request_buffer(req, i, size, &bytes);

	if (r == 0)
		memcpy(bytes, from, size);
	return r;
}

int request_string(const struct request *req, unsigned int i, char buf[REQUEST_STRING_SIZE])
{
	uint64_t offset = req->arg[i];
	size_t room, length;

	if (offset >= RUN_BOUNCE_SIZE)
		return -EFAULT;
	room = RUN_BOUNCE_SIZE - offset;
	if (room > REQUEST_STRING_SIZE)
		room = REQUEST_STRING_SIZE;
	/* The length is a guess about memory that changes: the copy gets a NUL of its own. */
	length = strnlen((const char *)req->bounce + offset, room);
	if (length == room)
		return room < REQUEST_STRING_SIZE ? -EFAULT : -ENAMETOOLONG;
	memcpy(buf, req->bounce + offset, length);
	buf[length] = '\0';
	return (int)strlen(buf);
}

/* ---- descriptors and paths. */

struct file *request_file_any(const struct request *req, unsigned int i)
{
	return fd_get(req->process->fds, request_int(req, i));
}

struct file *request_file(const struct request *req, unsigned int i)
{
	struct file *f = fd_peek(req->process->fds, request_int(req, i));

	return f && !(f->flags & O_PATH) ? file_get(f) : NULL;
}

int request_path(const struct request *req, unsigned int i, int32_t dir_fd, unsigned int which,
		 struct call_path *ret)
{
	char *text = req->text[which];
	struct file *dir;
	int r = request_string(req, i, text);

	if (r < 0)
		return r;
	ret->text = text;
	ret->at = NULL;
	if (text[0] == '/' || dir_fd == AT_FDCWD)
		return 0;
	dir = fd_peek(req->process->fds, dir_fd);
	if (!dir)
		return -EBADF;
	/* With AT_EMPTY_PATH any file will do; request_object() sees to those without a name. */
	if (!dir->dentry || (text[0] != '\0' && dentry_inode(dir->dentry)->type != S_IFDIR))
		return -ENOTDIR;
	ret->at = dentry_get(dir->dentry);
	return 0;
}

void call_path_drop(struct call_path *path)
{
	dentry_put(path->at);
}
