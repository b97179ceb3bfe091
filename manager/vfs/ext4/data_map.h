#ifndef VFS_EXT4_DATA_MAP_H
#define VFS_EXT4_DATA_MAP_H
/*
 * data_map.h - a file that clients map: its bytes stand in a memfd as well. Layer: vfs/ext4.
 *
 *     state    who may map it            leaves by
 *     (none)   nobody                    data_map_begin: filled from the file
 *     IN USE   clients; it holds the     data_maps_look: nobody else has a descriptor or a
 *              inode                     mapping of the memfd
 *     IDLE     nobody; kept for the      data_map_begin; data_maps_look, when there are many
 *              next one                  (a file that clients could write: at once); the
 *                                        inode's end
 *
 * Reads come from the memfd, as clients store there unseen. Writes go to the file's pages and
 * to the memfd. What clients stored is found by comparing (a hash a page, of what the pages
 * had) and goes to the file's pages: at fsync, every DATA_MAP_NS, and before the memfd goes.
 *
 * Who has it  the host tells: a lease for writing is given only to who alone has the file
 *          open or mapped. So what is handed out are descriptors opened for that, closed
 *          again later; our own is never handed out.
 * Limit    DATA_MAPS_MAX files, DATA_MAPS_SHARE of the machine's memory for all; -ENFILE,
 *          -ENOMEM. A store by a client to a hole of a full disk is lost: fsync and msync tell.
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
};

struct ext4_maps {
	struct list maps;
	struct task *task; /* looks at them; NULL: none */
	bool stopping;
	struct waitq wake, gone;
};

#endif /* VFS_EXT4_DATA_MAP_H */
