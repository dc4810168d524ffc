"""A build that prints 2,000 lines a second, and people who watch it: delays, lost lines, cost.

A line goes from the sandbox to the keeper's log, through watch into the database, and from there by
one reader for all through the web process to each page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from bench.harness import use
from bench.harness.crowd import Ask, at_once
from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.viewers import Seen, Watching
from bench.portals.whole import Portal

RATE = 2000
PERSON = "watched"
WITHIN = 180
PRINTING = Path(__file__).resolve().parent.parent / "printing.py"
_STEP = "#!/bin/bash\nexec python3 printing.py {rate} {seconds}\n"


@dataclass(frozen=True)
class Watched:
    """The result; ``cpu`` is the share of a processor, in percent, that each part has used."""

    seen: list[Seen]
    cpu: dict[str, float]


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield delays, lost lines and CPU usage for each number of viewers."""
    portal, seconds = ground.portal, ground.plan.log_seconds
    portal.people([PERSON])
    lines = int(RATE * seconds)
    for viewers in ground.plan.viewers:
        watched = asyncio.run(_watch(portal, viewers, lines, seconds))
        what = f"log of {RATE:,} lines/s, {viewers} watching"
        delays = [each for seen in watched.seen for each in seen.delays]
        lost = [float(seen.lost(lines)) for seen in watched.seen]
        yield Figure(f"{what}: a line comes after", "s", delays, target=Target("p95", 0.5))
        yield Figure(f"{what}: lost", "lines", lost, target=Target("p95", 0))
        for part, share in watched.cpu.items():
            yield Figure(f"{what}: {part}", "% of a processor", [share])


async def _watch(portal: Portal, viewers: int, lines: int, seconds: float) -> Watched:
    name = await asyncio.to_thread(_launch, portal, f"bench/log-{viewers}", seconds)
    url = f"{portal.stack.url.replace('http', 'ws', 1)}/ws/projects/{name}/"
    watching = Watching(url, portal.headers(PERSON), viewers, lines)
    task = asyncio.create_task(watching.all(WITHIN))
    begins = asyncio.create_task(watching.began.wait())
    await asyncio.wait((task, begins), return_when=asyncio.FIRST_COMPLETED)
    before, began = _used(portal), monotonic()
    try:
        await task
    finally:
        begins.cancel()
    after, elapsed = _used(portal), monotonic() - began
    delete = Ask("DELETE", f"{portal.api}/projects/{name}/", portal.headers(PERSON))
    await asyncio.to_thread(at_once, [delete])
    return Watched(
        watching.seen, {part: (after[part] - before[part]) / elapsed * 100 for part in after}
    )


def _launch(portal: Portal, name: str, seconds: float) -> str:
    """Launch a project that has to be built, because its repository is new."""
    files = {
        "postBuild": _STEP.format(rate=RATE, seconds=seconds),
        "printing.py": PRINTING.read_text(encoding="utf-8"),
        "README.md": name,
    }
    url = portal.git.repository(name, files, executable=["postBuild"])
    wish = {"repository": url}
    (answer,) = at_once([Ask("POST", f"{portal.api}/projects/", portal.headers(PERSON), wish)])
    project: str = answer.body["name"]
    return project


def _used(portal: Portal) -> dict[str, float]:
    """Return the CPU seconds of the two parts that a line passes."""
    return {part: use.seconds(portal.pids()[part]) for part in ("web", "watch")}
