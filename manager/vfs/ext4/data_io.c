#include "vfs/ext4/data_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	struct disk_request request;
	struct data_io *io;
	struct journal_transaction *transaction;
};

struct data_io {
	struct cache_page *page;
	struct ext4 *fs;
	enum disk_op op;
	unsigned int flags;
	uint32_t valid_size;
	int error;
	unsigned int pending;	  /* pieces under way, and the maker */
	unsigned int piece_count; /* used */
	struct piece pieces[];
};

int data_io_new(const struct data_io_setup *setup, struct data_io **ret)
{
	uint32_t pieces = DATA_PAGE_SIZE >> setup->inode->fs->block_shift;
	struct data_io *io = malloc(sizeof(*io) + pieces * sizeof(io->pieces[0]));

	if (!io)
		return -ENOMEM;
	io->page = setup->page;
	io->fs = setup->inode->fs;
	io->op = setup->op;
	io->flags = setup->flags;
	io->valid_size = setup->valid_size;
	io->error = 0;
	io->pending = 1;
	io->piece_count = 0;
	*ret = io;
	return 0;
}

static void finish(struct data_io *io)
{
	if (--io->pending > 0)
		return;
	if (io->op == DISK_READ) {
		if (io->error == 0)
			memset((char *)io->page->data + io->valid_size, 0,
			       DATA_PAGE_SIZE - io->valid_size);
		cache_read_done(io->page, io->error);
	} else {
		cache_write_done(io->page, io->error);
	}
	free(io);
}

static void piece_done(struct disk_request *request, int error)
{
	struct piece *piece = CONTAINER_OF(request, struct piece, request);
	struct data_io *io = piece->io;

	if (error < 0)
		io->error = error;
	journal_data_end(piece->transaction, error);
	finish(io);
}

void data_io_piece(struct data_io *io, uint32_t at, uint32_t count, uint64_t physical,
		   struct journal_transaction *t)
{
	unsigned int shift = io->fs->block_shift;
	struct piece *piece = &io->pieces[io->piece_count++];

	assert(io->piece_count <= DATA_PAGE_SIZE >> shift);
	io->pending++;
	piece->io = io;
	piece->transaction = t;
	piece->request = (struct disk_request){
		.op = io->op,
		.flags = io->flags,
		.offset = physical << shift,
		.data = (char *)io->page->data + ((size_t)at << shift),
		.size = (uint64_t)count << shift,
		.done = piece_done,
	};
	disk_send(io->fs->disk, &piece->request);
}

void data_io_go(struct data_io *io, int error)
{
	if (error < 0)
		io->error = error;
	finish(io);
}
