/* exec.c - execve, execveat and the launcher's start. */
#include "call/exec.h"

#include "call/inside.h"
#include "call/map_slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Where in the bounce buffer things are answered. */
#define STRINGS_OFFSET 4096u

static_assert(sizeof(struct run_plan) <= STRINGS_OFFSET, "the strings lie behind the plan");
static_assert(STRINGS_OFFSET + EXEC_NAME_SIZE + EXEC_PREFIX_SIZE <= RUN_BOUNCE_SIZE,
	      "the answer fits in the bounce buffer");

static void exec_free_auto(struct exec **e)
{
	exec_free(*e);
}
#define AUTO_EXEC __attribute__((cleanup(exec_free_auto))) struct exec *

/* ---- the plan */

/* The segment whose text was copied and patched; NULL if the copy is of another layout. */
static struct run_segment *text_segment(struct run_image *image, const struct stub_text *text)
{
	uint64_t end = image->min_vaddr + image->span + text->stub_size;

	if (text->min_vaddr != image->min_vaddr || text->span != image->span)
		return NULL;
	if (!image->relocatable && image->min_vaddr < RUN_END && end > RUN_BASE)
		return NULL; /* no room for stubs */
	for (uint32_t i = 0; i < image->segment_count; i++) {
		struct run_segment *s = &image->segment[i];

		if ((s->prot & PROT_EXEC) && s->vaddr - s->vaddr % ELF_PAGE == text->vaddr &&
		    s->file_size <= text->size - s->vaddr % ELF_PAGE)
			return s;
	}
	return NULL;
}

/* Let the text come from its patched copy, and the stubs be one more segment. */
static void add_stubs(struct run_image *image, const struct stub_text *text,
		      struct map_slots *slots)
{
	struct run_segment *s = text_segment(image, text);

	if (!s)
		return;
	s->slot = map_slots_text(slots, text);
	s->offset = s->vaddr % ELF_PAGE;
	assert(image->segment_count < RUN_SEGMENTS_MAX);
	image->segment[image->segment_count++] = (struct run_segment){
		.vaddr = image->min_vaddr + image->span,
		.file_size = text->stub_size,
		.mem_size = text->stub_size,
		.offset = text->size,
		.prot = PROT_READ | PROT_EXEC,
		.slot = s->slot,
	};
	image->span += text->stub_size;
}

static void plan_image(const struct exec_file *f, struct map_slots *slots, struct run_image *image)
{
	uint32_t slot = map_slots_file(slots, &f->mapping);

	*image = f->elf.run;
	for (uint32_t i = 0; i < image->segment_count; i++)
		image->segment[i].slot = slot;
	if (f->text)
		add_stubs(image, f->text, slots);
}

static uint64_t stack_size(const struct process *p)
{
	uint64_t size = p->limit[RLIMIT_STACK].soft;

	if (size < EXEC_STACK_MIN)
		return EXEC_STACK_MIN;
	return size > EXEC_STACK_MAX ? EXEC_STACK_MAX : size & ~(ELF_PAGE - 1);
}

/* Write the plan and its strings, send the descriptors. Nothing here yields. */
static int answer_plan(struct request *req, const struct exec *e)
{
	uint32_t name_size = (uint32_t)strlen(e->name) + 1;
	struct run_plan plan = {
		.image_count = e->interpreter.dentry ? 2 : 1,
		.executable_stack = e->program.elf.executable_stack,
		.stack_size = stack_size(req->process),
		.execfn_offset = STRINGS_OFFSET,
		.prefix_count = e->prefix_count,
		.prefix_offset = STRINGS_OFFSET + name_size,
		.prefix_size = e->prefix_size,
	};
	struct map_slots slots;

	map_slots_begin(&slots, req->client);
	plan_image(&e->program, &slots, &plan.image[0]);
	if (e->interpreter.dentry)
		plan_image(&e->interpreter, &slots, &plan.image[1]);
	memcpy(req->bounce, &plan, sizeof(plan));
	memcpy(req->bounce + plan.execfn_offset, e->name, name_size);
	memcpy(req->bounce + plan.prefix_offset, e->prefix, e->prefix_size);
	return map_slots_send(&slots, req);
}

/* ---- replacing the program */

/* What /proc shows of the new program; copied before anything can change it. */
struct exec_text {
	char *cmdline, *environ; /* one allocation */
	uint32_t cmdline_size, environ_size;
};

static void exec_text_free(struct exec_text *t)
{
	free(t->cmdline);
}
#define AUTO_EXEC_TEXT __attribute__((cleanup(exec_text_free))) struct exec_text

static int commit(struct request *req, const struct exec *e, const struct exec_text *text) MAY_YIELD
{
	struct process *p = req->process;
	const char *slash = strrchr(e->name, '/');
	/* Set-user-id bits do not count: no program here gets more rights than it has. */
	const struct process_image image = {
		.exe = e->program.dentry,
		.comm = slash ? slash + 1 : e->name,
		.cmdline = text->cmdline,
		.cmdline_size = text->cmdline_size,
		.environ = text->environ,
		.environ_size = text->environ_size,
		.euid = UINT32_MAX,
		.egid = UINT32_MAX,
	};
	int r = process_end_threads(req->thread);

	if (r == 0)
		r = process_exec(p, &image);
	if (r < 0)
		return r;
	r = answer_plan(req, e);
	/* There is no way back, and without descriptors none ahead. */
	if (r < 0)
		proc_host->kill(p);
	return r;
}

