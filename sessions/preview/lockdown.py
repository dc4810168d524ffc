"""Take all rights from this process but to compute, and to read and write what is open already.

A seccomp filter allows a few system calls and refuses all others, whatever the process runs as: no
file or socket is opened and no program started from then on. Libraries have to be loaded before.
Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct

CPU_SECONDS = 10
MAX_MEMORY_BYTES = 320 * 2**20

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216),
    "brk": (12, 214), "madvise": (28, 233), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "futex": (202, 98), "getpid": (39, 172),
    "gettid": (186, 178), "sched_yield": (24, 124), "getrandom": (318, 278),
    "clock_gettime": (228, 113), "gettimeofday": (96, 169), "exit": (60, 93),
    "exit_group": (231, 94),
}  # fmt: skip
"""All that stays allowed, with its number on each of these machines, as in the kernel's tables."""
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    """The kernel's ``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def limit() -> None:
    """Bound the process's time and memory, and what it could leave on a disk."""
    os.nice(10)
    for kind, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def lock() -> None:
    """Allow nothing else from now on. Raises `OSError` if this machine cannot do that."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter for {machine}")
    column = list(_ARCHITECTURES).index(machine)
    code = _filter(_ARCHITECTURES[machine], [numbers[column] for numbers in _CALLS.values()])
    instructions = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(instructions))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    for call in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program), 0, 0),
    ):
        if prctl(*call):
            raise OSError(ctypes.get_errno(), "the filter could not be set")


def _filter(architecture: int, numbers: list[int]) -> bytes:
    """Return a program in the kernel's classic BPF that refuses all but these system calls."""
    found = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _REFUSE)]
    found.append((_LOAD, 0, 0, 0))
    found += [(_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    found += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *each) for each in found)
