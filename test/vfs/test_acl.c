/*
 * test_acl.c - what vfs/acl.h promises: which lists are lists, what they say, who may
 * set them, what new files begin with, and that nobody is asked for them twice.
 */
#include "test/vfs/vfs_test.h"
#include "vfs/acl.h"

#include <sys/sysmacros.h>

#define R 4
#define W 2
#define X 1
#define OWNER(p)                        \
	{                               \
		ACL_OWNER, p, ACL_NO_ID \
	}
#define USER(p, id)             \
	{                       \
		ACL_USER, p, id \
	}
#define OWNING_GROUP(p)                        \
	{                                      \
		ACL_OWNING_GROUP, p, ACL_NO_ID \
	}
#define GROUP(p, id)             \
	{                        \
		ACL_GROUP, p, id \
	}
#define MASK(p)                        \
	{                              \
		ACL_MASK, p, ACL_NO_ID \
	}
#define OTHER(p)                        \
	{                               \
		ACL_OTHER, p, ACL_NO_ID \
	}
#define MAX 8u

struct value {
	uint32_t version;
	struct acl_entry entries[MAX];
};

/* Entries up to the first zeroed one. */
static size_t size_of(const struct value *v)
{
	size_t count = 0;

	while (count < MAX && v->entries[count].tag)
		count++;
	return 4 + count * sizeof(struct acl_entry);
}

#define LIST(...)                \
	(&(const struct value){  \
		2,               \
		{ __VA_ARGS__ }, \
	})
static const char *const access_name = VFS_XATTR_ACL_ACCESS;
static const char *const default_name = VFS_XATTR_ACL_DEFAULT;

static int set_bytes(const char *path, const char *name, const void *bytes, size_t size) MAY_YIELD
{
	const struct vfs_bytes value = { bytes, size };
	struct inode *inode = inode_at(path);
	int r = vfs_setxattr(&cred, inode, name, &value, 0);

	inode_put(inode);
	return r;
}

static int set(const char *path, const char *name, const struct value *v) MAY_YIELD
{
	return set_bytes(path, name, v, size_of(v));
}

static int take_away(const char *path, const char *name) MAY_YIELD
{
	struct inode *inode = inode_at(path);
	int r = vfs_removexattr(&cred, inode, name);

	inode_put(inode);
	return r;
}

/* Like "u::rw- u:5:r-- g::r-- m::rw- o::---", or the error; static buffer. */
static const char *list_of(const char *path, const char *name) MAY_YIELD
{
	static char text[512];
	struct value v = { 0 };
	struct inode *inode = inode_at(path);
	ssize_t n = vfs_getxattr(&cred, inode, name, &v, sizeof(v));
	char *at = text;

	inode_put(inode);
	if (n < 0)
		return strerrorname_np((int)-n);
	CHECK_INT(n, size_of(&v));
	*at = '\0';
	for (size_t i = 0; i < ((size_t)n - 4) / 8; i++) {
		const struct acl_entry *e = &v.entries[i];
		unsigned int tag = e->tag;
		char kind = tag == ACL_OWNER || tag == ACL_USER		  ? 'u'
			    : tag == ACL_OWNING_GROUP || tag == ACL_GROUP ? 'g'
			    : tag == ACL_MASK				  ? 'm'
									  : 'o';

		at += sprintf(at, "%s%c:", i ? " " : "", kind);
		if (acl_is_named(tag))
			at += sprintf(at, "%u", e->id);
		at += sprintf(at, ":%c%c%c", e->permissions & R ? 'r' : '-',
			      e->permissions & W ? 'w' : '-', e->permissions & X ? 'x' : '-');
	}
	return text;
}

static uint32_t mode_of(const char *path) MAY_YIELD
{
	struct vfs_attr a;

	CHECK_INT(do_lstat(path, &a), 0);
	return a.mode & 07777;
}

static int may(const char *path, unsigned int what) MAY_YIELD
{
	struct inode *inode = inode_at(path);
	int r = vfs_permission(&cred, inode, what);

	inode_put(inode);
	return r;
}

/* ---- which bytes are a list. */

