"""Make a backup while people work, restore it beside the portal, and check that it is complete."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.datadrill import databases, reading
from bench.datadrill.files import Shelf
from bench.datadrill.scene import Scene
from bench.datadrill.writers import Work, Writer
from tests.stack import Api, Stack, started

SECONDS = 300.0
"""Time limit for a backup or a restore on a machine that is busy with other things."""


def backup_and_restore(scene: Scene) -> None:
    """Back up, restore into an empty place, and read there what had been written before."""
    written = _copies(scene)
    with tempfile.TemporaryDirectory(prefix="bindery-backup-") as folder:
        scene.stage.stack.manage("back_up", f"{folder}/made", within=SECONDS)
        with _restored(scene.stage.stack, Path(folder, "made")) as portal:
            for writer, work, shelf in written:
                with Api(portal, writer.asker.api.token) as api:
                    for sentence in _lost(api, work, shelf):
                        scene.ledger.accuse(f"restored, {sentence}")
    scene.ledger.count(scene.ledger.accepted, "backup restored")


def _copies(scene: Scene) -> list[tuple[Writer, Work, Shelf]]:
    return [(writer, work, work.shelf.copy()) for writer in scene.writers for work in writer.works]


def _lost(api: Api, work: Work, shelf: Shelf) -> list[str]:
    found = reading.project(api, work.name, shelf)
    api.verb(work.name, "stop")
    return list(shelf.lost(found, since=work.shelf))


@contextmanager
def _restored(like: Stack, backup: Path) -> Iterator[Stack]:
    """Run a separate portal on this backup."""
    with databases.made(like.environment["DATABASE_URL"]) as url:
        own = {"PORTAL_DATA", "PORTAL_PORT"}
        variables = {name: text for name, text in like.environment.items() if name not in own}
        stack = Stack(1, data=None, inside=(), **variables | {"DATABASE_URL": url})
        stack.manage("restore", str(backup), within=SECONDS)
        stack.warm_up(like.data)
        with started(stack):
            yield stack