/* ---- execve, execveat */

/* Bytes that /proc shows; a script's interpreter and name go before, instead of argv[0]. */
static int copy_text(const struct request *req, const struct exec *e, struct exec_text *ret)
{
	uint64_t environ_size = req->arg[5] >> 32;
	void *words = NULL, *variables = NULL;
	size_t skip = 0, size;
	int r = request_at(req, req->arg[3], req->arg[4], &words);

	if (r == 0)
		r = request_at(req, req->arg[5] & UINT32_MAX, environ_size, &variables);
	if (r < 0)
		return r;
	if (req->arg[4] > PROC_CMDLINE_MAX || environ_size > PROC_ENVIRON_MAX)
		return -E2BIG;
	size = req->arg[4];
	ret->cmdline = malloc(e->prefix_size + size + environ_size + 1);
	if (!ret->cmdline)
		return -ENOMEM;
	memcpy(ret->cmdline + e->prefix_size, words, size);
	if (e->prefix_count) {
		skip = strnlen(ret->cmdline + e->prefix_size, size);
		skip += skip < size; /* the NUL too */
		memmove(ret->cmdline + e->prefix_size, ret->cmdline + e->prefix_size + skip,
			size - skip);
		memcpy(ret->cmdline, e->prefix, e->prefix_size);
	}
	size += e->prefix_size - skip;
	ret->cmdline_size = (uint32_t)(size < PROC_CMDLINE_MAX ? size : PROC_CMDLINE_MAX);
	ret->environ = ret->cmdline + size;
	memcpy(ret->environ, variables, environ_size);
	ret->environ_size = (uint32_t)environ_size;
	return 0;
}

/* How the program is called: its path, or one that leads through the descriptor. */
static void set_name(struct exec *e, const struct request *req, int32_t dir_fd, const char *path)
{
	if (path[0] == '/' || dir_fd == AT_FDCWD) {
		snprintf(e->name, sizeof(e->name), "%s", path);
		return;
	}
	snprintf(e->name, sizeof(e->name), "/dev/fd/%d%s%s", dir_fd, path[0] ? "/" : "", path);
	e->name_closes = fd_cloexec(req->process->fds, (uint32_t)dir_fd);
}

static int find_program(struct request *req, struct exec *e, struct dentry **ret) MAY_YIELD
{
	int32_t dir_fd = request_int(req, 1);
	int flags = request_int(req, 2);
	AUTO_OBJECT object = { 0 };
	int r;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	if (!request_has(req, 0))
		return -EFAULT;
	r = request_object(req, dir_fd, 0, flags, &object);
	if (r < 0)
		return r;
	set_name(e, req, dir_fd, req->text[0]); /* where request_object() has copied it to */
	if (object.file && !object.file->dentry)
		return -EACCES;
	*ret = dentry_get(object.file ? object.file->dentry : object.dentry);
	if (S_ISLNK(dentry_inode(*ret)->type)) {
		dentry_put(*ret);
		return -ELOOP;
	}
	return 0;
}

int64_t call_execve(struct request *req)
{
	AUTO_EXEC e = NULL;
	AUTO_EXEC_TEXT text = { 0 };
	struct dentry *d;
	int r = exec_new(&e);

	if (r == 0)
		r = find_program(req, e, &d);
	if (r == 0)
		r = exec_load(e, &req->process->view, d);
	if (r == 0)
		r = copy_text(req, e, &text);
	return r < 0 ? r : commit(req, e, &text);
}

/* ---- the first program */

static size_t join_strings(char *const *strings, char *to, size_t most)
{
	size_t done = 0;

	for (; *strings && done < most; strings++) {
		size_t size = strlen(*strings) + 1;

		if (size > most - done)
			size = most - done;
		memcpy(to + done, *strings, size);
		done += size;
	}
	return done;
}

static int join_first(const struct call_first *first, const struct exec *e, struct exec_text *ret)
{
	char *to = malloc(PROC_CMDLINE_MAX + PROC_ENVIRON_MAX);
	size_t size = e->prefix_size < PROC_CMDLINE_MAX ? e->prefix_size : PROC_CMDLINE_MAX;
	char *const *rest = first->argv;

	if (!to)
		return -ENOMEM;
	ret->cmdline = to;
	memcpy(to, e->prefix, size);
	if (size > 0 && *rest)
		rest++;
	size += join_strings(rest, to + size, PROC_CMDLINE_MAX - size);
	ret->cmdline_size = (uint32_t)size;
	ret->environ = to + size;
	ret->environ_size = (uint32_t)join_strings(first->envp, to + size, PROC_ENVIRON_MAX);
	return 0;
}

int64_t call_run_start(struct request *req)
{
	const struct call_first *first = call_first();
	AUTO_EXEC e = NULL;
	AUTO_EXEC_TEXT text = { 0 };
	int r;

	if (!first || req->process->has_execed)
		return -EPERM;
	r = exec_new(&e);
	if (r == 0)
		r = exec_load_first(e, &req->process->view, first);
	if (r == 0)
		r = join_first(first, e, &text);
	return r < 0 ? r : commit(req, e, &text);
}
