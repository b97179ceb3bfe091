/* SPDX-License-Identifier: MIT */
/*
 * ipc.c - System V and POSIX objects, futexes, and the kernel's own asynchronous calls.
 */
#include "test/anycall/anycall.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

static void shared_memory(struct run *run)
{
	struct shmid_ds info;
	int64_t id = CALL_HIDDEN(run, shmget, IPC_PRIVATE, 5000, 0600 | IPC_CREAT);
	int64_t at = CALL_HIDDEN(run, shmat, id, 0, 0);

	strcpy((char *)at, "shared");
	CALL(run, shmctl, id, IPC_STAT, P(&info));
	anycall_note(run, "    size %zu attached %lu\n", info.shm_segsz,
		     (unsigned long)info.shm_nattch);
	CALL(run, shmdt, at);
	CALL(run, shmdt, at);
	CALL(run, shmctl, id, IPC_RMID, 0);
	CALL(run, shmctl, id, IPC_RMID, 0);
	CALL(run, shmget, IPC_PRIVATE, 0, 0600 | IPC_CREAT);
	CALL(run, shmat, -1, 0, 0);
}

static void semaphores(struct run *run)
{
	struct sembuf up = { .sem_num = 0, .sem_op = 2, .sem_flg = SEM_UNDO };
	struct sembuf down = { .sem_num = 0, .sem_op = -1 };
	struct sembuf no_wait = { .sem_num = 0, .sem_op = -5, .sem_flg = IPC_NOWAIT };
	struct sembuf wait = { .sem_num = 0, .sem_op = -5 };
	struct timespec soon = { 0, 1000000 };
	int64_t id = CALL_HIDDEN(run, semget, IPC_PRIVATE, 2, 0600 | IPC_CREAT);

	CALL(run, semop, id, P(&up), 1);
	CALL(run, semop, id, P(&down), 1);
	CALL(run, semop, id, P(&no_wait), 1);
	CALL(run, semtimedop, id, P(&wait), 1, P(&soon));
	CALL(run, semctl, id, 0, GETVAL);
	CALL(run, semctl, id, 9, GETVAL);
	CALL(run, semctl, id, 1, SETVAL, 17);
	CALL(run, semctl, id, 1, GETVAL);
	CALL(run, semctl, id, 0, IPC_RMID);
	CALL(run, semop, id, P(&up), 1);
	CALL(run, semget, IPC_PRIVATE, -1, 0600);
}

static void message_queues(struct run *run)
{
	struct {
		long type;
		char text[16];
	} message = { 3, "message" };
	struct msqid_ds info;
	int64_t id = CALL_HIDDEN(run, msgget, IPC_PRIVATE, 0600 | IPC_CREAT);

	CALL(run, msgsnd, id, P(&message), 8, 0);
	CALL(run, msgctl, id, IPC_STAT, P(&info));
	anycall_note(run, "    %lu waiting\n", (unsigned long)info.msg_qnum);
	memset(&message, 0, sizeof(message));
	CALL(run, msgrcv, id, P(&message), sizeof(message.text), 3, 0);
	anycall_note_bytes(run, "message", &message, sizeof(message));
	CALL(run, msgrcv, id, P(&message), sizeof(message.text), 0, IPC_NOWAIT);
	message.type = -1;
	CALL(run, msgsnd, id, P(&message), 8, 0);
	CALL(run, msgctl, id, IPC_RMID, 0);
	CALL(run, msgctl, id, IPC_RMID, 0);
	CALL(run, msgget, 0x7fee1234, 0);
}

