"""Reach a notebook's socket safely, and ask JupyterLab there for an answer, or for a kernel."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .jupyter import SOCKET

GONE = "gone"
STATUS = "/api/status"
SHUTDOWN = "/api/shutdown"
KERNELS = "/api/kernels"
KERNEL_SPECS = "/api/kernelspecs"
NO_KERNEL = (
    "It has no kernel that starts: ipykernel, or what tells JupyterLab about it, was removed or "
    "replaced."
)
_SECONDS = 5
_MAX_BODY = 1_000_000
_UPGRADE = (
    "GET {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_KERNEL_INFO = {
    "header": {
        "msg_id": "1",
        "session": "bindery",
        "username": "bindery",
        "msg_type": "kernel_info_request",
        "version": "5.3",
    },
    "parent_header": {},
    "metadata": {},
    "content": {},
    "channel": "shell",
}
"""See https://jupyter-client.readthedocs.io/en/stable/messaging.html#kernel-info."""


class NoKernelError(Exception):
    """JupyterLab works, but cannot start a kernel of the default kind, and knows no other kind."""


@dataclass(frozen=True)
class Probe:
    """The way to one JupyterLab.

    Its socket is in ``io_folder``, which its sandbox may write; requests carry ``token``, the one
    of `jupyter.configuration`. ``socket`` is a path that the sandbox cannot reach.
    """

    io_folder: Path
    socket: Path
    token: str

    async def answers(self) -> bool:
        """Return whether JupyterLab answers and accepts the token."""
        return await self.answer() == 200

    async def answer(self) -> int:
        """Return the status of JupyterLab's answer, 0 if there is none yet."""
        return await self.ask("GET", STATUS) if self._link_socket() else 0

    async def ask(self, method: str, path: str) -> int:
        """Send an empty request and return the answer's status; 0 if none comes in 5 seconds."""
        return (await self._fetch(method, path, 0))[0]

    async def start_kernel(self) -> str:
        """Start a kernel of the default kind and return its id; "" if JupyterLab is only slow.

        Raises `NoKernelError`. Without the default kind, one other kind is enough: a notebook of
        that kind works.
        """
        status, body = await self._fetch("POST", KERNELS)
        if status >= 400:
            specs = _parse((await self._fetch("GET", KERNEL_SPECS))[1])
            kinds = specs.get("kernelspecs")  # None if that cannot be told
            if kinds == {} or (kinds and specs.get("default") in kinds):
                raise NoKernelError(NO_KERNEL)
        return str(_parse(body).get("id", "")) if status == 201 else ""

    @asynccontextmanager
    async def greeting(self, kernel: str) -> AsyncIterator[None]:
        """Ask a kernel something, through a WebSocket that is open inside the block.

        Jupyter Server calls a kernel ``starting`` until it has answered something.
        """
        writer = None
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                writer.write(_UPGRADE.format(f"{KERNELS}/{kernel}/channels", self.token).encode())
                await reader.readline()
                writer.write(_frame(json.dumps(_KERNEL_INFO).encode()))
        try:
            yield
        finally:
            if writer:
                writer.close()

    async def kernel_state(self, kernel: str) -> str:
        """Return a kernel's state, such as ``idle``; `GONE` if it has died for good."""
        status, body = await self._fetch("GET", f"{KERNELS}/{kernel}")
        return GONE if status == 404 else str(_parse(body).get("execution_state", ""))

    async def _fetch(self, method: str, path: str, size: int = _MAX_BODY) -> tuple[int, bytes]:
        """Send an empty request; return status (0: no answer) and at most ``size`` bytes."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._send(f"{method} {path}", size)
        except (OSError, TimeoutError, ValueError, IndexError):
            return 0, b""

    async def _send(self, request: str, size: int) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            head = f"{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {self.token}\r\n"
            writer.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            status = int((await reader.readline()).split()[1])
            while size and (await reader.readline()).strip():
                pass
            return status, await _read_all(reader, size)
        finally:
            writer.close()

    def _link_socket(self) -> bool:
        """Return whether the socket exists, under a name that the notebook cannot reassign.

        The socket lies in a folder that the notebook may write: a link put in its place would lead
        whoever connects to any socket of the machine.
        """
        with suppress(FileExistsError):
            try:
                os.link(self.io_folder / SOCKET, self.socket, follow_symlinks=False)
            except FileNotFoundError:
                return False
        if not stat.S_ISSOCK(os.lstat(self.socket).st_mode):
            self.socket.unlink()
            return False
        return True


def _frame(text: bytes) -> bytes:
    """Return a short text as a WebSocket frame of a client's, with a mask of zeros (RFC 6455)."""
    return b"\x81\xfe" + len(text).to_bytes(2) + bytes(4) + text


async def _read_all(reader: asyncio.StreamReader, size: int) -> bytes:
    whole = b""
    while len(whole) < size and (piece := await reader.read(size - len(whole))):
        whole += piece
    return whole


def _parse(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
