"""What a process's seccomp filter lets through: read with ptrace, then run for every call. Needs root.

The kernel gives back the classic BPF program of a filter (PTRACE_SECCOMP_GET_FILTER); interpreting it for a
call's number, address of the instruction and arguments gives the verdict without making the call.
"""
import ctypes
import os
import struct

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, PTRACE_SECCOMP_GET_FILTER = 0x4206, 0x4207, 17, 0x420C
ARCH_X86_64, ARCH_I386 = 0xC000003E, 0x40000003
ALLOW = 0x7FFF0000
VERDICTS = {0x80000000: "kill process", 0: "kill thread", 0x30000: "trap", 0x50000: "errno", 0x7FF00000: "trace",
            0x7FC00000: "notify", 0x7FFC0000: "log", ALLOW: "allow"}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def call_ptrace(request, pid, addr=None, data=None):
    result = libc.ptrace(request, pid, addr, data)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read_filters(pid):
    """All filters of the process, newest first, each a list of (code, yes, no, k)."""
    call_ptrace(PTRACE_SEIZE, pid)
    try:
        call_ptrace(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, 0x40000000)  # __WALL: it is not our child, but our tracee
        filters = []
        while True:
            try:
                count = call_ptrace(PTRACE_SECCOMP_GET_FILTER, pid, len(filters), None)
            except OSError:
                return filters
            buffer = ctypes.create_string_buffer(8 * count)
            call_ptrace(PTRACE_SECCOMP_GET_FILTER, pid, len(filters), buffer)
            filters.append([struct.unpack_from("=HBBI", buffer, 8 * i) for i in range(count)])
    finally:
        call_ptrace(PTRACE_DETACH, pid)


def run_filter(program, number, arch, address, args):
    """Interpret the instructions that seccomp allows."""
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, arch, address, *[a & (1 << 64) - 1 for a in args])
    acc = index = at = 0
    memory = [0] * 16
    while True:
        code, yes, no, k = program[at]
        at += 1
        kind = code & 7
        operand = index if code & 8 else k
        if code == 0x20:  # ld [k]
            acc = struct.unpack_from("=I", data, k)[0]
        elif code == 0x80:
            acc = len(data)
        elif code == 0x00:
            acc = k
        elif code == 0x60:
            acc = memory[k]
        elif code == 0x01:
            index = k
        elif code == 0x61:
            index = memory[k]
        elif kind == 2:
            memory[k] = acc
        elif kind == 3:
            memory[k] = index
        elif kind == 7:
            index, acc = (acc, acc) if code & 0xF8 == 0 else (index, index)
        elif kind == 4:
            acc = arithmetic(code & 0xF0, acc, operand)
        elif kind == 5:
            test = code & 0xF0
            if test == 0:
                at += k
            else:
                true = {0x10: acc == operand, 0x20: acc > operand, 0x30: acc >= operand, 0x40: bool(acc & operand)}[test]
                at += yes if true else no
        elif kind == 6:
            return acc if code & 0x18 == 0x10 else k


def arithmetic(how, acc, operand):
    result = {0x00: lambda: acc + operand, 0x10: lambda: acc - operand, 0x20: lambda: acc * operand,
              0x30: lambda: acc // operand if operand else 0, 0x40: lambda: acc | operand, 0x50: lambda: acc & operand,
              0x60: lambda: acc << operand, 0x70: lambda: acc >> operand, 0x80: lambda: -acc, 0xA0: lambda: acc ^ operand}[how]()
    return result & 0xFFFFFFFF


def verdict(filters, number, arch, address, args):
    """The strictest verdict of all filters, as the kernel takes it."""
    def rank(value):
        action = value & 0xFFFF0000
        return action - (1 << 32) if action & 0x80000000 else action
    return min((run_filter(f, number, arch, address, args) for f in filters), key=rank, default=ALLOW)


def is_allowed(value):
    return value & 0xFFFF0000 not in (0x80000000, 0, 0x30000, 0x50000)


def name_of(value):
    return VERDICTS.get(value & 0xFFFF0000, hex(value))
