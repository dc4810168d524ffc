"""git, run toward a server that nobody vouches for.

Everything that git would take from its surroundings is taken away: configuration, passwords,
keys, prompts. Its only road out is an `egress` proxy that lives as long as the call, and so
no redirect and no change of a name's address leads it into a private network. Memory, output,
files and time are bounded. `gitremote` and `gitfile` read what it says; `gitfailures` puts
failures into words.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from sessions import egress
from sessions.addresses import Rules

DEADLINE_SECONDS = 20
CONNECT_SECONDS = 10
MOST_OUTPUT_BYTES = 16 * 2**20
MOST_COMPLAINT_BYTES = 16 * 2**10
MOST_MEMORY_BYTES = 512 * 2**20
MOST_FILE_BYTES = 2**20

Answer = TypeVar("Answer")

# Where the system's certificates lie is the site's business; all else stays outside.
_KEPT = (
    "PATH",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
)


@dataclass
class Outcome:
    """What became of a run: git's answer, and all that is known when there is none.

    ``late`` tells that git was ended because it took too long, ``full`` that it was because it
    said as much as is listened to; ``unreached`` are the connections that the proxy refused or
    could not make.
    """

    status: int | None = None
    output: bytes = b""
    complaint: str = ""
    late: bool = False
    full: bool = False
    unreached: list[Exception] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        """Whether ``output`` is all of git's answer."""
        return self.status == 0 and not self.full


@dataclass
class Git:
    """git, in a folder that its commands share, toward the server of one address.

    All of them together have until ``deadline``; no file of theirs exceeds ``file_bytes``.
    """

    url: str
    home: str
    deadline: float
    file_bytes: int
    port: int = 0
    unreached: list[Exception] = field(default_factory=list)

    async def run(
        self, arguments: Sequence[str], operands: Sequence[str], most: int | None = None
    ) -> Outcome:
        """Run ``git <arguments> -- <operands>``, until its end or ``most`` bytes of output.

        No operand is taken for an option.
        """
        self.unreached.clear()
        outcome = Outcome(unreached=self.unreached)
        command = _command([*arguments, "--", *operands], self.port, self.file_bytes)
        environment = _environment(self.home, self.url, self.port)
        await _run_git(command, environment, self.deadline, most or MOST_OUTPUT_BYTES, outcome)
        return outcome


def run(arguments: Sequence[str], operands: Sequence[str], rules: Rules) -> Outcome:
    """Run one command, ``git <arguments> -- <operands>``, `DEADLINE_SECONDS` at most.

    The first operand is the address of the repository.
    """
    return call(lambda git: git.run(arguments, operands), operands[0], rules)


def call(
    work: Callable[[Git], Coroutine[Any, Any, Answer]],
    url: str,
    rules: Rules,
    seconds: float | None = None,
    file_bytes: int = MOST_FILE_BYTES,
) -> Answer:
    """What ``work`` makes of git, whose folder is gone afterwards.

    It has an event loop in a thread of its own, so that it may be called from anywhere. The
    thread is not waited for: a name server's silence can hold it for longer than the deadline.
    """
    result: Future[Answer] = Future()

    async def take() -> None:
        deadline = asyncio.get_running_loop().time() + (seconds or DEADLINE_SECONDS)
        try:
            result.set_result(await _provide(work, url, rules, deadline, file_bytes))
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it is the caller's
            result.set_exception(error)

    Thread(target=lambda: asyncio.run(take()), name="git", daemon=True).start()
    return result.result()


async def _provide(
    work: Callable[[Git], Coroutine[Any, Any, Answer]],
    url: str,
    rules: Rules,
    deadline: float,
    file_bytes: int,
) -> Answer:
    with tempfile.TemporaryDirectory(prefix="git-") as home:
        git = Git(url, home, deadline, file_bytes)
        proxy = await egress.serve(rules, port=0, observe=git.unreached.append)
        git.port = proxy.sockets[0].getsockname()[1]
        try:
            return await work(git)
        finally:
            proxy.close()


def _command(arguments: Sequence[str], port: int, file_bytes: int) -> list[str]:
    limits = [f"--as={MOST_MEMORY_BYTES}", f"--fsize={file_bytes}", "--core=0"]
    proxy = f"http.proxy=http://127.0.0.1:{port}"
    return ["prlimit", *limits, "--", "git", "-c", proxy, *arguments]


def _environment(home: str, url: str, port: int) -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "HOME": home,
        "LC_ALL": "C",
        "GIT_CEILING_DIRECTORIES": str(Path(home).parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "GIT_ALLOW_PROTOCOL": "http:https" if url.startswith("http:") else "https:ssh",
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": _ssh(home, port),
    }


def _ssh(home: str, port: int) -> str:
    """The ssh of one call: no keys, no questions, no memory of hosts, out by the proxy only."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "GlobalKnownHostsFile": "/dev/null",
        "IdentityAgent": "none",
        "IdentityFile": "none",
        "ProxyCommand": f"socat - PROXY:127.0.0.1:%h:%p,proxyport={port}",
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": f"{home}/known_hosts",
    }
    words = (word for name, value in options.items() for word in ("-o", f"{name}={value}"))
    return shlex.join(["ssh", "-F", "/dev/null", *words])


async def _run_git(
    command: list[str], environment: dict[str, str], deadline: float, most: int, outcome: Outcome
) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=environment["HOME"],
        env=environment,
        start_new_session=True,
        restore_signals=False,  # a file that is too large is an error with words, no signal
    )
    complaint = asyncio.create_task(_head(process.stderr, MOST_COMPLAINT_BYTES))
    try:
        async with asyncio.timeout_at(deadline):
            outcome.output = await _beginning(process.stdout, most)
            outcome.full = len(outcome.output) == most
            if not outcome.full:
                outcome.complaint = (await complaint).decode("utf-8", "replace")
                outcome.status = await process.wait()
    except TimeoutError:
        outcome.late = True
    finally:
        if outcome.status is None:  # git itself may be gone, and what it started not
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _head(process.stdout, 0)  # its end is seen only when nothing is left to read
            await process.wait()
        complaint.cancel()


async def _beginning(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """The first ``most`` bytes of a stream, of which no more is read."""
    kept = bytearray()
    while stream and (chunk := await stream.read(min(64 * 1024, most - len(kept)))):
        kept += chunk
    return bytes(kept)


async def _head(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """The first ``most`` bytes of a stream, which is read to its end."""
    kept = bytearray()
    while stream and (chunk := await stream.read(64 * 1024)):
        kept += chunk[: most - len(kept)]
    return bytes(kept)
