"""Run a user's code inside their notebook's sandbox, as a kernel would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from sessions.backends import BuildSpec, ServerReport, ServerSpec
from sessions.backends.local import LocalBackend
from tests.backends.waiting import built, removed, settled, until

START = """#!/bin/sh
for volume in /home/*-nfs-pvc; do [ -L "$volume" ] || break; done
/opt/env/bin/python "$volume/probe.py" > "$volume/output" 2>&1
touch "$volume/done"
exec "$@"
"""


class Inside:
    """A notebook whose start script runs a Python program given by the test."""

    def __init__(self, backend: LocalBackend, image: BuildSpec, wish: Callable[..., ServerSpec]):
        self.backend = backend
        self.image = image
        self.wish = wish

    def start(self, program: str, owner: str = "ada", memory: float = 2.0) -> ServerSpec:
        """Start a notebook that runs the program before JupyterLab."""
        server = self.wish(self.image, owner, memory)
        volume = self.volume(server)
        for name in ("done", "output"):
            (volume / name).unlink(missing_ok=True)
        (volume / "probe.py").write_text(program)
        self.backend.ensure_server(server)
        return server

    def output(self, program: str, owner: str = "ada", memory: float = 2.0) -> str:
        """Return what the program writes, once it has ended."""
        server = self.start(program, owner, memory)
        try:
            until((self.volume(server) / "done").exists, 40)
            return (self.volume(server) / "output").read_text()
        finally:
            removed(self.backend, server.id)

    def answer(self, program: str, owner: str = "ada") -> object:
        """Return the JSON that the program prints."""
        output = self.output(program, owner)
        try:
            return json.loads(output)
        except ValueError:
            raise AssertionError(output) from None

    def end(self, program: str, memory: float = 2.0) -> ServerReport:
        """Return the notebook's report once it is no longer starting."""
        return settled(self.backend, self.start(program, memory=memory))

    def volume(self, server: ServerSpec) -> Path:
        """Return the person's volume; a first notebook creates it if it does not exist."""
        volume: Path = self.backend.folders.volume(server.volume)
        if not volume.exists():
            first = self.wish(self.image, server.owner)
            self.backend.ensure_server(first)
            removed(self.backend, first.id)
        return volume


def image(
    backend: LocalBackend, order: Callable[..., BuildSpec], images: dict[str, BuildSpec]
) -> BuildSpec:
    """Return the image with the start script, which is built once."""
    if "inside" not in images:
        images["inside"] = built(backend, order({"start": START, "index.ipynb": "{}"}))
    return images["inside"]