static int parse(const void *bytes, size_t size, bool *ret_valid)
{
	struct vfs_acl *acl;
	int r = acl_parse(bytes, size, &acl);

	*ret_valid = r == 0 && acl && acl_valid(acl);
	if (r == 0)
		free(acl);
	return r;
}

static void only_what_acl_5_describes_is_a_list(void)
{
	static const struct value wrong[] = {
		{ 2, { OWNER(6), OWNING_GROUP(4) } },
		{ 2, { OWNER(6), OTHER(4) } },
		{ 2, { OWNING_GROUP(6), OTHER(4) } },
		{ 2, { OWNER(6), OWNER(6), OWNING_GROUP(4), OTHER(0) } },
		{ 2, { OWNER(6), OWNING_GROUP(4), OWNING_GROUP(4), OTHER(0) } },
		{ 2, { OWNER(6), OWNING_GROUP(4), OTHER(0), OTHER(0) } },
		{ 2, { OWNER(6), OWNING_GROUP(4), MASK(4), MASK(4), OTHER(0) } },
		{ 2, { OWNING_GROUP(4), OWNER(6), OTHER(0) } },
		{ 2, { OWNER(6), OWNING_GROUP(4), USER(4, 5), MASK(4), OTHER(0) } },
		{ 2, { OWNER(6), USER(4, 5), OWNING_GROUP(4), OTHER(0) } },
		{ 2, { OWNER(6), OWNING_GROUP(4), GROUP(4, 5), OTHER(0) } },
		{ 2, { OWNER(8), OWNING_GROUP(4), OTHER(0) } },
		{ 2, { OWNER(6), OWNING_GROUP(0x104), OTHER(0) } },
	};
	static const struct value malformed[] = {
		{ 2, { OWNER(6), USER(4, ACL_NO_ID), OWNING_GROUP(4), MASK(4), OTHER(0) } },
		{ 2, { OWNER(6), { 3, 4, 0 }, OWNING_GROUP(4), OTHER(0) } },
		{ 2, { OWNER(6), OWNING_GROUP(4), { 64, 4, 0 } } },
	};
	struct value good = *LIST(OWNER(6), USER(4, 0), USER(4, 0), OWNING_GROUP(4), GROUP(7, 9),
				  GROUP(7, 1), MASK(4), OTHER(0));
	bool valid;

	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		CHECK_INT(parse(&wrong[i], size_of(&wrong[i]), &valid), 0);
		CHECK(!valid);
	}
	for (size_t i = 0; i < ARRAY_COUNT(malformed); i++)
		CHECK_INT(parse(&malformed[i], size_of(&malformed[i]), &valid), -EINVAL);
	CHECK_INT(parse(&good, size_of(&good), &valid), 0);
	CHECK(valid);
	CHECK_INT(parse(&good, 0, &valid), 0);
	CHECK_INT(parse(&good, 4, &valid), 0);
	CHECK(!valid);
	for (size_t size = 1; size < size_of(&good); size++)
		CHECK_INT(parse(&good, size, &valid), size < 4 || size % 8 != 4 ? -EINVAL : 0);
	good.version = 1;
	CHECK_INT(parse(&good, size_of(&good), &valid), -EOPNOTSUPP);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static void any_bytes_have_an_answer(void)
{
	uint64_t seed = 1, valid = 0;

	for (unsigned int round = 0; round < 200000; round++) {
		const struct value start = *LIST(OWNER(6), USER(4, 5), OWNING_GROUP(4), MASK(4),
						 OTHER(0), OTHER(1));
		struct value v = start, again;
		size_t size = random_next(&seed) % (sizeof(v) + 1);
		struct vfs_acl *acl;
		uint32_t mode = 0777;
		bool plain;

		if (random_next(&seed) % 2)
			size = 44;
		for (unsigned int k = random_next(&seed) % 4; k > 0; k--)
			((uint8_t *)&v)[random_next(&seed) % sizeof(v)] =
				(uint8_t)(1u << random_next(&seed) % 9);
		if (acl_parse(&v, size, &acl) < 0 || !acl)
			continue;
		CHECK_INT(acl_print(acl, NULL, 0), (ssize_t)size);
		CHECK_INT(acl_print(acl, &again, size - 1), -ERANGE);
		CHECK_INT(acl_print(acl, &again, sizeof(again)), (ssize_t)size);
		if (acl_valid(acl)) {
			valid++;
			CHECK((acl_mode(acl, &plain) & ~0777u) == 0);
			acl_chmod(acl, 0640);
			CHECK_INT(acl_mode(acl, &plain), 0640);
			acl_inherit(acl, &mode);
			CHECK_INT(mode, 0640);
			(void)acl_permits(acl, &cred, 5, R);
		}
		free(acl);
	}
	CHECK(valid > 1000);
}

