"""Tries what a process of the same user may do to another: inspect_process.py PID... prints `PID WHAT RESULT`."""

import ctypes
import errno
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
PTRACE_DETACH, PTRACE_SEIZE = 17, 0x4206
PROCESS_VM_READV = 310 if os.uname().machine == "x86_64" else 270


def trace(pid):
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def read_memory(pid):
    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(1)
    ours = Part(ctypes.addressof(buffer), 1)
    # Address 0 is mapped nowhere: whoever may read gets EFAULT.
    theirs = Part(0, 1)
    one = ctypes.c_ulong(1)
    number = ctypes.c_long(PROCESS_VM_READV)
    if libc.syscall(number, pid, ctypes.byref(ours), one, ctypes.byref(theirs), one, ctypes.c_ulong(0)) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")


def read(name):
    return lambda pid: open(f"/proc/{pid}/{name}", "rb").read(1)


ATTACKS = {
    "mem": lambda pid: open(f"/proc/{pid}/mem", "rb").close(),
    "environ": read("environ"),
    "maps": read("maps"),
    "smaps": read("smaps"),
    "auxv": read("auxv"),
    "fd": lambda pid: os.listdir(f"/proc/{pid}/fd"),
    "cwd": lambda pid: os.readlink(f"/proc/{pid}/cwd"),
    "process_vm_readv": read_memory,
    "pidfd_getfd": lambda pid: pidfd_getfd(pid),
    "ptrace": trace,
}


def pidfd_getfd(pid):
    pidfd = os.pidfd_open(pid)
    if libc.syscall(ctypes.c_long(438), pidfd, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")


for pid in map(int, sys.argv[1:]):
    for what, attack in ATTACKS.items():
        try:
            attack(pid)
            result = "open"
        except OSError as error:
            result = errno.errorcode[error.errno]
        print(pid, what, result)
