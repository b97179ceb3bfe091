/*
 * gate.S - the page from which the filter lets a short list of system calls pass.
 * Whoever jumps here from outside gets no more than that list (run/filter.c).
 */
	.section .gate, "ax"

/* gate_start: the launcher jumps here, with %rdi = block of the first thread. */
	.globl gate_start
gate_start:
	movq 8(%rdi), %rsp
	xorl %ebp, %ebp
	call shim_start
	ud2

/* int64_t gate_call(nr, a0, a1, a2, a3, a4) */
	.globl gate_call
gate_call:
	movq %rdi, %rax
	movq %rsi, %rdi
	movq %rdx, %rsi
	movq %rcx, %rdx
	movq %r8, %r10
	movq %r9, %r8
	xorl %r9d, %r9d
	syscall
	ret

/* int64_t gate_call6(nr, arg) */
	.globl gate_call6
gate_call6:
	movq %rdi, %rax
	movq %rsi, %r11
	movq 0(%r11), %rdi
	movq 8(%r11), %rsi
	movq 16(%r11), %rdx
	movq 24(%r11), %r10
	movq 32(%r11), %r8
	movq 40(%r11), %r9
	syscall
	ret

/*
 * int64_t gate_futex_wait(word, seen). A signal that lands between the test and
 * the end of the system call moves us to gate_wait_abandon (signal.c), so a signal
 * deferred just before we sleep is never slept through.
 */
	.globl gate_futex_wait, gate_wait_begin, gate_wait_end, gate_wait_abandon
gate_futex_wait:
	movl %esi, %edx
	xorl %esi, %esi
	xorl %r10d, %r10d
gate_wait_begin:
	cmpl $0, %gs:24
	jne gate_wait_abandon
	movl $202, %eax
	syscall
gate_wait_end:
	ret
gate_wait_abandon:
	movq $-4, %rax
	ret

/* int64_t gate_suspend(mask): rt_sigsuspend under the same rule. */
	.globl gate_suspend, gate_suspend_begin, gate_suspend_end, gate_suspend_abandon
gate_suspend:
	movl $8, %esi
gate_suspend_begin:
	cmpl $0, %gs:24
	jne gate_suspend_abandon
	movl $130, %eax
	syscall
gate_suspend_end:
	ret
gate_suspend_abandon:
	movq $-4, %rax
	ret

/*
 * int64_t gate_sigwait(set, info, timeout): rt_sigtimedwait under the same rule; a signal
 * that it has taken is not lost to one that lands behind it.
 */
	.globl gate_sigwait, gate_sigwait_begin, gate_sigwait_end, gate_sigwait_abandon
gate_sigwait:
	movl $8, %r10d
gate_sigwait_begin:
	cmpl $0, %gs:24
	jne gate_sigwait_abandon
	movl $128, %eax
	syscall
gate_sigwait_end:
	ret
gate_sigwait_abandon:
	movq $-4, %rax
	ret

/*
 * What every handler of the shim returns to; %rsp points at the ucontext. The test
 * sits in a range that signal.c restarts, so that a signal deferred during the
 * handler's last instructions is delivered too.
 */
	.globl gate_restorer, gate_restorer_end
gate_restorer:
	cmpl $0, %gs:24
	jne 1f
	movl $15, %eax
	syscall
gate_restorer_end:
1:	movq %rsp, %rdi
	movq %rsp, %rbx
	subq $128, %rsp
	andq $-16, %rsp
	call shim_boundary
	movq %rbx, %rsp
	movl $15, %eax
	syscall
	ud2

/* gate_exit_thread(state): the block is free from the store on; nothing of it is used after. */
	.globl gate_exit_thread
gate_exit_thread:
	movl $0, (%rdi)
	xorl %edi, %edi
	movl $60, %eax
	syscall
	ud2

/* gate_enter(rsp, rip): a fresh program. */
	.globl gate_enter
gate_enter:
	movq %rdi, %rsp
	pushq $0x1f80
	fninit
	ldmxcsr (%rsp)
	addq $8, %rsp
	movq %rsi, %r11
	xorl %eax, %eax
	xorl %ebx, %ebx
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %ebp, %ebp
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d
	jmp *%r11

/*
 * int64_t gate_clone_thread(flags, stack, ptid, ctid, tls, child). The new thread runs
 * on its own shim stack, names itself to %gs, and goes on in shim_thread_begin(child).
 */
	.globl gate_clone_thread
gate_clone_thread:
	pushq %rbx
	movq %r9, %rbx
	movq %rcx, %r10
	movl $56, %eax
	syscall
	testq %rax, %rax
	jz 1f
	popq %rbx
	ret
1:	movl $0x1001, %edi
	movq %rbx, %rsi
	movl $158, %eax
	syscall
	xorl %ebp, %ebp
	movq %rbx, %rdi
	call shim_thread_begin
	ud2

/*
 * int64_t gate_mask(how, set, old): rt_sigprocmask, not done (-EINTR) when a signal was
 * deferred before it: then the mask of this moment is not the program's.
 */
	.globl gate_mask, gate_mask_begin, gate_mask_end, gate_mask_abandon
gate_mask:
	movl $8, %r10d
gate_mask_begin:
	cmpl $0, %gs:24
	jne gate_mask_abandon
	movl $14, %eax
	syscall
gate_mask_end:
	ret
gate_mask_abandon:
	movq $-4, %rax
	ret

/* gate_load(registers): a new thread's registers; it leaves by the trap that stub calls use. */
	.globl gate_load
gate_load:
	movq 8(%rdi), %rsi
	movq 16(%rdi), %rdx
	movq 24(%rdi), %r10
	movq 32(%rdi), %r8
	movq 40(%rdi), %r9
	movq 48(%rdi), %rbx
	movq 56(%rdi), %rbp
	movq 64(%rdi), %r12
	movq 72(%rdi), %r13
	movq 80(%rdi), %r14
	movq 88(%rdi), %r15
	movq 96(%rdi), %rsp
	movq 104(%rdi), %rcx
	movq 0(%rdi), %rdi
	jmp stub_trap
	.section .note.GNU-stack, "", @progbits
