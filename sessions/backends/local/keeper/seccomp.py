"""Assemble the seccomp filter of every sandbox, for the kernel's classic BPF.

It is as strict as Docker's default profile for a container without capabilities, and stricter where
that leaves ways to memory that no limit counts, to other machines' sockets or to processes that are
not one's own children. bubblewrap sets it (``--seccomp``) as the last thing before the sandbox's
first process begins. Pure functions, standard library only.

System calls have numbers for each known machine; the names are those of the kernel's own tables
(``arch/x86/entry/syscalls/syscall_64.tbl``, ``scripts/syscall.tbl``), and a call that a machine
does not have is not in its table. Programs get an error that they can handle: EPERM for a refusal,
and ENOSYS for calls that a kernel might not have either, so that libraries fall back (``clone3``,
calls newer than this table).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from types import MappingProxyType

NEWEST_SYSCALL = 456
"""The last system call reviewed (futex_requeue, Linux 6.7); it has the same number on both."""

_X86_64 = {
    "clone": 56, "clone3": 435, "io_setup": 206, "memfd_create": 319, "mmap": 9, "personality": 135,
    "prctl": 157, "ptrace": 101, "seccomp": 317, "semget": 64, "setsockopt": 54, "shmget": 29,
    "socket": 41, "socketpair": 53, "_sysctl": 156, "acct": 163, "add_key": 248, "afs_syscall": 183,
    "bpf": 321, "chroot": 161, "clock_settime": 227, "create_module": 174, "delete_module": 176,
    "epoll_ctl_old": 214, "epoll_wait_old": 215, "fanotify_init": 300, "finit_module": 313,
    "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433, "get_kernel_syms": 177,
    "get_mempolicy": 239, "getpmsg": 181, "init_module": 175, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "ioperm": 173, "iopl": 172, "kcmp": 312,
    "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "lookup_dcookie": 212, "mbind": 237,
    "memfd_secret": 447, "migrate_pages": 256, "modify_ldt": 154, "mount": 165,
    "mount_setattr": 442, "move_mount": 429, "move_pages": 279, "msgget": 68, "nfsservctl": 180,
    "open_by_handle_at": 304, "open_tree": 428, "perf_event_open": 298, "pidfd_getfd": 438,
    "pivot_root": 155, "process_madvise": 440, "putpmsg": 182, "query_module": 178, "quotactl": 179,
    "quotactl_fd": 443, "reboot": 169, "request_key": 249, "security": 185, "set_mempolicy": 238,
    "set_mempolicy_home_node": 450, "setdomainname": 171, "sethostname": 170, "setns": 308,
    "settimeofday": 164, "swapoff": 168, "swapon": 167, "sysfs": 139, "syslog": 103, "tuxcall": 184,
    "umount2": 166, "unshare": 272, "uselib": 134, "userfaultfd": 323, "ustat": 136, "vhangup": 153,
    "vserver": 236,
}  # fmt: skip
_AARCH64 = {
    "clone": 220, "clone3": 435, "io_setup": 0, "memfd_create": 279, "mmap": 222, "personality": 92,
    "prctl": 167, "ptrace": 117, "seccomp": 277, "semget": 190, "setsockopt": 208, "shmget": 194,
    "socket": 198, "socketpair": 199, "acct": 89, "add_key": 217, "bpf": 280, "chroot": 51,
    "clock_settime": 112, "delete_module": 106, "fanotify_init": 262, "finit_module": 273,
    "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433, "get_mempolicy": 236,
    "init_module": 105, "io_uring_enter": 426, "io_uring_register": 427, "io_uring_setup": 425,
    "kcmp": 272, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219, "lookup_dcookie": 18,
    "mbind": 235, "memfd_secret": 447, "migrate_pages": 238, "mount": 40, "mount_setattr": 442,
    "move_mount": 429, "move_pages": 239, "msgget": 186, "nfsservctl": 42, "open_by_handle_at": 265,
    "open_tree": 428, "perf_event_open": 241, "pidfd_getfd": 438, "pivot_root": 41,
    "process_madvise": 440, "quotactl": 60, "quotactl_fd": 443, "reboot": 142, "request_key": 218,
    "set_mempolicy": 237, "set_mempolicy_home_node": 450, "setdomainname": 162, "sethostname": 161,
    "setns": 268, "settimeofday": 170, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39,
    "unshare": 97, "userfaultfd": 282, "vhangup": 58,
}  # fmt: skip

MACHINES = MappingProxyType({"x86_64": _X86_64, "aarch64": _AARCH64})
"""Keyed by `os.uname`'s machine name."""
DENIED = frozenset(_X86_64) - {
    "clone", "clone3", "io_setup", "memfd_create", "mmap", "personality", "prctl", "ptrace",
    "seccomp", "semget", "setsockopt", "shmget", "socket", "socketpair",
}  # fmt: skip
"""Refused whatever their arguments: what Docker's default profile leaves out for a container
without capabilities, and also what shares memory that no limit counts (msgget, memfd_secret), and
what has often been the way into a kernel (modify_ldt, io_uring)."""


