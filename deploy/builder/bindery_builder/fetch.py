"""The stage that fetches: the whole repository at the commit, as one would clone it to work.

Only git runs here, or the program for archives, and no untrusted code: so here, and nowhere else,
is the key of the person whose private repository it is. The next stage is `plan`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from sessions.egress import proxy
from sessions.egress.addresses import EgressRules
from sessions.repofiles import archives, gitclone

from . import programs
from .buildspec import BuildSpec
from .output import Output
from .result import BuildFailed

_PAUSE = 0.5


def stage(spec: BuildSpec, output: Output) -> dict[str, str]:
    """Fetch into the folder of the repository. Raises `BuildFailed`."""
    output.write_heading(f"Fetching {spec.url} at {spec.commit}")
    spec.repository.mkdir()
    limit = spec.repository_limit
    status = _run(spec, output)
    found = answer(spec)
    if code := found.get("code"):
        raise BuildFailed(code, found["message"])
    if size(spec.repository) > limit:
        raise BuildFailed(
            "build.repository-too-large",
            f"The repository is larger than {limit / 1e9:.3g} GB, the limit here. "
            "Remove large files from it and download them when the notebook runs.",
        )
    if status:
        raise BuildFailed(
            "build.fetch",
            "The repository could not be fetched; see the last lines of the log.",
        )
    return {}


def content_stage(spec: BuildSpec, output: Output) -> dict[str, str]:
    """Fetch a notebook's content, or write down what kept it away.

    Whoever merges it decides whether the notebook can do without.
    """
    try:
        return stage(spec, output)
    except (BuildFailed, OSError) as error:
        why = error.message if isinstance(error, BuildFailed) else str(error.strerror)
        shutil.rmtree(spec.repository, ignore_errors=True)
        spec.failed.write_text(json.dumps({"message": why}))
        return {}


def _run(spec: BuildSpec, output: Output) -> int:
    if spec.archive:
        with way_out(spec.archive_trusted) as address:
            return _run_program(spec, output, [archives.PROGRAM, _wish(spec)], address)
    arguments = [spec.url, spec.commit, spec.ref, str(spec.repository_limit), str(spec.fetched)]
    return _run_program(spec, output, [gitclone.PROGRAM, *arguments])


def _wish(spec: BuildSpec) -> str:
    return archives.fetch_wish(
        spec.archive,
        spec.url,
        spec.commit,
        limit=spec.repository_limit,
        hosts=spec.archive_hosts,
        answer=str(spec.fetched),
        scratch=str(spec.work),
    )


@contextmanager
def way_out(trusted: frozenset[str]) -> Iterator[str]:
    """Yield the address of a proxy on loopback that refuses private addresses.

    ``trusted`` are hosts that it lets through all the same.
    """
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = Future()

    async def serve() -> None:
        server = await proxy.serve(EgressRules(trusted), port=0)
        port, over = server.sockets[0].getsockname()[1], asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), over, f"http://127.0.0.1:{port}"))
        await over.wait()
        server.close()

    thread = Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    loop, over, address = ready.result()
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


def _run_program(spec: BuildSpec, output: Output, program: list[str], address: str = "") -> int:
    words = [sys.executable, "-I", "-c", *program]
    environment = variables(spec) | ({"http_proxy": address} if address else {})
    with programs.open_process(words, spec.repository, environment) as process:
        watch = Thread(target=_watch, args=(spec, process), daemon=True)
        watch.start()
        programs.follow(process, output)
    watch.join()
    return process.returncode


def answer(spec: BuildSpec) -> dict[str, Any]:
    """Return the program's answer; empty if it was ended before it wrote one."""
    try:
        found: dict[str, Any] = json.loads(spec.fetched.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def variables(spec: BuildSpec) -> dict[str, str]:
    """Return git's environment, with the site's certificate authority and the person's key."""
    authority = dict.fromkeys(("GIT_SSL_CAINFO", "SSL_CERT_FILE"), spec.ca) if spec.ca else {}
    return {**gitclone.environment(plain_http=spec.plain_http), **authority, **_ssh(spec.key)}


def _ssh(key: Path) -> dict[str, str]:
    """Return the ssh command with the key, if there is one, for known servers only.

    The key's file belongs to root: ssh checks the mode of a key only if the reader owns it.
    """
    if not key.exists():
        return {}
    options = (
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "GlobalKnownHostsFile=none",
        f"UserKnownHostsFile={key / 'known_hosts'}",
    )
    words = ["ssh", "-F", "none", "-i", str(key / "ssh.priv")]
    return {"GIT_SSH_COMMAND": shlex.join([*words, *(f"-o{option}" for option in options)])}


def _watch(spec: BuildSpec, process: subprocess.Popen[bytes]) -> None:
    """End the program as soon as the folder is too large, or its time is over."""
    begun = time.monotonic()
    while process.poll() is None:
        is_late = spec.seconds and time.monotonic() - begun > spec.seconds
        if is_late or size(spec.repository) > spec.repository_limit:
            programs.kill(process)
        time.sleep(_PAUSE)


def size(folder: Path) -> int:
    """Return the bytes that the files below the folder take on disk."""
    return sum(_sizes(folder))


def _sizes(folder: Path) -> Iterator[int]:
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:  # git removes its temporary files
                continue
