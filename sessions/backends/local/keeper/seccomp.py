"""The filter of system calls of every sandbox, assembled for the kernel's classic BPF.

As strict as the default profile of Docker for a container without capabilities, and stricter
where that leaves ways to memory that no limit counts, to other machines' sockets or to processes
that are not one's own children. bubblewrap sets it (``--seccomp``) as the last thing before the
sandbox's first process begins. `syscalls` has the numbers. Pure functions, standard library only.

An error is what a program can live with: EPERM for what is refused, and ENOSYS for what a kernel
might not have either, so that libraries do without (``clone3``, calls newer than this table).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator
from functools import cache

from .syscalls import DENIED, MACHINES, NEWEST

SEGMENT_BYTES = 4096
"""The largest SysV segment: a namespace has 4,096 of them at most, so 16 MB in all where nothing
else counts them. PostgreSQL asks for 56 bytes."""
SEMAPHORES = 32
"""In one SysV set, of which a namespace has 32,000: with these, 70 MB."""

_Instruction = tuple[int, int, int, int]
"""Operation, how many to skip where it is true, and where it is not, and its number."""

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_FAMILIES = (1, 2, 10, 16)
"""UNIX, INET, INET6 and NETLINK, with which a program finds its addresses. Not VSOCK, which no
network namespace bounds, nor those of drivers and of the kernel's own cryptography."""
_NETLINK, _ROUTES = 16, 0
"""Of netlink only what says which addresses there are: no limit of memory counts what waits in it,
and others, such as NETLINK_USERSOCK, carry messages from one program to the other."""
_NAMESPACES = 0x7E020000
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)
"""As in Docker's, and ADDR_NO_RANDOMIZE, with which gdb starts a program."""
_ATTACH, _SEIZE = 16, 0x4206
"""Requests that make somebody else's process one's tracee. A debugger's own child asks for it
itself (PTRACE_TRACEME), and all that is done with a tracee stays allowed."""
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_SOL_SOCKET, _ATTACHED = 1, (26, 50, 51, 52)
"""Filters of processes and of sockets, for which a machine has so much memory for all its users
(``net.core.bpf_jit_limit``): where none is left, no other sandbox gets its own filter. The same is
true of io_setup (``fs.aio-max-nr``)."""
_SHM_HUGETLB, _MFD_HUGETLB, _MAP_HUGETLB = 0o4000, 4, 0x40000
"""Large pages come from a pool of the machine that no limit of memory counts."""


@cache
def program(machine: str, *, has_memfd: bool) -> bytes:
    """Return the filter for a machine as `os.uname` names it, nothing for one that is unknown.

    ``has_memfd``: whether files without a name may be made, which only a memory cgroup counts
    for certain.
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
            *_of_machine(_ARCHITECTURES[machine]),
            *_refused(denied),
            *_weighed(numbers, has_memfd=has_memfd),
            _return(_ALLOW),
        )
    )


def _of_machine(architecture: int) -> Iterator[_Instruction]:
    """Leave the number of the call loaded. 32-bit programs, and calls in their way, have no call;
    x32 has numbers beyond all others."""
    yield (_LOAD, 0, 0, 4)
    yield (_EQUAL, 1, 0, architecture)
    yield _return(_ERROR | errno.ENOSYS)
    yield (_LOAD, 0, 0, 0)
    yield (_GREATER, 0, 1, NEWEST)
    yield _return(_ERROR | errno.ENOSYS)


def _refused(numbers: Iterable[int]) -> Iterator[_Instruction]:
    for number in sorted(numbers):
        yield from _of_call(number, [_return(_ERROR | errno.EPERM)])


def _weighed(numbers: dict[str, int], *, has_memfd: bool) -> Iterator[_Instruction]:
    """Calls whose arguments decide."""
    for name in ("clone3", "io_setup", "seccomp"):
        yield from _of_call(numbers[name], [_return(_ERROR | errno.ENOSYS)])
    filters = [*_where(0, _PR_SET_SECCOMP), *_but(1, (_MODE_FILTER,), errno.EINVAL)]
    yield from _of_call(numbers["prctl"], filters)
    attached = [*_where(1, _SOL_SOCKET), *_but(2, _ATTACHED, errno.EPERM)]
    yield from _of_call(numbers["setsockopt"], attached)
    families = _only(0, _FAMILIES, errno.EAFNOSUPPORT)
    yield from _of_call(numbers["socket"], [*_of_netlink(), *families])
    yield from _of_call(numbers["socketpair"], families)
    yield from _of_call(numbers["personality"], _only(0, _PERSONALITIES, errno.EPERM))
    yield from _of_call(numbers["clone"], _without(0, _NAMESPACES, errno.EPERM))
    yield from _of_call(numbers["ptrace"], _but(0, (_ATTACH, _SEIZE), errno.EPERM))
    yield from _of_call(numbers["mmap"], _without(3, _MAP_HUGETLB, errno.ENOMEM))
    if has_memfd:
        yield from _of_call(numbers["memfd_create"], _without(1, _MFD_HUGETLB, errno.ENOMEM))
    segment = [*_up_to(1, SEGMENT_BYTES, errno.ENOSPC), *_without(2, _SHM_HUGETLB, errno.ENOSPC)]
    yield from _of_call(numbers["shmget"], segment)
    yield from _of_call(numbers["semget"], [*_up_to(1, SEMAPHORES, errno.ENOSPC), _return(_ALLOW)])


def _of_call(number: int, body: list[_Instruction]) -> list[_Instruction]:
    """``body``, which returns at any rate, where the call has this number."""
    return [(_EQUAL, 0, len(body), number), *body]


def _of_netlink() -> list[_Instruction]:
    """Decide about a socket of netlink by its protocol, and go on with all others."""
    body = _only(2, (_ROUTES,), errno.EPROTONOSUPPORT)
    return [_low(0), (_EQUAL, 0, len(body), _NETLINK), *body]


def _where(argument: int, value: int) -> list[_Instruction]:
    """Allow all but this value, and go on where it is."""
    return [_low(argument), (_EQUAL, 1, 0, value), _return(_ALLOW)]


def _only(argument: int, values: tuple[int, ...], error: int) -> list[_Instruction]:
    """Allow these values and refuse all others."""
    after = len(values)
    tests = [(_EQUAL, after - at, 0, value) for at, value in enumerate(values)]
    return [_low(argument), *tests, _return(_ERROR | error), _return(_ALLOW)]


def _but(argument: int, values: tuple[int, ...], error: int) -> list[_Instruction]:
    """Refuse these values and allow all others."""
    after = len(values)
    tests = [(_EQUAL, after - at, 0, value) for at, value in enumerate(values)]
    return [_low(argument), *tests, _return(_ALLOW), _return(_ERROR | error)]


def _without(argument: int, bits: int, error: int) -> list[_Instruction]:
    """Refuse what has any of these bits."""
    return [_low(argument), (_ANY_BIT, 0, 1, bits), _return(_ERROR | error), _return(_ALLOW)]


def _up_to(argument: int, most: int, error: int) -> list[_Instruction]:
    """Refuse a larger number of 64 bits, and go on where it is not."""
    refuse = _return(_ERROR | error)
    high, low = (_LOAD, 0, 0, 20 + 8 * argument), _low(argument)
    return [high, (_EQUAL, 1, 0, 0), refuse, low, (_GREATER, 0, 1, most), refuse]


def _low(argument: int) -> _Instruction:
    """Load the lower half of an argument; both machines have it first."""
    return (_LOAD, 0, 0, 16 + 8 * argument)


def _return(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)
