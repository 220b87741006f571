"""Runs a command on an older kernel, as far as naming processes goes: a seccomp filter, which all that the command
starts inherits, refuses what that kernel does not have.

    python3 tier.py TIER COMMAND [ARGUMENT...]
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# Numbers of system calls: x86_64's and aarch64's (asm/unistd_64.h, asm-generic/unistd.h).
CALLS = {
    "fstatfs": (138, 44),
    "ioctl": (16, 29),
    "getsockopt": (55, 209),
    "socket": (41, 198),
    "pidfd_open": (434, 434),
}
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # the column, AUDIT_ARCH_* (linux/audit.h)

# What is refused: the call, the arguments that it must have for that, and how.
PIDFS = ("fstatfs", {}, errno.ENOSYS)
GET_INFO = ("ioctl", {1: 0xC040FF0B}, errno.ENOTTY)  # PIDFD_GET_INFO
PEER_PIDFD = ("getsockopt", {1: 1, 2: 77}, errno.ENOPROTOOPT)  # SOL_SOCKET, SO_PEERPIDFD
PIDFD = ("pidfd_open", {}, errno.ENOSYS)
SOCK_DIAG = ("socket", {0: 16}, errno.EAFNOSUPPORT)  # AF_NETLINK

TIERS = {
    "pidfs inode": [],
    "pidfs inode, by /proc": [GET_INFO],
    "peer pidfd": [PIDFS],
    "peer pidfd, by /proc": [PIDFS, GET_INFO],
    "pidfd": [PIDFS, PEER_PIDFD],
    "pidfd, by /proc": [PIDFS, GET_INFO, PEER_PIDFD],
    "proc directory": [PIDFS, GET_INFO, PEER_PIDFD, PIDFD],
    "no sock_diag": [SOCK_DIAG],
    "none": [PIDFS, GET_INFO, PEER_PIDFD, PIDFD, SOCK_DIAG],
}

# Classic BPF (linux/bpf_common.h) and what a filter may return (linux/seccomp.h).
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
AT_NUMBER, AT_ARCHITECTURE, AT_ARGUMENTS = 0, 4, 16  # struct seccomp_data
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def statement(code, value, if_true=0, if_false=0):
    return struct.pack("=HBBI", code, if_true, if_false, value)


def program(refused):
    column, architecture = ARCHITECTURES[platform.machine()]
    code = [statement(LOAD, AT_ARCHITECTURE), statement(JUMP_IF_EQUAL, architecture, 1, 0), statement(RETURN, KILL)]
    for call, arguments, error in refused:
        tests = [(AT_NUMBER, CALLS[call][column])]
        # The lower half of an argument, which is 64 bits wide, in little-endian order.
        tests += [(AT_ARGUMENTS + 8 * place, value) for place, value in arguments.items()]
        for done, (offset, value) in enumerate(tests):
            left = 2 * (len(tests) - done - 1) + 1
            code += [statement(LOAD, offset), statement(JUMP_IF_EQUAL, value, 0, left)]
        code.append(statement(RETURN, ERRNO | error))
    return code + [statement(RETURN, ALLOW)]


def install(refused):
    code = program(refused)
    text = ctypes.create_string_buffer(b"".join(code))
    header = struct.pack("@HP", len(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header) != 0:
        sys.exit(f"no seccomp here: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    install(TIERS[sys.argv[1]])
    os.execvp(sys.argv[2], sys.argv[2:])
