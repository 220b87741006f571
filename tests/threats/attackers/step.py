"""Runs a program from one system call to the next (ptrace), so that a look between two of them misses nothing."""

import ctypes
import os
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
TRACEME, SYSCALL, SETOPTIONS, SYSCALL_INFO = 0, 24, 0x4200, 0x420E
SYSGOOD, EXITKILL = 1, 1 << 20


class Call(ctypes.Structure):
    """struct ptrace_syscall_info; `kind` is 1 before a call and 2 after it."""

    _fields_ = [
        ("kind", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    ]


def ptrace(request, pid, argument=None, data=None):
    if libc.ptrace(request, pid, argument, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def step(program, look):
    """Runs it with umask 0, calls look(pid) before and after each of its first thread's calls; returns its status."""
    pid = os.fork()
    if pid == 0:
        os.umask(0)
        ptrace(TRACEME, 0)
        os.execv(program[0], program)
    os.waitpid(pid, 0)
    ptrace(SETOPTIONS, pid, None, SYSGOOD | EXITKILL)
    deliver = 0
    while True:
        ptrace(SYSCALL, pid, None, deliver)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        stopped_by = os.WSTOPSIG(status)
        deliver = 0 if stopped_by & 0x7F == signal.SIGTRAP else stopped_by
        if stopped_by == signal.SIGTRAP | 0x80:
            look(pid)


def call_of(pid):
    call = Call()
    ptrace(SYSCALL_INFO, pid, ctypes.sizeof(call), ctypes.addressof(call))
    return call
