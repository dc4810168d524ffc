"""The seccomp filter as the kernel would evaluate it, on machines that we have and do not have."""

from __future__ import annotations

import errno
import struct

import pytest

from sessions.backends.local.keeper import seccomp
from sessions.backends.local.keeper.seccomp import DENIED, MACHINES, NEWEST_SYSCALL

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386, ARM = 0x40000003, 0x40000028
ALLOWED = 0

machines = pytest.mark.parametrize("machine", sorted(MACHINES))


def answer(
    machine: str,
    number: int,
    *arguments: int,
    architecture: int | None = None,
    has_memfd: bool = True,
) -> int:
    """Return the error with which the kernel answers a call, 0 if the call is allowed."""
    words = [*arguments, *(0,) * (6 - len(arguments))]
    told = struct.pack("=IIQ6Q", number, architecture or ARCHITECTURES[machine], 0, *words)
    program = seccomp.program(machine, has_memfd=has_memfd)
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, constant = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            loaded = struct.unpack_from("=I", told, constant)[0]
        elif code == 0x06:
            assert constant == 0x7FFF0000 or constant >> 16 == 0x0005
            return 0 if constant == 0x7FFF0000 else constant & 0xFFFF
        else:
            holds = {0x15: loaded == constant, 0x25: loaded > constant, 0x45: loaded & constant}
            at += if_true if holds[code] else if_false


def call(machine: str, name: str, *arguments: int, has_memfd: bool = True) -> int:
    return answer(machine, MACHINES[machine][name], *arguments, has_memfd=has_memfd)


@machines
def test_the_filter_is_within_the_kernels_size_limit(machine: str):
    assert 0 < len(seccomp.program(machine, has_memfd=True)) // 8 < 4096


@machines
def test_system_calls_that_no_sandbox_needs_are_refused(machine: str):
    names = DENIED & set(MACHINES[machine])
    assert {"io_uring_setup", "userfaultfd", "add_key", "keyctl", "request_key", "bpf", "mount",
            "unshare", "setns", "perf_event_open", "kexec_load", "open_by_handle_at",
            "process_madvise", "pidfd_getfd", "kcmp", "msgget",
            "memfd_secret"} <= names  # fmt: skip
    assert {call(machine, name) for name in names} == {errno.EPERM}


@machines
def test_all_other_known_system_calls_are_allowed(machine: str):
    known = set(MACHINES[machine].values())
    others = [number for number in range(NEWEST_SYSCALL + 1) if number not in known]
    assert {answer(machine, number) for number in others} == {ALLOWED}


@machines
@pytest.mark.parametrize(
    "number", [NEWEST_SYSCALL + 1, NEWEST_SYSCALL + 100, 0x40000000, 0x40000027, 0xFFFFFFFF]
)
def test_newer_and_x32_system_calls_are_not_implemented(machine: str, number: int):
    assert answer(machine, number) == errno.ENOSYS


@machines
@pytest.mark.parametrize("architecture", [I386, ARM, 0xC00000F3, 1])
def test_system_calls_of_other_architectures_are_not_implemented(machine: str, architecture: int):
    for number in (0, 1, 57, MACHINES[machine]["socket"]):
        assert answer(machine, number, 1, architecture=architecture) == errno.ENOSYS


FAMILIES = {1: 0, 2: 0, 10: 0, 16: 0, 0: 97, 3: 97, 17: 97, 29: 97, 31: 97, 38: 97, 40: 97, 44: 97}


@machines
@pytest.mark.parametrize("name", ["socket", "socketpair"])
@pytest.mark.parametrize(("family", "error"), FAMILIES.items())
def test_only_the_allowed_socket_families_can_be_created(
    machine: str, name: str, family: int, error: int
):
    assert call(machine, name, family) == error
    assert call(machine, name, family | 7 << 32) == error  # the kernel reads an int


@machines
@pytest.mark.parametrize("protocol", [*range(1, 32), 256, 2**31, 2**32 - 1])
def test_netlink_is_limited_to_the_route_protocol(machine: str, protocol: int):
    assert call(machine, "socket", 16, 3, 0) == call(machine, "socket", 16, 2, 7 << 32) == 0
    assert call(machine, "socket", 16, 3, protocol) == errno.EPROTONOSUPPORT
    assert call(machine, "socket", 16 | 7 << 32, 3, protocol) == errno.EPROTONOSUPPORT
    assert call(machine, "socket", 2, 3, protocol) == 0


