#ifndef TASK_PORT_H
#define TASK_PORT_H
/*
 * port.h - a bounded queue of messages between tasks. Layer: task.
 *
 * Order    messages leave in the order they entered; waiters are served in turn.
 * Limit    depth is fixed at port_open(), 1 to PORT_DEPTH_MAX; a full port makes the
 *          sender wait.
 * Owner    who opened it closes it; port_close() ends every wait with PORT_CLOSED.
 *          Messages that were in a port when it was closed can still be received.
 * Thread   scheduler thread only. To cross threads or processes, use slot/.
 *
 * Way down: port_send -> task_wait (task.c).
 */
#include "base/cc.h"

#include <stdint.h>

#define PORT_DEPTH_MAX (1u << 20)

struct port;

/* Outcomes. The caller of port_*() handles each one; they travel no further. */
enum port_outcome { PORT_OK, PORT_CLOSED, PORT_FULL };

/* 0 or -ENOMEM. */
MUST_USE int port_open(struct port **ret, const char *name, unsigned int depth);
void port_close(struct port *p);
void port_free(struct port *p); /* nobody may be waiting: close it first; NULL is fine */

/* Put or take one message. PORT_OK, PORT_CLOSED, or -ECANCELED. */
MUST_USE int port_send(struct port *p, uint64_t msg) MAY_YIELD;
MUST_USE int port_recv(struct port *p, uint64_t *ret_msg) MAY_YIELD;

/* Put without waiting, from outside a task too: PORT_OK, PORT_FULL or PORT_CLOSED. */
MUST_USE int port_try_send(struct port *p, uint64_t msg);
unsigned int port_waiting(const struct port *p); /* receivers that wait now */

#endif /* TASK_PORT_H */
