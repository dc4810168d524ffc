"""Run git against a server that nobody vouches for.

Git takes nothing from its surroundings: no configuration, passwords, keys or prompts. `ssh` gives
it a person's own key. Its only way out is a proxy (`sessions.egress.proxy`) that lives as long as
the call, so no redirect and no change of a name's address leads it into a private network. Memory,
output, files and time are bounded. `resolve` and `read_file` read its output; `errors` explains
failures.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from keys import keypairs
from keys.keypairs import SshIdentity
from sessions.egress import proxy as egress
from sessions.egress.addresses import EgressRules
from sessions.providers import egress_rules

from . import ssh as gitssh

DEADLINE_SECONDS = 20
MAX_OUTPUT_BYTES = 16 * 2**20
MAX_STDERR_BYTES = 16 * 2**10
MAX_MEMORY_BYTES = 512 * 2**20
MAX_FILE_BYTES = 2**20
# Each fetch is stored in one file, so that the limit on a file limits the whole fetch. Large
# objects are processed in pieces, so that they fit into the limited memory.
FETCH_SETTINGS = (
    "core.bigFileThreshold=1m",
    "core.packedGitLimit=64m",
    "core.packedGitWindowSize=16m",
    "fetch.unpackLimit=1",
    "maintenance.auto=false",
    "pack.threads=1",
)

Result = TypeVar("Result")

# The site sets where the system's certificates are; nothing else is inherited.
_INHERITED_VARIABLES = (
    "PATH",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
)


@dataclass
class Outcome:
    """The result of a run: git's answer, or all that is known if there is none.

    ``timed_out`` means that git was killed because it took too long; ``truncated``, because its
    output reached the limit. ``connection_errors`` holds the connections that the proxy refused or
    could not make.
    """

    status: int | None = None
    output: bytes = b""
    stderr: str = ""
    timed_out: bool = False
    truncated: bool = False
    connection_errors: list[Exception] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Return whether ``output`` is git's whole answer."""
        return self.status == 0 and not self.truncated


@dataclass
class Git:
    """A way to run git for the server of one address, in a folder that its commands share.

    All commands together have until ``deadline``, in the event loop's time, and none of their files
    exceeds ``file_bytes``. They act as ``identity`` through ``ssh``, the command; without an
    identity they act as nobody, and ssh is not used.
    """

    url: str
    home: str
    deadline: float
    file_bytes: int
    identity: SshIdentity | None = None
    port: int = 0
    ssh: str = ""
    connection_errors: list[Exception] = field(default_factory=list)

    async def run(
        self, arguments: Sequence[str], operands: Sequence[str], max_bytes: int | None = None
    ) -> Outcome:
        """Run ``git <arguments> -- <operands>`` until it ends or has written ``max_bytes`` bytes.

        No operand is taken for an option.
        """
        words = ["git", "-c", f"http.proxy={self.proxy}", *arguments, "--", *operands]
        return await self.run_program(words, max_bytes)

    @property
    def proxy(self) -> str:
        """Return the address of the only way out."""
        return f"http://127.0.0.1:{self.port}"

    async def run_program(self, command: Sequence[str], max_bytes: int | None = None) -> Outcome:
        """Run a program within the same bounds; `proxy` is its way out, too."""
        limit = max_bytes or MAX_OUTPUT_BYTES
        self.connection_errors.clear()
        outcome = Outcome(connection_errors=self.connection_errors)
        process = await asyncio.create_subprocess_exec(
            *_limits(self.file_bytes),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.home,
            env=_environment(self.home, self.url, self.ssh) | {"http_proxy": self.proxy},
            start_new_session=True,
            restore_signals=False,  # a file that is too large gives an error message, not a signal
        )
        stderr_task = asyncio.create_task(_drain(process.stderr, MAX_STDERR_BYTES))
        try:
            async with asyncio.timeout_at(self.deadline):
                outcome.output = await _read_up_to(process.stdout, limit)
                outcome.truncated = len(outcome.output) == limit
                if not outcome.truncated:
                    outcome.stderr = (await stderr_task).decode("utf-8", "replace")
                    outcome.status = await process.wait()
        except TimeoutError:
            outcome.timed_out = True
        finally:
            if outcome.status is None:  # git itself may be gone, but its children may not
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await _drain(
                    process.stdout, 0
                )  # the end is known only when nothing is left to read
                await process.wait()
            await stderr_task
        return outcome


