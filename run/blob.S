/*
 * blob.S - the shim's flat image, carried inside the hascall command.
 */
	.section .rodata
	.balign 4096
	.globl shim_image, shim_image_tail
shim_image:
	.incbin SHIM_IMAGE
shim_image_tail:
	.byte 0
	.section .note.GNU-stack, "", @progbits