@machines
@pytest.mark.parametrize(
    ("size", "flags", "error"),
    [
        (56, 0o1600, 0),
        (4096, 0o1600, 0),
        (4097, 0o1600, errno.ENOSPC),
        (1 << 32, 0o1600, errno.ENOSPC),
        ((1 << 32) + 56, 0o1600, errno.ENOSPC),
        (2**64 - 1, 0o1600, errno.ENOSPC),
        (56, 0o5600, errno.ENOSPC),
    ],
)
def test_a_shared_memory_segment_has_a_size_limit(machine: str, size: int, flags: int, error: int):
    assert call(machine, "shmget", 0, size, flags) == error


@machines
@pytest.mark.parametrize(
    ("count", "error"), [(0, 0), (17, 0), (32, 0), (33, errno.ENOSPC), (2**40, errno.ENOSPC)]
)
def test_a_semaphore_set_has_a_size_limit(machine: str, count: int, error: int):
    assert call(machine, "semget", 0, count) == error


TRACEME, PEEKTEXT, CONT, GETREGSET, SETOPTIONS = 0, 1, 7, 0x4204, 0x4200
ATTACH, SEIZE = 16, 0x4206


@machines
def test_ptrace_can_trace_children_but_not_attach(machine: str):
    for request in (TRACEME, PEEKTEXT, CONT, GETREGSET, SETOPTIONS):
        assert call(machine, "ptrace", request) == ALLOWED
    for request in (ATTACH, SEIZE):
        assert call(machine, "ptrace", request) == errno.EPERM


SIGCHLD, THREAD = 17, 0x3D0F00
NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)


@machines
def test_clone_may_create_processes_and_threads_but_no_namespaces(machine: str):
    assert call(machine, "clone", SIGCHLD) == call(machine, "clone", THREAD) == ALLOWED
    for flag in NAMESPACES:
        assert call(machine, "clone", flag | SIGCHLD) == errno.EPERM
    assert call(machine, "clone3") == errno.ENOSYS  # its flags cannot be looked at


@machines
def test_huge_pages_are_refused(machine: str):
    private, huge = 0x22, 0x40000
    assert call(machine, "mmap", 0, 4096, 3, private) == ALLOWED
    assert call(machine, "mmap", 0, 4096, 3, private | huge) == errno.ENOMEM
    assert call(machine, "memfd_create", 0, 1) == ALLOWED
    assert call(machine, "memfd_create", 0, 4) == errno.ENOMEM


@machines
def test_memfd_create_is_refused_where_its_memory_is_not_counted(machine: str):
    assert call(machine, "memfd_create", 0, 0, has_memfd=False) == errno.EPERM


@machines
def test_personality_may_only_disable_address_randomization(machine: str):
    for persona in (0, 0x40000, 0xFFFFFFFF):
        assert call(machine, "personality", persona) == ALLOWED
    for persona in (0x400000, 0x10, 0x40000 | 0x400000):
        assert call(machine, "personality", persona) == errno.EPERM


@machines
def test_resources_shared_by_all_users_of_the_machine_are_refused(machine: str):
    """Filters of processes and sockets, by whose number one could keep others from their own."""
    assert call(machine, "seccomp", 1) == call(machine, "io_setup", 1) == errno.ENOSYS
    name, dumpable, mode_filter, strict = 15, 4, 2, 1
    assert call(machine, "prctl", 22, mode_filter) == errno.EINVAL
    assert {call(machine, "prctl", each, 2) for each in (name, dumpable, 38)} == {ALLOWED}
    assert call(machine, "prctl", 22, strict) == ALLOWED
    reuse_address, tcp = 2, 6
    for option in (26, 50, 51, 52):
        assert call(machine, "setsockopt", 3, 1, option) == errno.EPERM
        assert call(machine, "setsockopt", 3, tcp, option) == ALLOWED
    assert call(machine, "setsockopt", 3, 1, reuse_address) == ALLOWED


def test_an_unknown_architecture_has_no_filter():
    assert seccomp.program("riscv64", has_memfd=True) == b""