/* ---- what a list says. */

struct question {
	const struct value *list;
	uint32_t uid, gid, second_group;
	unsigned int may;
	bool wanted;
};

VFS_TEST(who_may_is_as_acl_5_says)
{
	const struct value *users = LIST(OWNER(0), USER(R | W, 5), USER(0, 6), OWNING_GROUP(X),
					 GROUP(W, 30), GROUP(R | X, 40), MASK(R | X), OTHER(W));
	const struct value *no_names = LIST(OWNER(7), OWNING_GROUP(7), MASK(R), OTHER(7));
	const struct question questions[] = {
		{ users, 1, 10, 0, X, false }, /* the owner: the mode's first class */
		{ users, 5, 99, 0, R, true },  /* a named user */
		{ users, 5, 99, 0, W, false }, /* ... within the mask */
		{ users, 5, 10, 0, X, false }, /* ... his groups do not matter */
		{ users, 6, 40, 0, R, false }, /* ... even if his own entry grants nothing */
		{ users, 7, 10, 0, X, true },  /* the owning group */
		{ users, 7, 10, 0, W, false }, /* ... is not "others" */
		{ users, 7, 30, 0, W, false }, /* a named group, masked */
		{ users, 7, 30, 40, R, true }, /* any group that grants it */
		{ users, 7, 40, 0, R | X, true },
		{ users, 7, 10, 30, R | X, false }, /* all of it must be in one entry */
		{ users, 7, 99, 0, W, true },	    /* others, whom no mask limits */
		{ users, 7, 99, 0, R, false },
		{ no_names, 7, 10, 0, W, false },
		{ no_names, 7, 10, 0, R, true },
		{ no_names, 7, 11, 0, W, true },
	};

	use_mem(0);
	for (size_t i = 0; i < ARRAY_COUNT(questions); i++) {
		const struct question *q = &questions[i];

		be_root();
		CHECK_INT(do_create("/f", 0600), 0);
		CHECK_INT(set("/f", access_name, q->list), 0);
		CHECK_INT(do_chown("/f", 1, 10), 0);
		CHECK_INT(may("/f", R | W), 0);
		be_user(q->uid, q->gid);
		cred.group_count = q->second_group != 0;
		cred.groups[0] = q->second_group;
		if (may("/f", q->may) != (q->wanted ? 0 : -EACCES))
			test_fail(__FILE__, __LINE__, "question %zu", i);
		be_root();
		CHECK_INT(do_unlink("/f"), 0);
	}
}

VFS_TEST(a_mask_that_allows_nothing_leaves_it_to_the_mode)
{
	use_mem(0);
	CHECK_INT(do_create("/f", 0600), 0);
	CHECK_INT(set("/f", access_name,
		      LIST(OWNER(6), USER(6, 5), OWNING_GROUP(0), MASK(0), OTHER(4))),
		  0);
	be_user(5, 5);
	CHECK_INT(may("/f", R), 0); /* as Linux, which does not look at the list then */
	CHECK_INT(may("/f", W), -EACCES);
}

