"""System calls of a stranger's program in a real sandbox: what is refused, and what still works."""

from __future__ import annotations

import json
import shutil

import pytest

from sessions.backends.local.keeper.seccomp import MACHINES
from tests.backends.bare import run

CALLS = f"""
import ctypes, errno, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
numbers = {dict(MACHINES)!r}[os.uname().machine]

def call(name, *arguments):
    if libc.syscall(numbers[name], *arguments) < 0:
        return errno.errorcode[ctypes.get_errno()]
    return "done"

def opened(family, kind, protocol=0):
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

found = {{}}
"""

BACK_DOORS = """
found = {
    "a namespace": call("unshare", 0x10000000),
    "a process in a namespace": call("clone", 0x10000011, 0, 0, 0, 0),
    "one with flags that nobody sees": call("clone3", 0, 0),
    "a ring": call("io_uring_setup", 1, 0),
    "page faults": call("userfaultfd", 0),
    "a key": call("add_key", b"user", b"name", b"secret", 6, -3),
    "a keyring": call("keyctl", 0, -3, 0),
    "a found key": call("request_key", b"user", b"name", 0, -3),
    "a queue that nobody counts": call("msgget", 0, 0o1600),
    "a large segment": call("shmget", 0, 1 << 20, 0o1600),
    "many semaphores": call("semget", 0, 1000, 0o1600),
    "the first process": call("ptrace", 16, 1, 0, 0),
    "its parent": call("ptrace", 0x4206, os.getppid(), 0, 0),
    "the virtual machine": opened(40, 1),
    "the kernel's ciphers": opened(38, 5),
    "the wire": opened(17, 3),
    "messages of programs by netlink": opened(16, 3, 2),
    "the machine's devices by netlink": opened(16, 3, 15),
    "a filter": call("seccomp", 1, 0, 0),
    "a filter by its older name": call("prctl", 22, 2, 0),
    "a filter of a socket": call("setsockopt", socket.socket().detach(), 1, 26, 0, 0),
    "requests of others' number": call("io_setup", 1, 0),
    "x32": errno.errorcode[ctypes.get_errno()] if libc.syscall(0x40000027) < 0 else "done",
}
print(json.dumps(found))
"""
ANSWERS = {
    "one with flags that nobody sees": "ENOSYS",
    "a large segment": "ENOSPC",
    "many semaphores": "ENOSPC",
    "the virtual machine": "EAFNOSUPPORT",
    "the kernel's ciphers": "EAFNOSUPPORT",
    "the wire": "EAFNOSUPPORT",
    "messages of programs by netlink": "EPROTONOSUPPORT",
    "the machine's devices by netlink": "EPROTONOSUPPORT",
    "a filter": "ENOSYS",
    "a filter by its older name": "EINVAL",
    "requests of others' number": "ENOSYS",
    "x32": "ENOSYS",
}
NEEDED = """
found = {
    "a small segment": call("shmget", 0, 56, 0o1600),
    "PostgreSQL's semaphores": call("semget", 0, 17, 0o1600),
    "sockets": [opened(family, 1) for family in (1, 2, 10)],
    "addresses": opened(16, 3),
}
child = os.fork()
if not child:
    libc.ptrace(0, 0, 0, 0)
    os.kill(os.getpid(), 19)
    os._exit(7)
os.waitpid(child, 0)
found["a child of one's own"] = libc.ptrace(7, child, 0, 0)
found["its end"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(found))
"""

portals = pytest.mark.parametrize("as_root", [True, False], ids=["root", "ordinary user"])


@portals
def test_dangerous_system_calls_are_refused(as_root: bool):
    found = json.loads(run(CALLS + BACK_DOORS, as_root=as_root).output)
    assert found == {name: ANSWERS.get(name, "EPERM") for name in found}


@portals
def test_system_calls_that_programs_need_work(as_root: bool):
    found = json.loads(run(CALLS + NEEDED, as_root=as_root).output)
    assert found == {
        "a small segment": "done",
        "PostgreSQL's semaphores": "done",
        "sockets": ["done"] * 3,
        "addresses": "done",
        "a child of one's own": 0,
        "its end": 7,
    }


def test_shared_memory_segments_are_limited_in_total():
    """A detached segment is nobody's memory: without this limit 3 GB lay in a notebook of 1 GB."""
    outcome = run("""
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
held = 0
for size in (1 << 30, 1 << 20, 4097, 4096):
    while (segment := libc.shmget(0, size, 0o1600)) >= 0:
        address = libc.shmat(segment, None, 0)
        ctypes.memset(ctypes.c_void_p(address), 1, size)
        libc.shmdt(ctypes.c_void_p(address))
        held += size
print(held)
""")
    assert outcome.end == "0" and 0 < int(outcome.output) <= 16 * 2**20


def test_threads_signals_and_orphans_behave_as_usual():
    outcome = run(
        """
import os, signal, subprocess, threading, time
threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(50)]
for each in threads: each.start()
for each in threads: each.join()
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
for _ in range(20):  # more than may be there at once, if the dead ones stayed
    subprocess.run(["sh", "-c", "for n in 1 2 3 4 5 6 7 8 9 10; do (true & ) ; done"], check=True)
def state(each):
    try:
        return open(f"/proc/{each}/status").read()
    except OSError:  # it has gone meanwhile
        return ""
for _ in range(100):
    dead = [each for each in os.listdir("/proc") if each.isdigit() and "State:\\tZ" in state(each)]
    if not dead:
        break
    time.sleep(0.05)
print(dead)
os.kill(1, signal.SIGKILL)
os.kill(1, signal.SIGTERM)
print("still there")
raise SystemExit(7)
""",
        memory=1_000_000_000,
    )
    assert outcome.output.split("\n") == ["True", "[]", "still there", ""]
    assert outcome.end == "7"


@pytest.mark.parametrize("namespaces", [True, False])
def test_a_sandbox_does_not_inherit_ignored_signals(namespaces: bool):
    """A shell has what it starts with ``&`` ignore SIGINT, and nohup SIGHUP."""
    outcome = run(
        """
import signal
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print([name.name for name in signal.Signals if signal.getsignal(name) is signal.SIG_IGN])
""",
        namespaces=namespaces,
        ignored="INT,HUP,QUIT,TERM",
    )
    assert outcome.output.split("\n") == ["True", "['SIGPIPE', 'SIGXFSZ']", ""]  # Python's own


@pytest.mark.skipif(not shutil.which("gdb"), reason="the debugger is not on this machine")
@pytest.mark.slow("gdb reads the symbols of what it runs")
def test_a_debugger_can_trace_only_its_own_children():
    outcome = run("""
import subprocess
gdb = ["gdb", "-q", "-batch", "-nx"]
own = ["-ex", "catch syscall exit_group", "-ex", "run", "-ex", "info registers", "/bin/true"]
print(subprocess.run([*gdb, *own], capture_output=True, text=True).stdout)
sleeper = subprocess.Popen(["sleep", "60"])
other = subprocess.run([*gdb, "-p", str(sleeper.pid)], capture_output=True, text=True)
print(other.stderr)
sleeper.kill()
""")
    assert "Catchpoint 1 (call to syscall exit_group)" in outcome.output
    assert "rip" in outcome.output or "pc" in outcome.output
    assert "Operation not permitted" in outcome.output
