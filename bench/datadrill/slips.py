"""Mistakes of operators, and accidents of machines.

Each comes to an end, and everything is as before, except for the portal's reaction. A slip is a
function of the `Scene`; violations go into its ledger.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.datadrill import clocks, databases
from bench.datadrill.scene import Scene
from bench.drill import inside

Slip = Callable[[Scene], None]

WATCHED = 75.0
"""Seconds in which the portal checks everything at least once."""
DAYS_AHEAD = 9
"""More days than a project may be unused."""


def empty_database(scene: Scene) -> None:
    """Start the portal with an empty database for a while."""
    with databases.made(_database(scene)) as url:
        _run_on(scene, url, "an empty database")


def older_database(scene: Scene) -> None:
    """Run the portal on an old copy of its database, and then again on the real one."""
    with scene.portal_is_down():
        copy = databases.copied(_database(scene))
    time.sleep(WATCHED)  # people go on meanwhile
    with copy as url:
        _run_on(scene, url, "an older database")


def other_clock(scene: Scene) -> None:
    """Set the clock of the portal's own processes days ahead, and back again."""
    with (
        tempfile.TemporaryDirectory(prefix="bindery-clock-") as folder,
        scene.gate.closed(),
        _nothing_goes(scene, "a clock that is ahead"),
    ):
        _restart(scene, clocks.ahead(Path(folder), DAYS_AHEAD * 24 * 3600))
        time.sleep(WATCHED)
        _restart(scene, ())
        time.sleep(WATCHED)


def other_name(scene: Scene) -> None:
    """Rename somebody as staff do, while they stay signed in."""
    person = scene.chance.choice(scene.writers)
    number = scene.chance.randrange(10**6)
    new = f"{person.name}-{number}"
    with scene.gate.closed():
        inside.run(scene.stage.stack, "bench.datadrill.renaming", person.username, new)
        person.username = new


SLIPS: Mapping[str, Slip] = {
    "empty database": empty_database,
    "older database": older_database,
    "clock ahead": other_clock,
    "renamed": other_name,
}


def _database(scene: Scene) -> str:
    return scene.stage.stack.environment["DATABASE_URL"]


def _run_on(scene: Scene, url: str, what: str) -> None:
    """Let the portal run on another database for a while, with nobody at work."""
    stack, own = scene.stage.stack, _database(scene)
    with scene.gate.closed(), _nothing_goes(scene, what):
        stack.stop()
        stack.environment["DATABASE_URL"] = url
        stack.start(lambda: bool(stack.checks()))
        time.sleep(WATCHED)
        if stack.checks().get("installation") == "ok":
            scene.ledger.accuse(f"nobody is told of {what}")
        stack.stop()
        stack.environment["DATABASE_URL"] = own
        stack.start()
        time.sleep(WATCHED)


def _restart(scene: Scene, words: tuple[str, ...]) -> None:
    scene.stage.stack.stop()
    scene.stage.stack.inside = words
    scene.stage.stack.start()


@contextmanager
def _nothing_goes(scene: Scene, what: str) -> Iterator[None]:
    """Accuse the portal of anything of people's that disappears during the block."""
    before = scene.stage.things()
    yield
    for name in sorted(before - scene.stage.things()):
        scene.ledger.accuse(f"{name} went with {what}")