VFS_TEST(lists_count_wherever_permissions_do)
{
	const struct value *for_five = LIST(OWNER(7), USER(7, 5), OWNING_GROUP(0), MASK(7),
					    OTHER(0));
	struct dentry *d;

	use_mem(0);
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(do_chmod("/d", 0700), 0);
	CHECK_INT(do_create("/d/f", 0600), 0);
	be_user(5, 5);
	CHECK_INT(do_open("/d/f", O_RDONLY, 0, &d), -EACCES);
	be_root();
	CHECK_INT(set("/d", access_name, for_five), 0);
	be_user(5, 5);
	CHECK_INT(do_open("/d/f", O_RDONLY, 0, &d), -EACCES); /* found now, but not readable */
	CHECK_INT(do_create("/d/mine", 0600), 0);
	CHECK_INT(do_rename("/d/mine", "/d/still", 0), 0);
	CHECK_INT(do_unlink("/d/still"), 0);
	be_user(6, 6);
	CHECK_INT(do_create("/d/mine", 0600), -EACCES);
	be_root();
	CHECK_INT(set("/d/f", access_name, for_five), 0);
	be_user(5, 5);
	CHECK_INT(do_open("/d/f", O_RDWR, 0, &d), 0);
	dentry_put(d);
	CHECK_INT(may("/d/f", X), 0);
	/* What a sticky directory protects, no list opens. */
	be_root();
	CHECK_INT(do_chmod("/d", 01770), 0);
	be_user(5, 5);
	CHECK_INT(do_unlink("/d/f"), -EPERM);
	be_root();
	CHECK_INT(do_chmod("/d", 0700), 0);
	be_user(5, 5);
	CHECK_INT(do_open("/d/f", O_RDONLY, 0, &d), -EACCES);
}

/* ---- setting. */

VFS_TEST(the_mode_and_the_list_are_in_step)
{
	use_mem(0);
	CHECK_INT(do_create("/f", 0600), 0);
	CHECK_INT(do_chmod("/f", 06600), 0);
	CHECK_INT(set("/f", access_name,
		      LIST(OWNER(7), USER(7, 5), OWNING_GROUP(1), MASK(5), OTHER(4))),
		  0);
	CHECK_INT(mode_of("/f"), 06754);
	CHECK_INT(do_chmod("/f", 0631), 0);
	CHECK_STR(list_of("/f", access_name), "u::rw- u:5:rwx g::--x m::-wx o::--x");
	CHECK_INT(set("/f", access_name, LIST(OWNER(6), OWNING_GROUP(4), OTHER(0))), 0);
	CHECK_INT(mode_of("/f"), 0640);
	CHECK_STR(list_of("/f", access_name), "ENODATA");
	CHECK_INT(set("/f", access_name, LIST(OWNER(6), OWNING_GROUP(4), MASK(6), OTHER(0))), 0);
	CHECK_INT(mode_of("/f"), 0660);
	CHECK_INT(take_away("/f", access_name), 0);
	CHECK_INT(mode_of("/f"), 0660); /* what the mask showed stays */
	CHECK_INT(take_away("/f", access_name), 0);
	CHECK_INT(set_bytes("/f", access_name, NULL, 0), 0);
	CHECK_STR(list_of("/f", access_name), "ENODATA");
}

VFS_TEST(only_who_owns_a_file_sets_its_list)
{
	const struct value *list = LIST(OWNER(6), USER(6, 5), OWNING_GROUP(4), MASK(6), OTHER(0));
	const struct value *wrong = LIST(OWNER(6), OWNER(6));

	use_mem(0);
	CHECK_INT(do_create("/f", 0666), 0);
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(do_symlink("f", "/l"), 0);
	CHECK_INT(set("/f", access_name, list), 0);
	be_user(5, 5);
	CHECK_INT(set("/f", access_name, wrong), -EPERM);
	CHECK_INT(take_away("/f", access_name), -EPERM);
	CHECK_STR(list_of("/f", access_name), "u::rw- u:5:rw- g::r-- m::rw- o::---");
	CHECK_INT(set("/f", default_name, wrong), -EACCES);
	CHECK_INT(set_bytes("/f", default_name, NULL, 0), 0);
	CHECK_INT(set("/d", default_name, list), -EPERM);
	CHECK_INT(set("/l", access_name, list), -EOPNOTSUPP);
	CHECK_STR(list_of("/l", access_name), "EOPNOTSUPP");
	be_root();
	CHECK_INT(do_chown("/f", 5, 7), 0);
	CHECK_INT(do_chmod("/f", 02770), 0);
	be_user(5, 7);
	CHECK_INT(set("/f", access_name, wrong), -EINVAL);
	CHECK_INT(set("/f", access_name, list), 0);
	CHECK_INT(mode_of("/f"), 02660);
	be_user(5, 5); /* no member of its group */
	CHECK_INT(set("/f", access_name, list), 0);
	CHECK_INT(mode_of("/f"), 0660);
}

