/*
 * overflow.c - a task that needs more stack than it has dies with a message.
 *
 * The fault comes in the guard page of the current task's stack; the handler runs
 * on a stack of its own. A fault anywhere else is passed to whoever handled
 * SIGSEGV before, by putting that handler back and letting the fault repeat.
 */
#include "task/inside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDLER_STACK_SIZE ((size_t)16 * 1024)

static struct sigaction before;
static void *handler_stack; /* NULL: the thread had one already */

/* Text for a signal handler, which may not use stdio. */
struct message {
	char text[256];
	size_t length;
};

static void add_text(struct message *m, const char *text)
{
	while (*text && m->length < sizeof(m->text))
		m->text[m->length++] = *text++;
}

static void add_number(struct message *m, size_t number)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	add_text(m, digits + at);
}

static void on_fault(int number, siginfo_t *info, void *unused)
{
	const struct task *t = sched.current;
	struct message m = { .length = 0 };
	ssize_t written;

	(void)unused;
	if (!t || !stack_guard_holds(&t->stack, info->si_addr)) {
		sigaction(number, &before, NULL);
		return;
	}
	add_text(&m, "hascall: stack overflow: task \"");
	add_text(&m, t->name);
	add_text(&m, "\" needs more than its ");
	add_number(&m, t->stack.size);
	add_text(&m, " bytes of stack\n");
	written = write(STDERR_FILENO, m.text, m.length);
	(void)written;
	/* The fault repeats, and now ends the process as a fault does. */
	signal(number, SIG_DFL);
}

int overflow_watch(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack;

	if (sigaltstack(NULL, &stack) < 0)
		return -errno;
	handler_stack = NULL;
	if (stack.ss_flags & SS_DISABLE) {
		handler_stack = malloc(HANDLER_STACK_SIZE);
		if (!handler_stack)
			return -ENOMEM;
		stack = (stack_t){ .ss_sp = handler_stack, .ss_size = HANDLER_STACK_SIZE };
		if (sigaltstack(&stack, NULL) < 0) {
			free(handler_stack);
			return -ENOMEM;
		}
	}
	sigaction(SIGSEGV, &action, &before);
	return 0;
}

void overflow_unwatch(void)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	sigaction(SIGSEGV, &before, NULL);
	if (!handler_stack)
		return;
	sigaltstack(&none, NULL);
	free(handler_stack);
	handler_stack = NULL;
}
