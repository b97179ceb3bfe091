/*
 * switch.S - leave one stack and go on on another. Layer: task.
 *
 * What the System V ABI lets a function destroy is not saved: to the compiler
 * task_switch_stack() is an ordinary call that takes long. Kept on the stack
 * that is left, from the address stored in *save_sp upwards:
 *
 *	0	mxcsr, x87 control word
 *	8	r15, r14, r13, r12, rbx, rbp
 *	56	where to go on
 *
 * Both stacks have the same layout at the moment rsp changes, so the unwind
 * rules hold before and after it. The switch ends in ret, not in a jump: all
 * tasks wait in the same few places, and the processor predicts those returns.
 */
#include <cet.h>

	.text

/* void task_switch_stack(void **save_sp (rdi), void *load_sp (rsi)) */
	.globl	task_switch_stack
	.hidden	task_switch_stack
	.type	task_switch_stack, @function
	.balign	16
task_switch_stack:
	.cfi_startproc
	_CET_ENDBR
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)

	movq	%rsp, (%rdi)
	movq	%rsi, %rsp

	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	task_switch_stack, . - task_switch_stack

/* Where a new stack goes on first: calls rbx(r12), which never returns. */
	.globl	task_first_frame
	.hidden	task_first_frame
	.type	task_first_frame, @function
	.balign	16
task_first_frame:
	.cfi_startproc
	.cfi_undefined rip
	movq	%r12, %rdi
	callq	*%rbx
	ud2
	.cfi_endproc
	.size	task_first_frame, . - task_first_frame

	.section .note.GNU-stack, "", @progbits
