"""Notebooks that use more memory than they may: tried for real, in a small notebook that has to be
ended or get no more; and those that make many of something, which must not hold up anybody else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import WebSocketException

from tests.attacks.acts import Act
from tests.attacks.attempt import ON_ONE_MACHINE, Attempt, Verdict
from tests.attacks.cast import World
from tests.kernel import Kernel
from tests.pauses import looked
from tests.stack import Api

KIND = "eaters"
LIMIT = 500
"""Memory in megabytes of the notebook in which they are tried (`RESOURCES`)."""
RESOURCES = "cpur=0.1\ncpul=1\nmemr=0.1\nmeml=0.5\n"
MOST = 1100
"""Megabytes that an attempt takes at most."""
HEAD = """
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
MOST = {most} * 10**6
held, kept, why = 0, [], ""
def grow():
{body}
try:
    while held < MOST:
        held += grow()
except (OSError, MemoryError, BlockingIOError) as error:
    why = str(error)
print("held", held // 10**6, why)
"""
WAYS = {
    "in segments of System V that nobody is attached to": """
    size = 32 * 2**20
    segment = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
    if segment < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    place = libc.shmat(segment, None, 0)
    ctypes.memset(place, 1, size)
    libc.shmdt(ctypes.c_void_p(place))
    return size""",
    "in buffers of sockets": """
    pair = socket.socketpair()
    kept.extend(pair)
    sent = 0
    for one in pair:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
        one.setblocking(False)
        try:
            while True:
                sent += one.send(bytes(65536))
        except BlockingIOError:
            pass
    return max(sent, 1)""",
    "in files without a name": """
    file = os.memfd_create("x")
    kept.append(file)
    return os.write(file, bytes(32 * 2**20))""",
    "in files in memory": """
    kept.append(open(f"/dev/shm/{len(kept)}", "wb", buffering=0))
    return kept[-1].write(bytes(32 * 2**20))""",
    "in empty files in memory": """
    for number in range(2000):
        os.close(os.open(f"/dev/shm/{len(kept)}-{number}", os.O_CREAT | os.O_WRONLY))
    kept.append(0)
    return 2000 * 1000""",
    "in many processes": """
    if os.fork() == 0:
        here = bytearray(64 * 2**20)
        for at in range(0, len(here), 4096):
            here[at] = 1
        time.sleep(30)
        os._exit(0)
    time.sleep(0.2)
    return 64 * 2**20""",
}


@contextmanager
def small_notebook(world: World, api: Api) -> Iterator[str]:
    """Yield the name of a notebook with little memory, and delete it afterwards."""
    name = api.launch(world.words["small"])
    try:
        api.until(name, "ready", within=240)
        yield name
    finally:
        with suppress(AssertionError, httpx.HTTPError):
            api.delete(name)


@dataclass(frozen=True)
class Eater(Attempt):
    """An attempt to take memory: ``body`` takes more each time it is called, up to ``most``
    megabytes.
    """

    body: str
    most: int = field(default=MOST, kw_only=True)

    def tried(self, world: World) -> Verdict:
        code = HEAD.format(most=self.most, body=self.body)
        with world.api("mallory") as api, small_notebook(world, api) as name:
            said = _said(api, name, code)
            words = said.split()
            held = int(words[1]) if words[:1] == ["held"] else 0
            within = (3 if self.control else 15) * world.stack.patience
            ended = looked(lambda: api.project(name)["code"], within)
        goes_on = f"{said.strip()} of {LIMIT} MB, and it goes on" if held and not ended else ""
        if self.control or held > LIMIT or not (ended or held):
            return self.judge(goes_on, f"ended: {ended}")
        return Verdict("held", f"{said.strip()} {ended}")


def _said(api: Api, name: str, code: str) -> str:
    """Return what the code prints, "" if its kernel or notebook has ended."""
    try:
        with Kernel(api, name) as kernel:
            return kernel.run(code, 40)
    except (WebSocketException, OSError, httpx.HTTPError, AssertionError):
        return ""


FILES = 300_000
MAKE_FILES = f"""
import os
for number in range({FILES}):
    os.close(os.open(f"/run/bindery/many-{{number}}", os.O_CREAT | os.O_WRONLY))
print("made")
"""


def _started(api: Api, name: str) -> float:
    """Return how many seconds a stopped project takes to be ready."""
    begun = time.monotonic()
    api.verb(name, "start")
    api.until(name, "ready")
    took = time.monotonic() - begun
    api.verb(name, "stop")
    api.until(name, "stopped")
    return took


def _delays(world: World) -> str:
    """Start somebody else's notebook before, while and after another one makes very many files."""
    with world.api("mallory") as mallory, world.api("carol") as carol:
        other = carol.launch(world.words["plain"])
        carol.until(other, "ready")
        carol.verb(other, "stop")
        carol.until(other, "stopped")
        before = max(_started(carol, other), _started(carol, other))
        with small_notebook(world, mallory) as name:
            made = _said(mallory, name, MAKE_FILES)
            beside = _started(carol, other)
        after = _started(carol, other)
        carol.delete(other)
    slowest = max(beside, after)
    told = f"{made.strip()}: {before:.1f} s, then {beside:.1f} and {after:.1f} s"
    return told if slowest > 2 * before + 3 else ""


ATTEMPTS = (
    *(Eater(KIND, f"hold twice one's memory {how}", body, long=True) for how, body in WAYS.items()),
    Eater(KIND, "hold a fifth of one's memory", WAYS["in files without a name"], most=100, long=True,
          control=True),
    Act(KIND, f"hold others up by {FILES:,} files where the portal serves the notebook", _delays,
        long=True, backends=ON_ONE_MACHINE),
)  # fmt: skip
