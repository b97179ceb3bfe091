#include "test/exec/exec_test.h"

#include "call/stub_cache.h"

#include <sys/mman.h>

struct process *process;
struct thread *thread;
struct request request;
int client_fd[PROC_SLOTS];
unsigned int sent_count;
bool send_fails;
unsigned int killed;

static unsigned char bounce[RUN_BOUNCE_SIZE];
static char text[2][REQUEST_STRING_SIZE];
static void (*body_of_test)(void);

/* ---- the host's side, without a host */

static int no_signal(struct process *p, const siginfo_t *info)
{
	(void)p, (void)info;
	return 0;
}

static int no_signal_thread(struct thread *t, const siginfo_t *info)
{
	(void)t, (void)info;
	return 0;
}

static void do_nothing_thread(struct thread *t)
{
	(void)t;
}

static void do_nothing_entry(struct client *c, uint32_t entry)
{
	(void)c, (void)entry;
}

static void do_nothing_client(struct client *c)
{
	(void)c;
}

static void do_nothing_process(struct process *p)
{
	(void)p;
}

static bool is_free_entry(const struct client *c, uint32_t entry)
{
	(void)c, (void)entry;
	return true;
}

static int new_client(struct client **ret)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	list_init(&c->node);
	c->area_fd = -1;
	c->socket = -1;
	c->peer = -1;
	*ret = c;
	return 0;
}

static void free_client(struct client *c)
{
	free(c);
}

static int keep_descriptors(struct client *c, const int *fds, const uint32_t *slots,
			    unsigned int count)
{
	(void)c;
	CHECK(count > 0 && count <= RUN_FDS_MAX);
	if (send_fails)
		return -EIO;
	for (unsigned int i = 0; i < count; i++) {
		CHECK(slots[i] < PROC_SLOTS);
		if (client_fd[slots[i]] >= 0)
			close(client_fd[slots[i]]);
		client_fd[slots[i]] = dup(fds[i]);
		CHECK(client_fd[slots[i]] >= 0);
	}
	sent_count += count;
	return 0;
}

static int32_t number_of_thread(const struct thread *t)
{
	return t->process->pid + (int32_t)t->entry;
}

static int adopt_none(struct process *p, int32_t pid)
{
	(void)p, (void)pid;
	return -ECHILD;
}

static bool ignores_none(struct thread *t, int sig)
{
	(void)t, (void)sig;
	return false;
}

static void count_kill(struct process *p)
{
	(void)p;
	killed++;
}

static const struct proc_host host = {
	.signal = no_signal,
	.signal_thread = no_signal_thread,
	.end_thread = do_nothing_thread,
	.entry_reset = do_nothing_entry,
	.entry_is_free = is_free_entry,
	.client_new = new_client,
	.client_free = free_client,
	.client_stop = do_nothing_client,
	.client_send = keep_descriptors,
	.thread_tid = number_of_thread,
	.kill = count_kill,
	.adopt = adopt_none,
	.publish = do_nothing_process,
	.signal_ignored = ignores_none,
	.reap = do_nothing_process,
	.ended = do_nothing_process,
};

/* ---- a process from first to last */

static void process_begins(void)
{
	const struct proc_options options = { 0 };

	proc_init(&options, &host);
	CHECK_INT(process_first(&process), 0);
	process_get(process);
	process->cred = cred;
	CHECK_INT(fd_table_new(&process->fds), 0);
	process_started(process, 1000, -1);
	thread = process->client->thread[0];
	CHECK(thread);
	thread->state = THREAD_SERVED;
	thread->task = task_self();
	for (unsigned int i = 0; i < PROC_SLOTS; i++)
		client_fd[i] = -1;
}

static void process_ends(void)
{
	const struct process_status how = { CLD_EXITED, 0 };
	const struct rusage none = { 0 };

	thread_idle(thread);
	process_host_died(process, how, &none);
	process_put(process);
	proc_fini();
	for (unsigned int i = 0; i < PROC_SLOTS; i++)
		if (client_fd[i] >= 0)
			close(client_fd[i]);
	stub_cache_drop();
	CHECK_INT(stub_cache_bytes(), 0);
}

static void body(void) MAY_YIELD
{
	process_begins();
	body_of_test();
	process_ends();
}

void run_with_process(void (*fn)(void))
{
	body_of_test = fn;
	run_in_task(body);
}

