#include "call/stub_cache.h"

#include "call/elf.h"
#include "call/stub.h"
#include "file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKETS 256u
#define WRITTEN_BITS 65536u
#define HEAD_SIZE 4096u
#define SCAN_PIECE 65536u
#define SCAN_OVERLAP 16u      /* longer than a form */
#define SPAN_MAX (1ull << 30) /* stubs lie within reach of a jump */
#define KEY_MARK (1ull << 63)

/* What a copy is a copy of. */
struct version {
	uint64_t dev, ino, size;
	struct timespec mtime, ctime;
};

enum entry_state { ENTRY_SEEN, ENTRY_BUILDING, ENTRY_DONE, ENTRY_NONE };

struct entry {
	struct list bucket, age;
	struct version version;
	enum entry_state state;
	uint32_t uses;
	struct stub_text *text; /* DONE */
};

static struct {
	struct list bucket[BUCKETS];
	struct list oldest; /* entry.age, least used first */
	uint32_t count;
	uint64_t bytes;
	uint64_t last_key;
	struct stub_cache_options options;
	bool ready;
	/* Bit of a file's hash: it may be written through a mapping. Never cleared; a file
	 * that shares the bit of another only stays slow. */
	uint64_t written[WRITTEN_BITS / 64];
} cache;

static void cache_start(void)
{
	if (cache.ready)
		return;
	for (unsigned int i = 0; i < BUCKETS; i++)
		list_init(&cache.bucket[i]);
	list_init(&cache.oldest);
	if (cache.options.bytes == 0)
		cache.options = (struct stub_cache_options){ .uses = 1, .bytes = STUB_CACHE_BYTES };
	cache.ready = true;
}

static uint64_t file_hash(uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev << 40) * 0x9e3779b97f4a7c15u;

	return (h ^ h >> 32) * 0xd6e8feb86659fd93u >> 20;
}

static bool version_same(const struct version *a, const struct version *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec;
}

static int version_of(struct inode *inode, struct version *ret) MAY_YIELD
{
	struct vfs_attr attr;
	int r = vfs_getattr(inode, &attr);

	if (r < 0)
		return r;
	*ret = (struct version){ .dev = attr.dev,
				 .ino = attr.ino,
				 .size = attr.size,
				 .mtime = attr.mtime,
				 .ctime = attr.ctime };
	return 0;
}

/* ---- the table */

static struct list *bucket_of(const struct version *v)
{
	return &cache.bucket[file_hash(v->dev, v->ino) % BUCKETS];
}

static struct entry *entry_find(const struct version *v)
{
	struct list *bucket = bucket_of(v);

	LIST_EACH(it, bucket) {
		struct entry *e = LIST_ENTRY(it, struct entry, bucket);

		if (version_same(&e->version, v))
			return e;
	}
	return NULL;
}

static uint64_t text_bytes(const struct stub_text *text)
{
	return text->size + text->stub_size;
}

static void entry_free(struct entry *e)
{
	assert(e->state != ENTRY_BUILDING);
	if (e->text)
		cache.bytes -= text_bytes(e->text);
	stub_text_put(e->text);
	list_del(&e->bucket);
	list_del(&e->age);
	cache.count--;
	free(e);
}

/* Forget what was not used for the longest time until there is room. */
static void make_room(uint32_t entries, uint64_t bytes)
{
	LIST_EACH_SAFE(it, &cache.oldest) {
		struct entry *e = LIST_ENTRY(it, struct entry, age);
		bool too_many = cache.count + entries > STUB_CACHE_ENTRIES;

		if (!too_many && cache.bytes + bytes <= cache.options.bytes)
			return;
		if (e->state != ENTRY_BUILDING && (too_many || e->text))
			entry_free(e);
	}
}

static struct entry *entry_new(const struct version *v)
{
	struct entry *e;

	make_room(1, 0);
	if (cache.count >= STUB_CACHE_ENTRIES) /* all are being built */
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->version = *v;
	list_push_back(bucket_of(v), &e->bucket);
	list_push_back(&cache.oldest, &e->age);
	cache.count++;
	return e;
}

static void entry_used(struct entry *e)
{
	list_del(&e->age);
	list_push_back(&cache.oldest, &e->age);
}

/* ---- making a copy */

static ssize_t read_inode(void *ctx, void *buf, size_t size, uint64_t offset) MAY_YIELD
{
	return vfs_read(ctx, buf, size, offset);
}

