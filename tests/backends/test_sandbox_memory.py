"""Memory that belongs to no process counts all the same, with a cgroup and without one."""

from __future__ import annotations

import json
import os

import pytest

from tests.backends.bare import MEMORY, run

pytestmark = pytest.mark.slow("sandboxes fill their memory", seconds=90)

BEGIN = """
import array, ctypes, mmap, os, socket, time
piece = bytes(1_000_000)
kept = []
"""
HIDDEN = {
    "sockets whose sender is gone": """
while True:
    sender, receiver = socket.socketpair()
    sender.setblocking(False)
    try:
        while True:
            sender.send(piece)
    except BlockingIOError:
        pass
    sender.close()
    kept.append(receiver)
    if len(kept) > 3000:
        if os.fork() == 0:
            kept = []
        else:
            time.sleep(60)
""",
    "datagrams": """
while True:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    try:
        while True:
            sender.send(piece[:90_000])
    except BlockingIOError:
        pass
    kept += [sender, receiver]
    if len(kept) > 3000:
        if os.fork() == 0:
            kept = []
        else:
            time.sleep(60)
""",
    "pipes": """
while True:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, piece)
    except BlockingIOError:
        pass
    kept += [reader, writer]
    if len(kept) > 4000:
        if os.fork() == 0:
            os.closerange(3, 5000)
            kept = []
        else:
            time.sleep(60)
""",
    "shared memory that a child has filled": """
while True:
    kept.append(mmap.mmap(-1, 50_000_000))
    if os.fork() == 0:
        while kept[-1].tell() < 49_000_000:
            kept[-1].write(piece)
        os._exit(0)
    os.wait()
""",
    "files without a name": """
while True:
    file = os.memfd_create("x")
    for _ in range(50):
        os.write(file, piece)
    kept.append(file)
""",
    "files without a name that travel": """
left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    file = os.memfd_create("x")
    for _ in range(50):
        os.write(file, piece)
    socket.send_fds(left, [b"x"], [file])
    os.close(file)
    if len(kept) % 5 == 4:
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    kept += [left, right]
""",
}


@pytest.mark.parametrize("group", [True, False], ids=["cgroup", "no cgroup"])
@pytest.mark.parametrize("way", HIDDEN)
def test_memory_that_no_process_has_mapped_is_limited(way: str, group: bool):
    outcome = run(BEGIN + HIDDEN[way], group=group)
    if "memfd_create" in HIDDEN[way] and not outcome.grouped:
        assert "PermissionError" in outcome.output and outcome.end == "1"
    else:
        assert outcome.end in {"out-of-memory", "too-many-files"}, outcome
    assert outcome.grouped == (group and os.geteuid() == 0)


TCP = """
door = socket.create_server(("127.0.0.1", 0))
sent = 0
while len(kept) < 1000 and sent < 500_000_000:
    sender = socket.create_connection(door.getsockname())
    receiver, _from = door.accept()
    sender.setblocking(False)
    try:
        while True:
            sent += sender.send(piece)
    except BlockingIOError:
        pass
    kept += [sender, receiver]
print(sent)
time.sleep(30 if sent >= 300_000_000 else 0)  # until somebody has counted it
"""


ANSWERS = """
import struct
question = struct.pack("IHHIIBxHiII", 32, 18, 1, 1, 0, 0, 0, 1, 0, 0)  # which link is number 1
while len(kept) < 2000:
    asked = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    asked.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**30)
    asked.setblocking(False)
    asked.bind((0, 0))
    asking = asked.dup()
    try:
        for _ in range(3000):
            asking.send(question)
    except OSError:
        pass
    asking.close()
    kept.append(asked)
    time.sleep(0.01)
time.sleep(30)
"""


@pytest.mark.parametrize("group", [True, False], ids=["cgroup", "no cgroup"])
def test_network_buffers_are_limited(group: bool):
    """A cgroup of the first version has a limit of their own, at which senders wait."""
    outcome = run(BEGIN + TCP, group=group)
    assert outcome.end == "out-of-memory" or int(outcome.output) < MEMORY, outcome


@pytest.mark.parametrize("group", [True, False], ids=["cgroup", "no cgroup"])
def test_unread_answers_of_the_kernel_are_limited(group: bool):
    outcome = run(BEGIN + ANSWERS, group=group)
    assert outcome.end == "out-of-memory", outcome


def test_the_contents_of_a_few_large_sockets_are_counted():
    """The kernel lets one of them grow to more than what usually waits in one."""
    outcome = run(BEGIN + TCP, group=False, memory=400_000_000)
    assert outcome.end == "out-of-memory" or int(outcome.output) < 400_000_000, outcome


FILES = """
import json, os
found = {}
for folder in ("/tmp", "/dev/shm", "/run"):
    count = 0
    try:
        while count < 1_000_000:
            os.close(os.open(f"{folder}/{count}", os.O_CREAT | os.O_WRONLY))
            count += 1
    except OSError as error:
        found[folder] = error.strerror
    for number in range(count):
        os.unlink(f"{folder}/{number}")
print(json.dumps(found))
"""


@pytest.mark.parametrize("as_root", [True, False], ids=["root", "ordinary user"])
def test_the_number_of_empty_files_in_memory_is_limited(as_root: bool):
    found = json.loads(run(FILES, as_root=as_root).output)
    assert found == dict.fromkeys(("/tmp", "/dev/shm", "/run"), "No space left on device")


def test_empty_files_count_as_memory_if_their_number_is_unlimited():
    outcome = run(
        """
import os
for number in range(10_000_000):
    os.close(os.open(f"/tmp/{number}", os.O_CREAT | os.O_WRONLY))
""",
        namespaces=False,
        group=False,
        memory=100_000_000,
    )
    assert outcome.end == "out-of-memory"


def test_freed_memory_can_be_used_again():
    outcome = run("""
for _ in range(10):
    with open("/tmp/large", "wb") as file:
        file.write(bytes(50_000_000))
    kept = bytearray(50_000_000)
""")
    assert outcome.end == "0", outcome


def test_open_files_are_limited_across_all_processes():
    outcome = run(
        """
import os, time
for _ in range(30):
    if os.fork() == 0:
        try:
            while True:
                os.open("/dev/null", os.O_RDONLY)
        except OSError:
            time.sleep(60)
time.sleep(60)
""",
        memory=2_000_000_000,
    )
    assert outcome.end == "too-many-files"


def test_terminals_are_limited_per_notebook():
    """A machine has 3,072 for all sandboxes together, and each of theirs takes one."""
    outcome = run("""
import os, pty
first, _other = pty.openpty()
print(os.isatty(_other), os.ttyname(_other))
kept = 1
try:
    while True:
        os.open("/dev/ptmx", os.O_RDWR)
        kept += 1
except OSError:
    print(kept)
""")
    assert outcome.output.splitlines() == ["True /dev/pts/0", "64"]


def test_inotify_instances_are_limited_per_notebook():
    """A user of the machine has 128 instances, which all notebooks of a portal share that is not
    root, with the portal.
    """
    outcome = run(
        """
import ctypes
libc = ctypes.CDLL(None)
count = 0
while libc.inotify_init() >= 0:
    count += 1
print(count)
""",
        as_root=False,
    )
    assert 4 <= int(outcome.output) <= 16
