/*
 * errors.c - damage and I/O errors: no more changes, and the disk is told.
 *
 *     where                          who reads it
 *     superblock of the journal      written by the journal when it is aborted; a replay leaves it
 *     superblock: state, error_count,   at once, past the journal; and at unmount once more, as a
 *     first_error_*, last_error_*       block of the cache may have been written over it
 *
 * A disk without room (-ENOSPC) leaves what a power cut leaves: that is not told to it.
 */
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void ext4_time_put(uint32_t *low, uint8_t *high, uint64_t time_s)
{
	*low = (uint32_t)time_s;
	*high = (uint8_t)(time_s >> 32);
}

/* What the superblock is to say. */
static void describe(const struct ext4_error *e, struct ext4_super *super)
{
	super->state |= EXT4_STATE_ERRORS;
	if (super->last_error_time == (uint32_t)e->time_s && super->error_count > 0)
		return; /* it does */
	super->error_count++;
	super->last_error_code = e->code;
	super->last_error_line = e->line;
	super->last_error_inode = 0;
	super->last_error_block = 0;
	ext4_time_put(&super->last_error_time, &super->last_error_time_high, e->time_s);
	memset(super->last_error_function, 0, sizeof(super->last_error_function));
	memcpy(super->last_error_function, e->function,
	       strnlen(e->function, sizeof(super->last_error_function)));
	if (super->first_error_time != 0)
		return;
	super->first_error_code = super->last_error_code;
	super->first_error_line = super->last_error_line;
	super->first_error_time = super->last_error_time;
	super->first_error_time_high = super->last_error_time_high;
	memcpy(super->first_error_function, super->last_error_function,
	       sizeof(super->first_error_function));
}

static void remember(struct ext4 *fs, uint8_t code, const char *function, uint32_t line)
{
	fs->error = (struct ext4_error){
		.code = code,
		.function = function,
		.line = line,
		.time_s = (uint64_t)time(NULL),
	};
}

/* Nothing else of what is in memory may get there: the superblock as the disk has it. */
void ext4_error_note(struct ext4 *fs)
{
	struct ext4_super *super = malloc(sizeof(*super));
	int r;

	if (!super)
		return;
	if (fs->error.code == 0) /* no task for it: it is done here */
		remember(fs, EXT4_ERROR_IO, __func__, __LINE__);
	r = disk_read(fs->disk, super, sizeof(*super), EXT4_SUPER_OFFSET);
	if (r == 0 && super->magic == EXT4_SUPER_MAGIC) {
		describe(&fs->error, super);
		ext4_super_checksum(fs, super);
		if (disk_write(fs->disk, super, sizeof(*super), EXT4_SUPER_OFFSET) == 0)
			(void)!disk_flush(fs->disk);
	}
	free(super);
}

static void noter(void *arg) MAY_YIELD
{
	struct ext4 *fs = arg;

	ext4_error_note(fs);
	fs->noter = NULL;
	waitq_wake_all(&fs->closed);
}

void ext4_error_wait(struct ext4 *fs)
{
	while (fs->noter)
		(void)!waitq_wait(&fs->closed, TASK_FOREVER, WAIT_SURE);
}

void ext4_error_set(struct ext4 *fs, uint8_t code, const char *function, uint32_t line)
{
	if (fs->error.code != 0)
		return;
	remember(fs, code, function, line);
	/* Without memory for the task: unmount does it. */
	if (fs->written && task_start(&fs->noter, "ext4-errors", noter, fs) < 0)
		fs->noter = NULL;
}

int ext4_damage_at(struct ext4 *fs, const char *function, uint32_t line, const char *format, ...)
{
	va_list args;

	if (fs->damage)
		return -EUCLEAN;
	va_start(args, format);
	vsnprintf(fs->damage_text, sizeof(fs->damage_text), format, args);
	va_end(args);
	fs->damage = -EUCLEAN;
	fprintf(stderr, "hascall: ext4: %s%s\n", fs->damage_text,
		fs->read_only ? "" : "; no more changes are made");
	ext4_error_set(fs, EXT4_ERROR_DAMAGE, function, line);
	if (fs->journal)
		journal_abort(fs->journal, -EUCLEAN);
	return -EUCLEAN;
}

const char *ext4_loss_text(int error)
{
	switch (error) {
	case -ENOSPC:
		return "no room is left where it lies; make some and go on, it needs no repair";
	case -EUCLEAN:
		return "what is there is not whole; run e2fsck";
	default:
		return strerror(-error);
	}
}

int ext4_half_done(struct ext4 *fs, int error)
{
	if (error < 0 && ext4_writable(fs) == 0)
		ext4_damage(fs, "a change could not be completed: %s", strerror(-error));
	return error;
}