VFS_TEST(lists_are_named_among_the_attributes)
{
	const struct value *list = LIST(OWNER(6), USER(6, 5), OWNING_GROUP(4), MASK(6), OTHER(0));
	char names[128];
	struct inode *inode;

	use_mem(0);
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(set_bytes("/d", "user.x", "1", 1), 0);
	CHECK_INT(set("/d", access_name, list), 0);
	CHECK_INT(set("/d", default_name, list), 0);
	inode = inode_at("/d");
	CHECK_INT(vfs_listxattr(&cred, inode, NULL, 0), 24 + 25 + 7);
	CHECK_INT(vfs_listxattr(&cred, inode, names, 24 + 25 + 6), -ERANGE);
	CHECK_INT(vfs_listxattr(&cred, inode, names, sizeof(names)), 24 + 25 + 7);
	CHECK_STR(names, access_name);
	CHECK_STR(names + 24, default_name);
	CHECK_STR(names + 24 + 25, "user.x");
	CHECK_INT(vfs_getxattr(&cred, inode, access_name, names, 10), -ERANGE);
	CHECK_INT(vfs_getxattr(&cred, inode, access_name, NULL, 0), 44);
	inode_put(inode);
}

VFS_TEST(lists_take_room_and_give_it_back)
{
	static struct value many[VFS_XATTR_SIZE_MAX / sizeof(struct value)];
	const size_t count = (sizeof(many) - 4) / 8;
	struct acl_entry *e = many[0].entries;
	struct vfs_statfs before, after;
	struct inode *inode;

	many[0].version = 2;
	for (size_t i = 0; i < count; i++)
		e[i] = (struct acl_entry)USER(4, (uint32_t)i);
	e[0] = (struct acl_entry)OWNER(7);
	e[count - 3] = (struct acl_entry)OWNING_GROUP(7);
	e[count - 2] = (struct acl_entry)MASK(7);
	e[count - 1] = (struct acl_entry)OTHER(7);
	use_mem(256u << 10);
	CHECK_INT(do_mkdir("/d"), 0);
	inode = inode_at("/d");
	CHECK_INT(vfs_statfs(inode, &before), 0);
	CHECK_INT(set_bytes("/d", default_name, many, 4 + count * 8), 0);
	CHECK_INT(do_mkdir("/d/one"), 0); /* both lists: all of the rest */
	CHECK_INT(do_mkdir("/d/two"), -ENOSPC);
	CHECK_INT(do_create("/d/three", 0777), -ENOSPC);
	CHECK_STR(names_of("/d", 10), "one ");
	CHECK_INT(do_rmdir("/d/one"), 0);
	CHECK_INT(take_away("/d", default_name), 0);
	CHECK_INT(vfs_statfs(inode, &after), 0);
	CHECK_INT(after.bfree, before.bfree);
	inode_put(inode);
}

/* ---- what is made. */

VFS_TEST(new_files_begin_with_the_default_list)
{
	const struct value *list = LIST(OWNER(7), USER(7, 5), OWNING_GROUP(5), MASK(7), OTHER(5));
	struct dentry *d;
	struct vfs_attr a;

	use_mem(0);
	view.umask = 0777;
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(set("/d", default_name, list), 0);
	CHECK_STR(list_of("/d", access_name), "ENODATA");
	CHECK_INT(do_create("/d/f", 0640), 0);
	CHECK_INT(mode_of("/d/f"), 0640);
	CHECK_STR(list_of("/d/f", access_name), "u::rw- u:5:rwx g::r-x m::r-- o::---");
	CHECK_STR(list_of("/d/f", default_name), "ENODATA");
	CHECK_INT(do_mkdir("/d/sub"), 0);
	CHECK_INT(mode_of("/d/sub"), 0755);
	CHECK_STR(list_of("/d/sub", access_name), "u::rwx u:5:rwx g::r-x m::r-x o::r-x");
	CHECK_STR(list_of("/d/sub", default_name), "u::rwx u:5:rwx g::r-x m::rwx o::r-x");
	CHECK_INT(vfs_mknod(&view, NULL, "/d/fifo", S_IFIFO | 0666, 0), 0);
	CHECK_STR(list_of("/d/fifo", access_name), "u::rw- u:5:rwx g::r-x m::rw- o::r--");
	CHECK_INT(do_symlink("f", "/d/link"), 0);
	CHECK_INT(mode_of("/d/link"), 0777);
	view.umask = 022;
	CHECK_INT(vfs_make_socket(&view, "/d/socket", 0777, &d), 0);
	dentry_put(d);
	CHECK_INT(mode_of("/d/socket"), 0755);
	CHECK_STR(list_of("/d/socket", access_name), "u::rwx u:5:rwx g::r-x m::r-x o::r-x");
	CHECK_INT(vfs_tmpfile(&view, NULL, "/d", 0600, &d), 0);
	CHECK_INT(vfs_getattr(dentry_inode(d), &a), 0);
	CHECK_INT(a.mode & 07777, 0600);
	CHECK_INT(vfs_getxattr(&cred, dentry_inode(d), access_name, NULL, 0), 44);
	dentry_put(d);
	CHECK_INT(do_link("/d/f", "/d/same"), 0);
	CHECK_INT(do_rename("/d/sub", "/moved", 0), 0);
	CHECK_STR(list_of("/moved", default_name), "u::rwx u:5:rwx g::r-x m::rwx o::r-x");
}