SEGMENT_BYTES = 4096
"""The largest SysV segment: a namespace has 4,096 of them at most, so 16 MB in all if nothing else
counts them. PostgreSQL asks for 56 bytes."""
SEMAPHORES = 32
"""Most semaphores in a SysV set; a namespace has 32,000 sets: 70 MB with these."""

_Instruction = tuple[int, int, int, int]
"""Operation, instructions to skip if true, instructions to skip if false, operand."""

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_FAMILIES = (1, 2, 10, 16)
"""UNIX, INET, INET6, and NETLINK, with which a program finds its addresses. Not VSOCK, which no
network namespace limits, nor the families of drivers and of the kernel's cryptography."""
_NETLINK, _ROUTES = 16, 0
"""Only the netlink protocol that lists addresses: no memory limit counts data waiting in it, and
others, such as NETLINK_USERSOCK, carry messages from one program to another."""
_NAMESPACES = 0x7E020000
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)
"""As in Docker's profile, and ADDR_NO_RANDOMIZE, with which gdb starts a program."""
_ATTACH, _SEIZE = 16, 0x4206
"""Requests that trace an existing process. A debugger's own child asks to be traced
(PTRACE_TRACEME), and everything done with a tracee stays allowed."""
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_SOL_SOCKET, _ATTACHED = 1, (26, 50, 51, 52)
"""Filters of processes and sockets. All users of a machine share a fixed amount of memory for them
(``net.core.bpf_jit_limit``): once it is used up, no other sandbox gets its filter. io_setup has
such a limit, too (``fs.aio-max-nr``)."""
_SHM_HUGETLB, _MFD_HUGETLB, _MAP_HUGETLB = 0o4000, 4, 0x40000
"""Huge pages come from a pool of the machine that no memory limit covers."""


@cache
def program(machine: str, *, has_memfd: bool) -> bytes:
    """Return the filter for a machine as `os.uname` names it, empty for an unknown one.

    ``has_memfd`` allows files without a name, which only a memory cgroup counts reliably.
    """
    if machine not in MACHINES:
        return b""
    numbers = MACHINES[machine]
    denied = {numbers[name] for name in DENIED if name in numbers}
    if not has_memfd:
        denied.add(numbers["memfd_create"])
    return b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            *_check_architecture(_ARCHITECTURES[machine]),
            *_deny_calls(denied),
            *_conditional_calls(numbers, has_memfd=has_memfd),
            _return(_ALLOW),
        )
    )


def _check_architecture(architecture: int) -> Iterator[_Instruction]:
    """Load the number of the call; refuse other architectures.

    32-bit programs, and calls made their way, get none; x32 has numbers beyond all others.
    """
    yield (_LOAD, 0, 0, 4)
    yield (_EQUAL, 1, 0, architecture)
    yield _return(_ERROR | errno.ENOSYS)
    yield (_LOAD, 0, 0, 0)
    yield (_GREATER, 0, 1, NEWEST_SYSCALL)
    yield _return(_ERROR | errno.ENOSYS)


def _deny_calls(numbers: Iterable[int]) -> Iterator[_Instruction]:
    for number in sorted(numbers):
        yield from _if_call(number, [_return(_ERROR | errno.EPERM)])


