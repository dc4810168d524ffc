"""Reach a notebook's socket safely, and ask whether JupyterLab answers there."""

from __future__ import annotations

import json
import os
import stat
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import jupyter

GONE = "gone"


@dataclass(frozen=True)
class Probe:
    """The way to one JupyterLab.

    Its socket is in ``io_folder``, which its sandbox may write; requests carry ``token``.
    ``socket`` is a path that the sandbox cannot reach.
    """

    io_folder: Path
    socket: Path
    token: str

    async def answers(self) -> bool:
        """Return whether JupyterLab answers and accepts the token."""
        return self._link_socket() and await self.ask("GET", jupyter.STATUS) == 200

    async def ask(self, method: str, path: str) -> int:
        """Send an empty request and return the answer's status; 0 if there is none."""
        return await jupyter.send_request(str(self.socket), method, path, self.token)

    async def start_kernel(self) -> str:
        """Start a kernel of the default kind and return its id; "" if that fails."""
        status, body = await self._fetch("POST", jupyter.KERNELS)
        return str(_parse(body).get("id", "")) if status == 201 else ""

    def greeting(self, kernel: str) -> AbstractAsyncContextManager[None]:
        """Ask a kernel something inside; without that, it never becomes ``idle``."""
        return jupyter.open_channels(str(self.socket), kernel, self.token)

    async def kernel_state(self, kernel: str) -> str:
        """Return a kernel's state, such as ``idle``; `GONE` if it has died for good."""
        status, body = await self._fetch("GET", f"{jupyter.KERNELS}/{kernel}")
        return GONE if status == 404 else str(_parse(body).get("execution_state", ""))

    async def _fetch(self, method: str, path: str) -> tuple[int, bytes]:
        return await jupyter.fetch(str(self.socket), method, path, self.token)

    def _link_socket(self) -> bool:
        """Return whether the socket exists, under a name that the notebook cannot reassign.

        The socket lies in a folder that the notebook may write: a link put in its place would lead
        whoever connects to any socket of the machine.
        """
        with suppress(FileExistsError):
            try:
                os.link(self.io_folder / jupyter.SOCKET, self.socket, follow_symlinks=False)
            except FileNotFoundError:
                return False
        if not stat.S_ISSOCK(os.lstat(self.socket).st_mode):
            self.socket.unlink()
            return False
        return True


def _parse(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
