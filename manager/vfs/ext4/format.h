#ifndef VFS_EXT4_FORMAT_H
#define VFS_EXT4_FORMAT_H
/*
 * format.h - ext4 as it stands on the disk. All numbers are little-endian. Layer: vfs/ext4.
 * Source: Linux, Documentation/filesystems/ext4.
 */
#include "base/cc.h"

#include <stdint.h>

#define EXT4_ROOT_NUMBER 2u
#define EXT4_JOURNAL_NUMBER 8u
#define EXT4_NAME_MAX 255u

#endif /* VFS_EXT4_FORMAT_H */
