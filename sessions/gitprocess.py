"""git, run toward a server that nobody vouches for.

Everything that git would take from its surroundings is taken away: configuration, passwords,
keys, prompts. Its only road out is an `egress` proxy that lives as long as the call, and so
no redirect and no change of a name's address leads it into a private network. Memory, output
and time are bounded. `gitremote` reads what it says; `gitfailures` puts failures into words.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from sessions import egress
from sessions.addresses import Rules

DEADLINE_SECONDS = 20
CONNECT_SECONDS = 10
MOST_OUTPUT_BYTES = 16 * 2**20
MOST_COMPLAINT_BYTES = 16 * 2**10
MOST_MEMORY_BYTES = 512 * 2**20

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

    ``late`` tells that git was ended because it took too long; ``unreached`` are the
    connections that the proxy refused or could not make.
    """

    status: int | None = None
    output: bytes = b""
    complaint: str = ""
    late: bool = False
    unreached: list[Exception] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        """Whether ``output`` is all of git's answer."""
        return self.status == 0 and len(self.output) < MOST_OUTPUT_BYTES


def run(arguments: Sequence[str], operands: Sequence[str], rules: Rules) -> Outcome:
    """Run ``git <arguments> -- <operands>`` and wait for its end, `DEADLINE_SECONDS` at most.

    The first operand is the address of the repository; no operand is taken for an option.

    It has an event loop in a thread of its own, so that it may be called from anywhere. The
    thread is not waited for: a name server's silence can hold it for longer than the deadline.
    """
    result: Future[Outcome] = Future()

    async def work() -> None:
        try:
            result.set_result(await _run(arguments, operands, rules))
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it is the caller's
            result.set_exception(error)

    Thread(target=lambda: asyncio.run(work()), name="git", daemon=True).start()
    return result.result()


async def _run(arguments: Sequence[str], operands: Sequence[str], rules: Rules) -> Outcome:
    outcome = Outcome()
    proxy = await egress.serve(rules, port=0, observe=outcome.unreached.append)
    port = proxy.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="git-") as home:
        try:
            command = _command([*arguments, "--", *operands], port)
            await _run_git(command, _environment(home, operands[0], port), outcome)
        finally:
            proxy.close()
    return outcome


def _command(arguments: Sequence[str], port: int) -> list[str]:
    limit = ["prlimit", f"--as={MOST_MEMORY_BYTES}", "--core=0", "--"]
    return [*limit, "git", "-c", f"http.proxy=http://127.0.0.1:{port}", *arguments]


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


async def _run_git(command: list[str], environment: dict[str, str], outcome: Outcome) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=environment["HOME"],
        env=environment,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            outcome.output, complaint = await asyncio.gather(
                _head(process.stdout, MOST_OUTPUT_BYTES),
                _head(process.stderr, MOST_COMPLAINT_BYTES),
            )
            outcome.complaint = complaint.decode("utf-8", "replace")
            outcome.status = await process.wait()
    except TimeoutError:
        outcome.late = True
    finally:
        if outcome.status is None:  # git itself may be gone, and what it started not
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _head(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """The first ``most`` bytes of a stream, which is read to its end."""
    kept = bytearray()
    while stream and (chunk := await stream.read(64 * 1024)):
        kept += chunk[: most - len(kept)]
    return bytes(kept)
