/*
 * copy.S - copying from and to the program's memory. A fault inside a marked range
 * resumes at its fault label (signal.c), so a bad pointer is an EFAULT.
 */
	.text
/* uint64_t copy_user(to, from, size): bytes left. */
	.globl copy_user, copy_begin, copy_end, copy_fault
copy_user:
	movq %rdx, %rcx
copy_begin:
	rep movsb
copy_end:
copy_fault:
	movq %rcx, %rax
	ret

/* bool copy_probe(to): whether a byte there can be written. It stays as it is. */
	.globl copy_probe, copy_probe_begin, copy_probe_end, copy_probe_fault
copy_probe:
	xorl %eax, %eax
copy_probe_begin:
	lock orb $0, (%rdi)
copy_probe_end:
	movb $1, %al
copy_probe_fault:
	ret

/* int64_t copy_user_string(to, from, room) */
	.globl copy_user_string, copy_string_begin, copy_string_end, copy_string_fault
copy_user_string:
	xorl %eax, %eax
	testq %rdx, %rdx
	jz 2f
copy_string_begin:
1:	movzbl (%rsi,%rax), %ecx
copy_string_end:
	movb %cl, (%rdi,%rax)
	testb %cl, %cl
	jz 3f
	incq %rax
	cmpq %rdx, %rax
	jb copy_string_begin
2:	movq $-36, %rax
3:	ret
copy_string_fault:
	movq $-14, %rax
	ret
	.section .note.GNU-stack, "", @progbits