def _conditional_calls(numbers: dict[str, int], *, has_memfd: bool) -> Iterator[_Instruction]:
    """Decide calls by their arguments."""
    for name in ("clone3", "io_setup", "seccomp"):
        yield from _if_call(numbers[name], [_return(_ERROR | errno.ENOSYS)])
    filters = [*_if_argument(0, _PR_SET_SECCOMP), *_deny_values(1, (_MODE_FILTER,), errno.EINVAL)]
    yield from _if_call(numbers["prctl"], filters)
    attached = [*_if_argument(1, _SOL_SOCKET), *_deny_values(2, _ATTACHED, errno.EPERM)]
    yield from _if_call(numbers["setsockopt"], attached)
    families = _allow_only(0, _FAMILIES, errno.EAFNOSUPPORT)
    yield from _if_call(numbers["socket"], [*_netlink_rules(), *families])
    yield from _if_call(numbers["socketpair"], families)
    yield from _if_call(numbers["personality"], _allow_only(0, _PERSONALITIES, errno.EPERM))
    yield from _if_call(numbers["clone"], _deny_bits(0, _NAMESPACES, errno.EPERM))
    yield from _if_call(numbers["ptrace"], _deny_values(0, (_ATTACH, _SEIZE), errno.EPERM))
    yield from _if_call(numbers["mmap"], _deny_bits(3, _MAP_HUGETLB, errno.ENOMEM))
    if has_memfd:
        yield from _if_call(numbers["memfd_create"], _deny_bits(1, _MFD_HUGETLB, errno.ENOMEM))
    segment = [
        *_deny_above(1, SEGMENT_BYTES, errno.ENOSPC),
        *_deny_bits(2, _SHM_HUGETLB, errno.ENOSPC),
    ]
    yield from _if_call(numbers["shmget"], segment)
    yield from _if_call(
        numbers["semget"], [*_deny_above(1, SEMAPHORES, errno.ENOSPC), _return(_ALLOW)]
    )


def _if_call(number: int, body: list[_Instruction]) -> list[_Instruction]:
    """Run ``body``, which always returns, if the call has this number."""
    return [(_EQUAL, 0, len(body), number), *body]


def _netlink_rules() -> list[_Instruction]:
    """Decide netlink sockets by their protocol, and continue with all others."""
    body = _allow_only(2, (_ROUTES,), errno.EPROTONOSUPPORT)
    return [_load_argument(0), (_EQUAL, 0, len(body), _NETLINK), *body]


def _if_argument(argument: int, value: int) -> list[_Instruction]:
    """Allow all other values, and continue with this one."""
    return [_load_argument(argument), (_EQUAL, 1, 0, value), _return(_ALLOW)]


def _allow_only(argument: int, values: tuple[int, ...], error: int) -> list[_Instruction]:
    """Allow these values and refuse all others."""
    after = len(values)
    tests = [(_EQUAL, after - at, 0, value) for at, value in enumerate(values)]
    return [_load_argument(argument), *tests, _return(_ERROR | error), _return(_ALLOW)]


def _deny_values(argument: int, values: tuple[int, ...], error: int) -> list[_Instruction]:
    """Refuse these values and allow all others."""
    after = len(values)
    tests = [(_EQUAL, after - at, 0, value) for at, value in enumerate(values)]
    return [_load_argument(argument), *tests, _return(_ALLOW), _return(_ERROR | error)]


def _deny_bits(argument: int, bits: int, error: int) -> list[_Instruction]:
    """Refuse what has any of these bits."""
    return [
        _load_argument(argument),
        (_ANY_BIT, 0, 1, bits),
        _return(_ERROR | error),
        _return(_ALLOW),
    ]


def _deny_above(argument: int, most: int, error: int) -> list[_Instruction]:
    """Refuse a larger 64-bit number, and continue otherwise."""
    refuse = _return(_ERROR | error)
    high, low = (_LOAD, 0, 0, 20 + 8 * argument), _load_argument(argument)
    return [high, (_EQUAL, 1, 0, 0), refuse, low, (_GREATER, 0, 1, most), refuse]


def _load_argument(argument: int) -> _Instruction:
    """Load the lower half of an argument; both machines have it first."""
    return (_LOAD, 0, 0, 16 + 8 * argument)


def _return(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)
