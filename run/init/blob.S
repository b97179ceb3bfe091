/*
 * blob.S - process 1, a whole ELF file, carried inside the hascall command.
 */
	.section .rodata
	.balign 16
	.globl init_image, init_image_tail
init_image:
	.incbin INIT_IMAGE
init_image_tail:
	.byte 0
	.section .note.GNU-stack, "", @progbits
