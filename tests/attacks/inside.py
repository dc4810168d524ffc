"""Make attempts from inside a notebook or a build. This module is a program of its own, read as
text.

    python inside.py < order.json

The order has ``attempts`` (name, program, seconds), ``facts``, which programs find under their
names, and ``needles``: secrets to look for, written backwards because the order may be in a file
that is searched. A program is the body of a function and returns what it got hold of; returning
nothing, or a system error, means that it got nothing. Each runs in a process group of its own and
is killed when its time is up. One line of JSON for each is printed, behind `MARK`. Standard library
only.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback

MARK = "attempted "
OVER = "all attempts are made"
LONGEST = 1500

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class NoCall(OSError):
    """A system call that failed."""


def call(number, *arguments):
    """Make a system call and return its result; raises `OSError` if it is refused."""
    plain = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = libc.syscall(ctypes.c_long(number), *plain)
    if result == -1:
        raise NoCall(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def done(result):
    """Return the result of a libc function; raises `OSError` if it failed."""
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read(path, size=1_000_000):
    with open(path, "rb") as file:
        return file.read(size)


def processes():
    return [name for name in os.listdir("/proc") if name.isdigit()]


def leaks(texts, needles):
    """Return which of the needles occur in the texts, shortened because they are secrets."""
    found = [needle for needle in needles if any(needle.encode() in text for text in texts)]
    return [f"{needle[:4]}… ({len(needle)} characters)" for needle in found]


def readable(paths):
    """Yield the content of each file that can be read."""
    for path in paths:
        try:
            yield read(path)
        except OSError:
            continue


def asked(host, port, text, family=socket.AF_INET, timeout=3):
    """Return the beginning of a server's answer."""
    with socket.socket(family) as visitor:
        visitor.settimeout(timeout)
        visitor.connect((host, port))
        visitor.sendall(text.encode("latin-1"))
        return visitor.recv(4000).decode("latin-1")


def by_proxy(text, timeout=5):
    """Return what the proxy, or the server behind it, answers to this request."""
    return asked("127.0.0.1", 3128, text, timeout=timeout)


def tunnelled(authority):
    """Return the proxy's answer if it opens a tunnel to this address."""
    answer = by_proxy(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
    return answer if " 200 " in answer.partition("\r\n")[0] else refused(answer)


def fetched(address, host=""):
    """Return the answer that comes through the proxy, unless it is the proxy's own refusal."""
    lines = f"GET {address} HTTP/1.1\r\nHost: {host or 'x'}\r\nConnection: close\r\n\r\n"
    answer = by_proxy(lines)
    status = answer.split(" ", 2)[1]
    return refused(answer) if status in {"400", "403", "502", "503"} else answer


def refused(answer):
    raise ConnectionRefusedError(errno.ECONNREFUSED, answer.partition("\r\n")[0])


def counted(make, most):
    """Return how many can be made, ``most`` at most, and what stopped it."""
    kept: list[object] = []
    try:
        while len(kept) < most:
            kept.append(make(len(kept)))
    except (OSError, RuntimeError, MemoryError) as error:
        return len(kept), str(error)
    return len(kept), ""


def tried(attempt, facts):
    """Return the result of one attempt, as a dictionary."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _be_the_attempt(attempt, facts, theirs)
    os.close(theirs)
    text, late = _heard(ours, time.monotonic() + attempt["seconds"])
    _end(child)
    _, status = os.waitpid(child, 0)
    if text:
        return {"name": attempt["name"], **json.loads(text)}
    if late:
        return {"name": attempt["name"], "error": f"no end within {attempt['seconds']} s"}
    return {"name": attempt["name"], "why": f"ended by signal {os.WTERMSIG(status)}"}


def _be_the_attempt(attempt, facts, answer):
    os.setsid()
    nowhere = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    body = "\n".join(f"    {line}" for line in attempt["program"].strip().splitlines())
    names = {**globals(), **facts}
    try:
        exec(f"def attack():\n{body}\n", names)
        got = names["attack"]()
        said = {"got": str(got)[:LONGEST] if got else None}
    except OSError as error:
        said = {
            "why": f"{errno.errorcode.get(error.errno or 0, type(error).__name__)} {error}"[:500]
        }
    except MemoryError:
        said = {"why": "MemoryError"}
    except BaseException:  # noqa: BLE001  the attempt is at fault
        said = {"error": traceback.format_exc()[-LONGEST:]}
    os.write(answer, json.dumps(said).encode() + b"\n")
    os._exit(0)


def _heard(pipe, deadline):
    """Return all that comes through the pipe, and whether the time ran out."""
    text = b""
    late = False
    while not (late or text.endswith(b"\n")):
        left = max(0, deadline - time.monotonic())
        late = not select.select([pipe], [], [], left)[0]
        piece = b"" if late else os.read(pipe, 65536)
        if not piece:
            break
        text += piece
    os.close(pipe)
    return text, late


def _end(child):
    for group in (child, -child):
        try:
            os.kill(group, signal.SIGKILL)
        except OSError:
            continue


if __name__ == "__main__":
    order = json.load(sys.stdin)
    known = {**order["facts"], "needles": [each[::-1] for each in order["needles"]]}
    for each in order["attempts"]:
        print(MARK + json.dumps(tried(each, known)), flush=True)  # noqa: T201
    print(OVER, flush=True)  # noqa: T201