static ssize_t read_all(struct inode *inode, uint8_t *buf, size_t size, uint64_t offset) MAY_YIELD
{
	size_t done = 0;

	while (done < size) {
		ssize_t r = vfs_read(inode, buf + done, size - done, offset + done);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* Outcomes of the steps of a build. */
enum { BUILD_GO_ON, BUILD_NONE };

/* The one text of an image, if it is as linkers make them. */
static const struct run_segment *only_text(const struct run_image *image)
{
	const struct run_segment *text = NULL;

	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct run_segment *s = &image->segment[i];

		if (!(s->prot & PROT_EXEC))
			continue;
		if (text || s->prot != (PROT_READ | PROT_EXEC) || s->file_size != s->mem_size)
			return NULL;
		text = s;
	}
	if (!text || text->file_size > STUB_CACHE_TEXT_MAX || image->span > SPAN_MAX)
		return NULL;
	return text;
}

/* Fill in where things are. */
static int read_layout(struct inode *inode, uint64_t size, struct elf_image *image,
		       struct run_segment *ret_text) MAY_YIELD
{
	uint8_t *head = malloc(HEAD_SIZE);
	struct elf_source source = { .head = head, .size = size, .read = read_inode, .ctx = inode };
	const struct run_segment *text;
	ssize_t got;
	int r;

	if (!head)
		return -ENOMEM;
	got = read_all(inode, head, HEAD_SIZE, 0);
	source.head_size = got > 0 ? (size_t)got : 0;
	r = got < 0 ? (int)got : elf_parse(&source, image);
	free(head);
	if (r != ELF_FINE)
		return r < 0 ? r : BUILD_NONE;
	text = only_text(&image->run);
	if (!text)
		return BUILD_NONE;
	*ret_text = *text;
	return BUILD_GO_ON;
}

/* Is there anything to patch? Most programs and libraries make no calls themselves. */
static int look_for_calls(struct inode *inode, const struct run_segment *text) MAY_YIELD
{
	uint8_t *piece = malloc(SCAN_PIECE);
	int r = BUILD_NONE;

	if (!piece)
		return -ENOMEM;
	for (uint64_t done = 0; done < text->file_size && r == BUILD_NONE;
	     done += SCAN_PIECE - SCAN_OVERLAP) {
		uint64_t left = text->file_size - done;
		ssize_t got = read_all(inode, piece, left < SCAN_PIECE ? left : SCAN_PIECE,
				       text->offset + done);

		if (got < 0)
			r = (int)got;
		else if (stub_may_have_sites(piece, (size_t)got))
			r = BUILD_GO_ON;
	}
	free(piece);
	return r;
}

static int append(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t r = write(fd, bytes, size);

		if (r <= 0)
			return r < 0 ? -errno : -ENOSPC;
		bytes += r;
		size -= (size_t)r;
	}
	return 0;
}

/* Patch the text's pages, and put them and the stubs into the file. */
static int put_text(struct stub_text *t, const struct stub_sites *sites, uint8_t *pages,
		    uint64_t skip)
{
	uint8_t *stubs;
	int r;

	t->stub_size = stub_bytes(sites);
	stubs = malloc(t->stub_size);
	if (!stubs)
		return -ENOMEM;
	/* Their place in memory is behind the span; the text starts `skip` bytes into its page. */
	stub_write(sites, pages + skip, stubs, t->min_vaddr + t->span - (t->vaddr + skip));
	r = append(t->fd, pages, t->size);
	if (r == 0)
		r = append(t->fd, stubs, t->stub_size);
	free(stubs);
	return r;
}

/* Read the text's pages, patch them and write the file. */
static int fill(struct stub_text *t, struct inode *inode, const struct run_segment *text,
		uint8_t *pages) MAY_YIELD
{
	uint64_t skip = text->vaddr - t->vaddr;
	struct stub_sites sites;
	ssize_t got;
	int r;

	got = read_all(inode, pages, t->size, t->offset);
	if (got < 0)
		return (int)got;
	if ((uint64_t)got < skip + text->file_size)
		return BUILD_NONE; /* it shrank */
	r = stub_find(pages + skip, text->file_size, &sites);
	if (r < 0)
		return r;
	t->site_count = sites.count;
	r = sites.count ? put_text(t, &sites, pages, skip) : BUILD_NONE;
	stub_sites_free(&sites);
	return r;
}