def run_with_git(
    work: Callable[[Git], Coroutine[Any, Any, Result]],
    url: str,
    seconds: float | None = None,
    file_bytes: int = MAX_FILE_BYTES,
    identity: SshIdentity | None = None,
    rules: EgressRules | None = None,
) -> Result:
    """Return the result of ``work``, called with a `Git` whose folder is deleted afterwards.

    It runs an event loop in a thread of its own, so it may be called from anywhere. It does not
    join the thread: a silent name server can hold that for longer than the deadline. An SSH server
    that ``identity`` is the first to meet is known from then on. ``rules`` say what may be reached,
    if not what git may.
    """
    result: Future[Result] = Future()
    new_hosts: list[str] = []

    async def take() -> None:
        deadline = asyncio.get_running_loop().time() + (seconds or DEADLINE_SECONDS)
        try:
            with tempfile.TemporaryDirectory(prefix="git-") as home:
                git = Git(url, home, deadline, file_bytes, identity)
                value = await _with_proxy(git, work, new_hosts, rules or egress_rules())
            result.set_result(value)
        except BaseException as error:  # noqa: BLE001 -- passed on to the caller, whatever it is
            result.set_exception(error)

    Thread(target=lambda: asyncio.run(take()), name="git", daemon=True).start()
    try:
        return result.result()
    finally:
        if identity:
            keypairs.record_hosts(new_hosts, identity.user_id)


async def _with_proxy(
    git: Git,
    work: Callable[[Git], Coroutine[Any, Any, Result]],
    new_hosts: list[str],
    rules: EgressRules,
) -> Result:
    """Return the result of ``work``, with a proxy and a key for git meanwhile."""
    proxy = await egress.serve(rules, port=0, observe=git.connection_errors.append)
    git.port = proxy.sockets[0].getsockname()[1]
    try:
        if git.identity is None:
            return await work(git)
        with gitssh.command(git.identity, git.url, git.home, git.port) as git.ssh:
            try:
                return await work(git)
            finally:
                new_hosts += gitssh.new_hosts(git.identity, git.home)
    finally:
        proxy.close()


def _limits(file_bytes: int) -> list[str]:
    limits = [f"--as={MAX_MEMORY_BYTES}", f"--fsize={file_bytes}", "--core=0"]
    return ["prlimit", *limits, "--"]


def _environment(home: str, url: str, ssh: str) -> dict[str, str]:
    web = "http:https" if url.startswith("http:") else "https"
    return {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ} | {
        "HOME": home,
        "LC_ALL": "C",
        "GIT_CEILING_DIRECTORIES": str(Path(home).parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "GIT_ALLOW_PROTOCOL": "ssh" if ssh else web,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": ssh or "false",
    }


async def _read_up_to(stream: asyncio.StreamReader | None, max_bytes: int) -> bytes:
    """Return the first ``max_bytes`` bytes of a stream, and read no more of it."""
    kept = bytearray()
    while stream and (chunk := await stream.read(min(64 * 1024, max_bytes - len(kept)))):
        kept += chunk
    return bytes(kept)


async def _drain(stream: asyncio.StreamReader | None, max_bytes: int) -> bytes:
    """Return the first ``max_bytes`` bytes of a stream, and read it to its end."""
    kept = bytearray()
    while stream and (chunk := await stream.read(64 * 1024)):
        kept += chunk[: max_bytes - len(kept)]
    return bytes(kept)
