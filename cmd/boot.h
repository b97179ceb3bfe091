#ifndef CMD_BOOT_H
#define CMD_BOOT_H
/*
 * boot.h - settings of the manager that a tree which is booted brings along. Layer: cmd.
 *
 * BOOT_CONFIG, looked up as programs inside will see it, has lines like
 *
 *	servers 16
 *	cache 256M
 *	processes 4000		# as the options of hascall run
 *
 * Order    what the command line says counts more.
 * Limit    BOOT_CONFIG_MAX bytes.
 * Thread   one; before a manager runs in this process.
 */
#include "front/manager.h"

#define BOOT_CONFIG "/etc/hascall/config"
#define BOOT_CONFIG_MAX 65536u

/* Fills in what is 0 in `m`. 0 (no such file is fine), or an exit status: it was told why. */
MUST_USE int boot_configure(const char *command, struct manager_options *m);
/* "--servers" and its word in the file: a task for each call is 0. */
bool boot_read_servers(const char *text, unsigned int *ret);

#endif /* CMD_BOOT_H */
