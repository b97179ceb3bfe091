/*
 * entry.S - where call-site stubs arrive (manager/call/stub.c): rax = number, rcx =
 * where to return, all else as at the program's system call. Must lie at RUN_STUB_ENTRY.
 *
 * The way out is a range of instructions that can be done again from its start: a
 * signal that lands in it was deferred, so signal.c sends us back to the test. At
 * stub_window_jump the program's state is whole but for rip.
 */
	.section .entry, "ax"
	.globl stub_entry
stub_entry:
	movq %rsp, %gs:16
	movq %gs:8, %rsp
	pushq %rcx		/* 56: return address */
	pushq %r9		/* 48 */
	pushq %r8		/* 40 */
	pushq %r10		/* 32 */
	pushq %rdx		/* 24 */
	pushq %rsi		/* 16 */
	pushq %rdi		/* 8 */
	pushq %rax		/* 0 */
	movq %rsp, %rdi
	cld
	call shim_stub_call
	.globl stub_window_begin, stub_window_jump, stub_trap_return
stub_window_begin:
	cmpl $0, %gs:24
	jne 1f
	movq 8(%rsp), %rdi
	movq 16(%rsp), %rsi
	movq 24(%rsp), %rdx
	movq 32(%rsp), %r10
	movq 40(%rsp), %r8
	movq 48(%rsp), %r9
	movq 56(%rsp), %rcx
	movq %gs:16, %rsp
stub_window_jump:
	jmp *%rcx
/*
 * A signal waits: leave by a trap. All signals are blocked now, so nothing can come
 * between; the handler finds the program's whole state but rip and rax, which it
 * takes from the thread, and delivers the signal there.
 */
1:	movq 56(%rsp), %rcx
	movq %rcx, %gs:32
	movq %rax, %gs:40
	movq 8(%rsp), %rdi
	movq 16(%rsp), %rsi
	movq 24(%rsp), %rdx
	movq 32(%rsp), %r10
	movq 40(%rsp), %r8
	movq 48(%rsp), %r9
	movq %gs:16, %rsp
	.globl stub_trap
stub_trap:
	movl $0x1fff, %eax
	syscall
stub_trap_return:
	ud2
	.section .note.GNU-stack, "", @progbits