static int make_file(struct stub_text *t, struct inode *inode, const struct run_segment *text)
	MAY_YIELD
{
	uint8_t *pages;
	int r;

	t->fd = memfd_create("text", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->fd < 0)
		return -errno;
	/* Not the memfd's own pages: mapping and unmapping those takes twice as long. */
	pages = mmap(NULL, t->size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (pages == MAP_FAILED)
		return -errno;
	r = fill(t, inode, text, pages);
	munmap(pages, t->size);
	/* From here on nobody writes to it, not even we. */
	if (r == BUILD_GO_ON &&
	    fcntl(t->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		r = -errno;
	return r;
}

static int make_text(struct inode *inode, const struct run_image *image,
		     const struct run_segment *text, struct stub_text **ret) MAY_YIELD
{
	struct stub_text *t = calloc(1, sizeof(*t));
	uint64_t skip = text->vaddr % ELF_PAGE;
	int r;

	if (!t)
		return -ENOMEM;
	t->refs = 1;
	t->fd = -1;
	t->min_vaddr = image->min_vaddr;
	t->span = image->span;
	t->vaddr = text->vaddr - skip;
	t->offset = text->offset - skip;
	t->size = (skip + text->file_size + ELF_PAGE - 1) & ~(ELF_PAGE - 1);
	r = make_file(t, inode, text);
	if (r != BUILD_GO_ON) {
		stub_text_put(t);
		return r;
	}
	t->key = KEY_MARK | ++cache.last_key;
	*ret = t;
	return BUILD_GO_ON;
}

static int build(struct inode *inode, const struct version *version, struct stub_text **ret)
	MAY_YIELD
{
	struct elf_image *image = malloc(sizeof(*image));
	struct run_segment text;
	struct version after;
	int r;

	if (!image)
		return -ENOMEM;
	r = read_layout(inode, version->size, image, &text);
	if (r == BUILD_GO_ON)
		r = look_for_calls(inode, &text);
	if (r == BUILD_GO_ON)
		r = make_text(inode, &image->run, &text, ret);
	free(image);
	if (r != BUILD_GO_ON)
		return r;
	r = version_of(inode, &after);
	if (r == 0 && version_same(version, &after))
		return BUILD_GO_ON;
	stub_text_put(*ret);
	return r < 0 ? r : BUILD_NONE;
}

/* The entry cannot go away meanwhile: it is BUILDING. */
static void entry_build(struct entry *e, struct inode *inode) MAY_YIELD
{
	struct stub_text *text = NULL;
	int r;

	e->state = ENTRY_BUILDING;
	r = build(inode, &e->version, &text);
	e->state = r == -ECANCELED || r == -EINTR || r == -ERESTARTSYS ? ENTRY_SEEN : ENTRY_NONE;
	if (r != BUILD_GO_ON)
		return;
	if (text_bytes(text) > cache.options.bytes) {
		stub_text_put(text);
		return;
	}
	make_room(0, text_bytes(text));
	e->text = text;
	e->state = ENTRY_DONE;
	cache.bytes += text_bytes(text);
}

static bool is_due(const struct entry *e, enum stub_use use, bool surely)
{
	if (e->state != ENTRY_SEEN || use == STUB_TEXT_MAP || cache.options.uses == UINT32_MAX)
		return false;
	return surely || e->uses >= cache.options.uses;
}

static bool is_written(const struct version *v)
{
	uint64_t bit = file_hash(v->dev, v->ino) % WRITTEN_BITS;

	return cache.written[bit / 64] >> (bit % 64) & 1;
}

struct stub_text *stub_text_find(struct inode *inode, enum stub_use use, bool surely)
{
	struct version version;
	struct entry *e;

	cache_start();
	if (version_of(inode, &version) < 0 || is_written(&version))
		return NULL;
	e = entry_find(&version);
	if (!e && use == STUB_FIRST_MAP && !surely && cache.options.uses > 0)
		return NULL; /* most files that are mapped are no programs */
	if (!e)
		e = entry_new(&version);
	if (!e)
		return NULL;
	entry_used(e);
	if (is_due(e, use, surely))
		entry_build(e, inode);
	if (use != STUB_FIRST_MAP && e->uses < UINT32_MAX)
		e->uses++;
	if (e->state != ENTRY_DONE)
		return NULL;
	e->text->refs++;
	return e->text;
}

void stub_text_put(struct stub_text *text)
{
	if (!text || --text->refs > 0)
		return;
	if (text->fd >= 0)
		close(text->fd);
	free(text);
}

void stub_cache_written(struct inode *inode)
{
	struct version version;
	uint64_t bit;

	if (version_of(inode, &version) < 0)
		return; /* neither will stub_text_find() see it */
	bit = file_hash(version.dev, version.ino) % WRITTEN_BITS;
	cache.written[bit / 64] |= 1ull << (bit % 64);
}

void stub_cache_set(const struct stub_cache_options *options)
{
	cache_start();
	cache.options = *options;
	make_room(0, 0);
}

void stub_cache_drop(void)
{
	cache_start();
	LIST_EACH_SAFE(it, &cache.oldest)
		entry_free(LIST_ENTRY(it, struct entry, age));
	assert(cache.count == 0);
	assert(cache.bytes == 0);
}

uint64_t stub_cache_bytes(void)
{
	return cache.bytes;
}
