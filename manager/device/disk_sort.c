#include "device/disk_sort.h"

/* A heap by this number: the tree is as one into which the requests came in random order. */
static uint64_t weight(const struct disk_request *r)
{
	uint64_t z = r->sequence * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
	return z ^ (z >> 32);
}

static bool before(const struct disk_request *a, const struct disk_request *b)
{
	return a->offset != b->offset ? a->offset < b->offset : a->sequence < b->sequence;
}

/* Cut a tree in two at r, which is in neither. */
static void split(struct disk_request *tree, const struct disk_request *r,
		  struct disk_request **ret_smaller, struct disk_request **ret_larger)
{
	while (tree) {
		if (before(tree, r)) {
			*ret_smaller = tree;
			ret_smaller = &tree->larger;
			tree = tree->larger;
		} else {
			*ret_larger = tree;
			ret_larger = &tree->smaller;
			tree = tree->smaller;
		}
	}
	*ret_smaller = NULL;
	*ret_larger = NULL;
}

void disk_sort_add(struct disk_request **root, struct disk_request *r)
{
	uint64_t mine = weight(r);

	while (*root && weight(*root) >= mine)
		root = before(r, *root) ? &(*root)->smaller : &(*root)->larger;
	split(*root, r, &r->smaller, &r->larger);
	*root = r;
}

/* Join two trees; all of `smaller` comes before all of `larger`. */
static void join(struct disk_request **root, struct disk_request *smaller,
		 struct disk_request *larger)
{
	while (smaller && larger) {
		if (weight(smaller) >= weight(larger)) {
			*root = smaller;
			root = &smaller->larger;
			smaller = smaller->larger;
		} else {
			*root = larger;
			root = &larger->smaller;
			larger = larger->smaller;
		}
	}
	*root = smaller ? smaller : larger;
}

void disk_sort_remove(struct disk_request **root, struct disk_request *r)
{
	while (*root != r) {
		assert(*root);
		root = before(r, *root) ? &(*root)->smaller : &(*root)->larger;
	}
	join(root, r->smaller, r->larger);
}

struct disk_request *disk_sort_from(struct disk_request *root, uint64_t offset)
{
	struct disk_request *found = NULL;

	while (root) {
		if (root->offset >= offset) {
			found = root;
			root = root->smaller;
		} else {
			root = root->larger;
		}
	}
	return found;
}

struct disk_request *disk_sort_before(struct disk_request *root, uint64_t offset)
{
	struct disk_request *found = NULL;

	while (root) {
		if (root->offset < offset) {
			found = root;
			root = root->larger;
		} else {
			root = root->smaller;
		}
	}
	return found;
}
