#ifndef CALL_STUB_DECODE_H
#define CALL_STUB_DECODE_H
/*
 * stub_decode.h - where x86-64 instructions begin. Layer: call.
 *
 * Limit    lengths only, 64-bit mode only; an encoding that it does not know is 0.
 * Thread   any; no state.
 */
#include "base/cc.h"

#include <stdint.h>

#define STUB_INSTRUCTION_MAX 15u

/* Bytes of the instruction at `code`; `size` bytes may be looked at. 0: none that is valid. */
unsigned int stub_instruction_length(const uint8_t *code, size_t size);

/*
 * Is this valid instruction one that goes on to the next, and leaves eax as it was? Those
 * that compilers put between the number of a call and the call are known; no when in doubt.
 */
bool stub_instruction_spares_eax(const uint8_t *code);

/*
 * Does an instruction begin at text[at]? x86 code that is read from a wrong place falls
 * into step within a few instructions, so nearly all ways of decoding that start some
 * way before a true beginning come by it, and nearly none by a false one.
 */
enum stub_begins { STUB_BEGINS_NO, STUB_BEGINS_UNSURE, STUB_BEGINS_YES };
enum stub_begins stub_instruction_begins(const uint8_t *text, size_t size, size_t at);

#endif /* CALL_STUB_DECODE_H */