VFS_TEST(a_default_list_like_a_mode_makes_modes)
{
	use_mem(0);
	view.umask = 077;
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(set("/d", default_name, LIST(OWNER(7), OWNING_GROUP(5), OTHER(4))), 0);
	CHECK_STR(list_of("/d", default_name), "u::rwx g::r-x o::r--");
	CHECK_INT(do_create("/d/f", 0666), 0);
	CHECK_INT(mode_of("/d/f"), 0644);
	CHECK_STR(list_of("/d/f", access_name), "ENODATA");
	CHECK_INT(do_mkdir("/d/sub"), 0);
	CHECK_STR(list_of("/d/sub", access_name), "ENODATA");
	CHECK_STR(list_of("/d/sub", default_name), "u::rwx g::r-x o::r--");
	CHECK_INT(take_away("/d", default_name), 0);
	CHECK_INT(do_create("/d/g", 0666), 0);
	CHECK_INT(mode_of("/d/g"), 0600);
}

/* ---- layers. */

VFS_TEST(a_copy_keeps_its_lists)
{
	const struct value *list = LIST(OWNER(7), USER(7, 5), OWNING_GROUP(5), MASK(7), OTHER(0));
	struct inode *lower, *lower_root, *upper, *work, *root, *d;

	CHECK_INT(mem_fs_new("tmpfs", 0, 0755, &lower_root), 0);
	lower = inode_get(lower_root);
	use_root(lower_root);
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(set("/d", default_name, list), 0);
	CHECK_INT(set("/d", access_name, list), 0);
	CHECK_INT(do_create("/d/f", 0770), 0);
	CHECK_INT(do_create("/d/g", 0770), 0);
	leave_root();
	vfs_unmount_all();
	make_upper(0, false, &upper, &work);
	CHECK_INT(overlay_fs_new(lower, inode_get(upper), work, &root), 0);
	use_root(root);
	be_user(5, 9);
	CHECK_INT(may("/d/f", R | W | X), 0);
	be_root();
	CHECK_INT(take_away("/d/g", default_name), 0);
	CHECK_INT(upper->ops->lookup(upper, "d", 1, &d), -ENOENT); /* nothing was copied yet */
	CHECK(do_write("/d/f", "text", 0) == 4);
	CHECK_INT(upper->ops->lookup(upper, "d", 1, &d), 0);
	inode_put(d);
	CHECK_STR(list_of("/d", access_name), "u::rwx u:5:rwx g::r-x m::rwx o::---");
	CHECK_STR(list_of("/d", default_name), "u::rwx u:5:rwx g::r-x m::rwx o::---");
	CHECK_STR(list_of("/d/f", access_name), "u::rwx u:5:rwx g::r-x m::rwx o::---");
	CHECK_INT(do_create("/d/new", 0640), 0);
	CHECK_STR(list_of("/d/new", access_name), "u::rw- u:5:rwx g::r-x m::r-- o::---");
	be_user(5, 9);
	CHECK_INT(may("/d/new", W), -EACCES);
	CHECK_INT(may("/d/g", W), 0);
	be_root();
	/* What the layer remembers of a list follows each change of it. */
	CHECK_INT(do_chmod("/d/new", 0660), 0);
	CHECK_INT(do_chmod("/d/g", 0740), 0);
	be_user(5, 9);
	CHECK_INT(may("/d/new", W), 0);
	CHECK_INT(may("/d/g", W), -EACCES);
	be_root();
	CHECK_INT(take_away("/d/new", access_name), 0);
	CHECK_INT(set("/d/g", access_name, list), 0);
	CHECK_INT(take_away("/d", default_name), 0);
	CHECK_INT(do_create("/d/newer", 0640), 0);
	CHECK_STR(list_of("/d/newer", access_name), "ENODATA");
	be_user(5, 9);
	CHECK_INT(may("/d/new", R), -EACCES);
	CHECK_INT(may("/d/g", W), 0);
	inode_put(upper);
}