void use_machine(void)
{
	use_overlay("/");
	process->view = view;
	process->view.root = dentry_get(view.root);
	process->view.cwd = dentry_get(view.cwd);
	process->view.cred = &process->cred;
	process->view.pid = process->pid;
}

/* ---- files */

void put_file(const char *path, const void *bytes, size_t size, uint32_t mode)
{
	const struct vfs_open how = { O_CREAT | O_EXCL | O_WRONLY, mode };
	struct dentry *d;

	CHECK_INT(vfs_open(&view, NULL, path, &how, &d), 0);
	CHECK_INT(vfs_write(dentry_inode(d), bytes, size, 0), size);
	dentry_put(d);
}

void put_text(const char *path, const char *words, uint32_t mode)
{
	put_file(path, words, strlen(words), mode);
}

void put_copy(const char *path, const char *host_path, uint32_t mode)
{
	int fd = open(host_path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *bytes;

	if (fd < 0)
		SKIP("no %s", host_path);
	CHECK_INT(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size);
	CHECK(bytes);
	CHECK_INT(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	put_file(path, bytes, (size_t)st.st_size, mode);
	free(bytes);
}

/* ---- calls */

#define STRING_OFFSET 0u
#define WORDS_OFFSET 8192u

static int64_t serve(uint32_t num, const uint64_t arg[6]) MAY_YIELD
{
	request = (struct request){
		.thread = thread,
		.process = process,
		.client = process->client,
		.num = num,
		.bounce = bounce,
		.text = { text[0], text[1] },
	};
	memcpy(request.arg, arg, sizeof(request.arg));
	return call_serve(&request);
}

int open_fd(const char *path, int flags)
{
	const uint64_t arg[6] = { (uint64_t)AT_FDCWD, STRING_OFFSET, (uint64_t)flags, 0644 };

	memcpy(bounce, path, strlen(path) + 1);
	return (int)serve(257, arg);
}

static int64_t exec_with(const uint64_t arg[6], const char *path, const char *words, size_t size)
	MAY_YIELD
{
	memcpy(bounce + STRING_OFFSET, path, strlen(path) + 1);
	memcpy(bounce + WORDS_OFFSET, words, size);
	memcpy(bounce + WORDS_OFFSET + size, "A=1\0B=2", 8);
	return serve(59, arg);
}

int64_t exec_words(const char *path, const char *words, size_t size)
{
	const uint64_t arg[6] = { STRING_OFFSET,
				  (uint64_t)AT_FDCWD,
				  0,
				  WORDS_OFFSET,
				  size,
				  (WORDS_OFFSET + size) | 8ull << 32 };

	return exec_with(arg, path, words, size);
}

int64_t exec_path(const char *path)
{
	return exec_words(path, path, strlen(path) + 1);
}

int64_t exec_at(int dir_fd, const char *path, int flags)
{
	const uint64_t arg[6] = { STRING_OFFSET,
				  (uint64_t)dir_fd,
				  (uint64_t)flags,
				  WORDS_OFFSET,
				  2,
				  (WORDS_OFFSET + 2) | 8ull << 32 };

	return exec_with(arg, path, "x", 2);
}

int64_t exec_arguments(const uint64_t arg[6])
{
	return serve(59, arg);
}

int64_t run_start(void)
{
	const uint64_t none[6] = { 0 };

	return serve(RUN_START, none);
}

unsigned char *request_bytes(uint64_t offset)
{
	CHECK(offset < RUN_BOUNCE_SIZE);
	return bounce + offset;
}

const struct run_plan *plan_of(void)
{
	static struct run_plan plan;

	memcpy(&plan, bounce, sizeof(plan));
	return &plan;
}

const char *prefix_of(void)
{
	static char joined[16384];
	const struct run_plan *plan = plan_of();

	memcpy(joined, bounce + plan->prefix_offset, plan->prefix_size);
	for (uint32_t i = 0; i < plan->prefix_size; i++)
		if (joined[i] == '\0')
			joined[i] = '|';
	joined[plan->prefix_size] = '\0';
	return joined;
}

int64_t map_fd(const struct mmap_request *m, struct run_map *ret)
{
	const uint64_t arg[6] = {
		(uint64_t)m->fd, m->prot, m->flags, m->offset, m->length, m->plain
	};
	int64_t r = serve(RUN_MAP, arg);

	memcpy(ret, bounce, sizeof(*ret));
	return r;
}

void add_thread(void)
{
	struct thread *other;

	CHECK_INT(thread_new(process, -1, &other), 0);
}
