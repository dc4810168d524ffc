"""Run one program in a sandbox until it ends, or until it exceeds a limit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from . import privileges, seccomp, usage
from .sandbox import SHELL, Descriptors, Sandbox, arguments, command

_CHUNK: Final = 65536
_MIN_FILES: Final = 10_000
_BYTES_PER_FILE: Final = 8192
"""Bytes of an in-memory folder per file allowed in it: eight times what an empty file takes."""

Output = Callable[[bytes], None]
Watch = Callable[[int], Coroutine[Any, Any, None]]


@asynccontextmanager
async def open_process(sandbox: Sandbox, argv: Sequence[str]) -> AsyncIterator[Process]:
    """Run the program ``argv`` in its sandbox; nothing of it outlives the ``with`` block.

    Raises `PermissionError` if called as root.
    """
    if os.geteuid() == 0:
        raise PermissionError("a sandbox started by root would not be secure")
    starting = asyncio.create_task(_start(sandbox, argv))
    try:
        yield await asyncio.shield(starting)
    finally:
        process = await _await_uncancelled(starting)
        if process.returncode is None:
            _kill(process.pid)
        await wait_for_exit(process)


async def _start(sandbox: Sandbox, argv: Sequence[str]) -> Process:
    """Start bubblewrap, within namespaces of ours if the machine allows that."""
    if sandbox.memory:
        privileges.prepare(Path(sandbox.memory))
        with suppress(subprocess.SubprocessError):
            return await _bubblewrap(sandbox, argv)
    return await _bubblewrap(replace(sandbox, memory=""), argv)


async def _bubblewrap(sandbox: Sandbox, argv: Sequence[str]) -> Process:
    """Start bubblewrap.

    Its options name folders of the machine, so they are passed through a file in memory, and its
    environment is built from scratch.
    """
    handed = _open_descriptors(sandbox)
    options = _open_memfd(_nul_terminated(arguments(sandbox, handed)))
    descriptors = [options, *handed.all()]
    try:
        return await asyncio.create_subprocess_exec(
            "bwrap", "--args", str(options), "--", *command(sandbox.bounds, argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=descriptors,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
            preexec_fn=lambda: _enter(sandbox),
        )  # fmt: skip
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _open_descriptors(sandbox: Sandbox) -> Descriptors:
    calls = seccomp.program(os.uname().machine, has_memfd=sandbox.group is not None)
    return Descriptors(
        init=_open_memfd(Path(SHELL).read_bytes()),
        seccomp=_open_memfd(calls) if calls else None,
        files={path: _open_memfd(text.encode()) for path, text in sandbox.files.items()},
    )


def _enter(sandbox: Sandbox) -> None:
    """Run between fork and exec: a keeper has one thread while it starts something."""
    _reset_signals()
    if sandbox.group:
        sandbox.group.join()
    if sandbox.memory:
        files = max(_MIN_FILES, sandbox.scratch // _BYTES_PER_FILE)
        privileges.enter(Path(sandbox.memory), sandbox.scratch, files)


def _reset_signals() -> None:
    """Stop ignoring the signals that the portal was started to ignore, as children inherit that.

    A shell starts a program with ``&`` so that it ignores SIGINT, which interrupts kernels.
    """
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


async def _await_uncancelled(starting: asyncio.Task[Process]) -> Process:
    """Return the process, however often the wait is cancelled.

    If a start were cancelled, asyncio would kill it but not what the process itself has started.
    """
    while not starting.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(starting)
    return starting.result()


async def run(sandbox: Sandbox, argv: Sequence[str], output: Output, watch: Watch) -> int:
    """Run the program, pass on its output as it comes, and return its exit status.

    ``watch`` gets the process id and raises `JobFailed` when a limit is exceeded: that ends the
    program and is raised here.
    """
    async with open_process(sandbox, argv) as process:
        return await follow(process, output, watch)


async def follow(process: Process, output: Output, watch: Watch) -> int:
    """Do the same as `run`, for a program that is running already."""
    reading = asyncio.create_task(_forward_output(process, output))
    watching = asyncio.create_task(watch(process.pid))
    waiting = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({watching, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        status = await waiting
        await reading
        return status
    finally:
        for task in (reading, watching, waiting):
            task.cancel()
        await asyncio.wait((reading, watching, waiting))


async def wait_for_exit(process: Process) -> None:
    """Wait for the process to exit, discarding its output: while that is unread, no end is seen."""
    await _forward_output(process, lambda _piece: None)
    await process.wait()


async def _forward_output(process: Process, output: Output) -> None:
    while process.stdout and (piece := await process.stdout.read(_CHUNK)):
        output(piece)


def _kill(process: int) -> None:
    """Kill bubblewrap outside and inside.

    The process inside, with which everything there ends, dies with the one outside only after it
    has set up the sandbox.
    """
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGSTOP)  # so that none is started after this check
        os.waitid(os.P_PID, process, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        for inside in usage.children(process):
            os.kill(inside, signal.SIGKILL)
        os.kill(process, signal.SIGKILL)


def _nul_terminated(argv: list[str]) -> bytes:
    """Return the words in the form in which bubblewrap reads them."""
    if any("\0" in word for word in argv):
        raise ValueError("an option contains NUL")
    return b"".join(os.fsencode(word) + b"\0" for word in argv)


def _open_memfd(content: bytes) -> int:
    """Return a descriptor from which bubblewrap reads the content."""
    descriptor = os.memfd_create("content", 0)
    with open(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
