/* SPDX-License-Identifier: MIT */
/*
 * copy.c - data from one descriptor to another, without a way through the client:
 * sendfile, copy_file_range. The server's own buffer is between.
 */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_PIECE 65536u
#define COPY_MAX 0x7ffff000u

/* One end: at an offset of its own, or at the file's position. */
struct copy_end {
	struct file *file;
	bool has_offset;
	uint64_t offset;
};

static ssize_t copy_read(const struct copy_end *end, void *buf, size_t size) MAY_YIELD
{
	return end->has_offset ? file_pread(end->file, buf, size, end->offset)
			       : file_read(end->file, buf, size);
}

static ssize_t copy_write(const struct copy_end *end, const void *buf, size_t size) MAY_YIELD
{
	return end->has_offset ? file_pwrite(end->file, buf, size, end->offset)
			       : file_write(end->file, buf, size);
}

/* What was read and could not be written is given back to the source's position. */
static void copy_unread(struct copy_end *from, size_t size) MAY_YIELD
{
	if (from->has_offset)
		from->offset -= size;
	else if (from->file->ops->seek && file_seek(from->file, -(int64_t)size, SEEK_CUR) < 0)
		return; /* it moved meanwhile: by another thread, whose affair it is */
}

static uint64_t copy_place(const struct copy_end *end)
{
	return end->has_offset ? end->offset : end->file->position;
}

static int64_t copy_pieces(struct copy_end *from, struct copy_end *to, uint64_t size) MAY_YIELD
{
	char *buf = malloc(COPY_PIECE);
	uint64_t done = 0;
	ssize_t r = 0;

	if (!buf)
		return -ENOMEM;
	while (done < size) {
		size_t piece = size - done < COPY_PIECE ? size - done : COPY_PIECE;
		ssize_t got = copy_read(from, buf, piece);

		r = got;
		if (got <= 0)
			break;
		from->offset += (uint64_t)got;
		r = copy_write(to, buf, (size_t)got);
		if (r < got)
			copy_unread(from, (size_t)(r < 0 ? got : got - r));
		if (r < 0)
			break;
		to->offset += (uint64_t)r;
		done += (uint64_t)r;
		if (r < got)
			break;
	}
	free(buf);
	return done > 0 ? (int64_t)done : r;
}

static int64_t copy_data(const struct request *req, struct copy_end *from, struct copy_end *to,
			 uint64_t size) MAY_YIELD
{
	int64_t r = prepare_write(req, to->file, copy_place(to), size < COPY_MAX ? size : COPY_MAX);

	return r <= 0 ? r : copy_pieces(from, to, (uint64_t)r);
}

MUST_USE static int copy_offset(const struct request *req, unsigned int i, struct copy_end *end)
{
	end->has_offset = request_has(req, i);
	if (!end->has_offset)
		return 0;
	return request_in(req, i, sizeof(end->offset), &end->offset);
}

static int64_t copy_answer(const struct request *req, unsigned int i, const struct copy_end *end,
			   int64_t ret)
{
	int r = 0;

	if (ret > 0 && end->has_offset)
		r = request_out(req, i, &end->offset, sizeof(end->offset));
	return r < 0 ? r : ret;
}

int64_t call_sendfile(struct request *req)
{
	AUTO_FILE out = request_file(req, 0);
	AUTO_FILE in = request_file(req, 1);
	struct copy_end from = { .file = in }, to = { .file = out };
	int r = copy_offset(req, 2, &from);

	if (!in || !out || !file_readable(in) || !file_writable(out))
		return -EBADF;
	if (r < 0)
		return r;
	if (!in->ops->seek) /* what is read and finds no room could not be given back */
		return from.has_offset ? -ESPIPE : -EINVAL;
	if (out->flags & O_APPEND)
		return -EINVAL;
	return copy_answer(req, 2, &from, copy_data(req, &from, &to, req->arg[3]));
}

static bool copy_regular(const struct file *f)
{
	const struct inode *inode = file_inode(f);

	return inode && inode->type == S_IFREG;
}

int64_t call_copy_file_range(struct request *req)
{
	AUTO_FILE in = request_file(req, 0);
	AUTO_FILE out = request_file(req, 2);
	struct copy_end from = { .file = in }, to = { .file = out };
	uint64_t size = req->arg[4] < COPY_MAX ? req->arg[4] : COPY_MAX;
	uint64_t in_at, out_at;
	int64_t done;
	int r = copy_offset(req, 1, &from);

	if (r == 0)
		r = copy_offset(req, 3, &to);
	if (!in || !out)
		return -EBADF;
	if (r < 0)
		return r;
	if (req->arg[5] != 0)
		return -EINVAL;
	if (!copy_regular(in) || !copy_regular(out)) {
		const struct inode *a = file_inode(in), *b = file_inode(out);

		return (a && a->type == S_IFDIR) || (b && b->type == S_IFDIR) ? -EISDIR : -EINVAL;
	}
	if (!file_readable(in) || !file_writable(out) || (out->flags & O_APPEND))
		return -EBADF;
	in_at = copy_place(&from);
	out_at = copy_place(&to);
	if (in_at > INT64_MAX - size || out_at > INT64_MAX - size)
		return -EOVERFLOW;
	if (file_inode(in) == file_inode(out) && in_at < out_at + size && out_at < in_at + size)
		return -EINVAL;
	done = copy_data(req, &from, &to, size);
	done = copy_answer(req, 1, &from, done);
	return copy_answer(req, 3, &to, done);
}