static void posix_queues(struct run *run)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	struct mq_attr seen = { 0 };
	struct timespec past = { 1, 0 };
	unsigned int priority = 0;
	char name[32], in[16] = { 0 };
	int64_t fd;

	snprintf(name, sizeof(name), "hascall-anycall-%d", (int)getpid());
	fd = CALL(run, mq_open, P(name), O_RDWR | O_CREAT | O_EXCL, 0600, P(&attr));
	CALL(run, mq_timedsend, fd, P("first"), 6, 1, 0);
	CALL(run, mq_timedsend, fd, P("second"), 7, 9, P(&past));
	CALL(run, mq_getsetattr, fd, 0, P(&seen));
	anycall_note(run, "    %ld of %ld\n", seen.mq_curmsgs, seen.mq_maxmsg);
	CALL(run, mq_timedreceive, fd, P(in), sizeof(in), P(&priority), 0);
	anycall_note(run, "    %s, priority %u\n", in, priority);
	CALL(run, mq_timedreceive, fd, P(in), sizeof(in), 0, 0);
	CALL(run, mq_timedreceive, fd, P(in), sizeof(in), 0, P(&past));
	CALL(run, mq_timedreceive, fd, P(in), 1, 0, 0);
	CALL(run, mq_notify, fd, 0);
	CALL(run, mq_unlink, P(name));
	CALL(run, mq_unlink, P(name));
	CALL(run, mq_open, P("/with/slashes"), O_RDWR);
}

static void futexes(struct run *run)
{
	struct timespec soon = { 0, 1000000 };
	struct timespec past = { 1, 0 };
	struct futex_waitv many = { .val = 5, .flags = 2 };
	uint32_t word = 5;
	uint32_t other = 0;

	many.uaddr = P(&word);
	CALL(run, futex, P(&word), FUTEX_WAIT, 4, 0);
	CALL(run, futex, P(&word), FUTEX_WAIT, 5, P(&soon));
	CALL(run, futex, P(&word), FUTEX_WAKE, 1);
	CALL(run, futex, P(&word), FUTEX_CMP_REQUEUE, 1, 1, P(&other), 4);
	CALL(run, futex, P(&word), FUTEX_WAKE_OP, 1, 1, P(&other), 0x01001000);
	anycall_note(run, "    %u %u\n", word, other);
	CALL(run, futex, P(1), FUTEX_WAIT, 0, 0);
	CALL(run, futex_waitv, P(&many), 1, 0, P(&past), 1);
	CALL(run, futex_waitv, P(&many), 0, 0, 0, 1);
	CALL(run, futex_wake, P(&word), -1, 1, 2);
	CALL(run, futex_wait, P(&word), 4, -1, 2, 0, 1);
	CALL(run, futex_requeue, P(&many), 9, 1, 1);
}

static void kernel_aio(struct run *run)
{
	struct timespec none = { 0, 0 };
	struct io_event event = { 0 };
	aio_context_t context = 0;
	struct iocb block = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_nbytes = 7, .aio_data = 42 };
	struct iocb *list = &block;
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);

	block.aio_fildes = (uint32_t)fd;
	block.aio_buf = P("kernel");
	CALL(run, io_setup, 4, P(&context));
	CALL(run, io_submit, context, 1, P(&list));
	CALL(run, io_getevents, context, 1, 1, P(&event), 0);
	anycall_note(run, "    %llu %lld\n", (unsigned long long)event.data, (long long)event.res);
	CALL(run, io_pgetevents, context, 0, 1, P(&event), P(&none), 0);
	CALL(run, io_cancel, context, P(&block), P(&event));
	CALL(run, io_destroy, context);
	CALL(run, io_destroy, context);
	CALL(run, io_setup, 0, P(&context));
	CALL(run, io_submit, 1, 1, P(&list));
}

static void kernel_rings(struct run *run)
{
	struct io_uring_params params = { 0 };
	int64_t fd = CALL(run, io_uring_setup, 4, P(&params));

	anycall_note(run, "    %u\n", params.sq_entries);
	CALL(run, io_uring_enter, fd, 0, 0, 0, 0, 0);
	CALL(run, io_uring_register, fd, 9999, 0, 0);
	CALL(run, io_uring_enter, 99, 0, 0, 0, 0, 0);
	CALL(run, io_uring_setup, 0, P(&params));
}

const struct anycall_case anycall_ipc[] = {
	{ "shared_memory", shared_memory },
	{ "semaphores", semaphores },
	{ "message_queues", message_queues },
	{ "posix_queues", posix_queues },
	{ "futexes", futexes },
	{ "kernel_aio", kernel_aio },
	{ "kernel_rings", kernel_rings },
	{ NULL, NULL },
};
