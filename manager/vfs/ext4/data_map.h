#ifndef VFS_EXT4_DATA_MAP_H
#define VFS_EXT4_DATA_MAP_H
/*
 * data_map.h - a file that clients map: its bytes stand in a memfd as well. Layer: vfs/ext4.
 *
 *     state    who may map it            leaves by
 *     (none)   nobody                    ext4_map_file: filled from the file
 *     IN USE   clients; it holds the     the task that looks every DATA_MAP_NS: nobody else
 *              inode                     has a descriptor or a mapping of the memfd
 *     IDLE     nobody; kept for the      ext4_map_file; the task, when there are many (a file
 *              next one                  that clients could write: at once); the inode's end
 *
 * Reads come from the memfd, as clients store there unseen. Writes go to the file's pages and
 * to the memfd. What clients stored is found by comparing (a hash a page, of what the pages
 * had) and goes to the file's pages: at fsync, every DATA_MAP_NS, and before the memfd goes.
 *
 * Without memory for the memfd its pages stay as they were: reads come from the file then, what
 * clients store to them is lost, and each fsync, each look and each new mapping tries to bring
 * them up again; a new mapping is refused else.
 *
 * Who has it  the host tells: a lease for writing is given only to who alone has the file
 *          open or mapped. So what is handed out are descriptors opened for that, closed
 *          again later; our own is never handed out.
 * Limit    DATA_MAPS_MAX files, DATA_MAPS_SHARE of the machine's memory for all; -ENFILE,
 *          -ENOMEM. A store by a client to a hole of a full disk is lost: fsync and msync tell.
 * Order    data_map.c has one map, data_maps.c all of a file system.
 * Thread   scheduler thread only. The memfd is memory: the host does not wait for a disk.
 */
#include "vfs/ext4/data.h"

#define DATA_MAP_NS UINT64_C(5000000000)
#define DATA_MAPS_MAX 4096u
#define DATA_MAPS_SHARE 2u		     /* a half */
#define DATA_MAPS_IDLE (UINT64_C(128) << 20) /* bytes of idle ones that are kept */

struct data_map {
	struct list node; /* of the file system's; last used last */
	struct ext4_inode *inode;
	int fd;		       /* ours */
	int read_fd, write_fd; /* handed out; -1: closed */
	uint64_t version;
	uint64_t size;	  /* of the memfd: the file's, to a page's end */
	uint64_t charged; /* bytes it was thought to take when it was made */
	uint64_t *hashes; /* of each page, as the file's pages have it; 0: of zeros */
	bool in_use;
	bool writable; /* clients may have stored something */
	bool behind;   /* of some pages the memfd may have older bytes than the file */
};

struct ext4_maps {
	struct list maps;
	struct task *task; /* looks at them; NULL: none */
	bool stopping;
	struct waitq wake, gone;
};

/* ---- data_map.c. inode->lock is held; to destroy one it is enough that nobody else has it. */
/* The inode's map, filled. 0, -ENFILE, -ENOMEM, or what reading the file gave. */
MUST_USE int data_map_new(struct ext4_inode *inode, bool for_write) MAY_YIELD;
void data_map_destroy(struct data_map *map);
/* The memory of large ones goes a little later, in tasks of their own: until all have ended. */
void data_maps_wait_closed(void) MAY_YIELD;
/* What was handed out is closed; clients have their own. */
void data_map_take_back(struct data_map *map);
/* Has nobody else the memfd open or mapped? */
bool data_map_is_alone(const struct data_map *map);
uint64_t data_map_last_version(void); /* versions increase */

#endif /* VFS_EXT4_DATA_MAP_H */