/* ---- what an inode remembers. */

static unsigned int asked;
static int answer;

static int asking_getattr(struct inode *inode, struct vfs_attr *ret)
{
	*ret = (struct vfs_attr){ .mode = inode->mode, .uid = inode->uid, .gid = inode->gid };
	return 0;
}

static int asking_get_acl(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl **ret)
{
	const struct value *list = LIST(OWNER(6), USER(6, 5), OWNING_GROUP(4), MASK(6), OTHER(0));

	(void)inode;
	asked++;
	*ret = NULL;
	if (answer < 0 || kind != VFS_ACL_ACCESS)
		return answer;
	return acl_parse(list, size_of(list), ret);
}

VFS_TEST(a_file_system_is_asked_once_and_not_for_owners)
{
	static const struct inode_ops ops = {
		.getattr = asking_getattr,
		.get_acl = asking_get_acl,
	};
	struct vfs_fs fs = { .type_name = "test" };
	struct inode inode;

	use_mem(0);
	inode_init(&inode, &ops, &fs, S_IFREG);
	inode.mode = S_IFREG | 0660;
	inode.uid = 1;
	inode.gid = 2;
	inode.has_perm = true;
	CHECK_INT(vfs_permission(&cred, &inode, R), 0);
	be_user(1, 9);
	CHECK_INT(vfs_permission(&cred, &inode, R), 0);
	CHECK_INT(asked, 0);
	be_user(5, 9);
	answer = -EUCLEAN;
	CHECK_INT(vfs_permission(&cred, &inode, W), -EUCLEAN); /* nobody gets in by damage */
	CHECK_INT(vfs_permission(&cred, &inode, W), -EUCLEAN);
	CHECK_INT(asked, 2);
	answer = 0;
	CHECK_INT(vfs_permission(&cred, &inode, W), 0);
	CHECK_INT(vfs_permission(&cred, &inode, W), 0);
	CHECK_INT(asked, 3);
	inode_acl_forget(&inode, VFS_ACL_ACCESS);
	CHECK_INT(vfs_permission(&cred, &inode, R), 0);
	CHECK_INT(asked, 4);
	inode_acl_set(&inode, VFS_ACL_ACCESS, NULL);
	CHECK_INT(vfs_permission(&cred, &inode, R), -EACCES);
	CHECK_INT(asked, 4);
	inode_put(&inode);
}

static const struct test tests[] = {
	TEST(only_what_acl_5_describes_is_a_list),
	TEST(any_bytes_have_an_answer),
	TEST(who_may_is_as_acl_5_says),
	TEST(a_mask_that_allows_nothing_leaves_it_to_the_mode),
	TEST(lists_count_wherever_permissions_do),
	TEST(the_mode_and_the_list_are_in_step),
	TEST(only_who_owns_a_file_sets_its_list),
	TEST(lists_are_named_among_the_attributes),
	TEST(lists_take_room_and_give_it_back),
	TEST(new_files_begin_with_the_default_list),
	TEST(a_default_list_like_a_mode_makes_modes),
	TEST(a_copy_keeps_its_lists),
	TEST(a_file_system_is_asked_once_and_not_for_owners),
};
TEST_MAIN(tests)
