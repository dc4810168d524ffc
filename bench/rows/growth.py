"""Measure the cost of one piece of work at 1, 10 and 100 times the work, also as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.drill.servers import postgres
from bench.harness import load
from bench.harness.figures import Figure
from bench.harness.ground import Ground
from bench.harness.picture import Growth, picture
from bench.harness.programs import said
from bench.harness.sockets import round_trips
from bench.rows import launches

TIMES = (1, 10, 100)
PERSON = "growing"
FILE = "bench-growth.svg"
Points = list[tuple[float, float]]


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the costs; also write the picture, beside the run's JSON."""
    if not (times := TIMES[: ground.plan.growth]):
        return
    grown = [
        Growth("answers of the API", "ms each", _answers(ground, times)),
        Growth("launches at once, until ready", "s each", _launches(ground, times)),
        Growth("messages, by open sockets", "ms each", _messages(ground, times)),
        Growth("notebooks asked what they do", "CPU-ms each", _notebooks(times)),
        Growth("a page of the admin, by rows", "ms each", _pages(ground, times)),
    ]
    ground.folder.mkdir(parents=True, exist_ok=True)
    text = picture("What one piece of work costs, compared with 1×", grown)
    (ground.folder / FILE).write_text(text, encoding="utf-8")
    for each in grown:
        for factor, (_work, cost) in zip(times, each.points, strict=True):
            yield Figure(f"at {factor}× the work: {each.name}", each.unit, [cost])


def _answers(ground: Ground, times: tuple[int, ...]) -> Points:
    portal, seconds = ground.portal, ground.plan.seconds
    portal.people([PERSON])
    headers = portal.headers(PERSON)
    rates = [load.ask(f"{portal.api}/me/", number, seconds, headers).rate for number in times]
    return [(number, 1000 / rate) for number, rate in zip(times, rates, strict=True)]


def _launches(ground: Ground, times: tuple[int, ...]) -> Points:
    names = [f"growing{number}" for number in range(max(times))]
    ground.portal.people(names)
    rushes = [launches.ours(ground.portal, names[:number]) for number in times]
    return [(number, rush.ready / number) for number, rush in zip(times, rushes, strict=True)]


def _messages(ground: Ground, times: tuple[int, ...]) -> Points:
    port, headers = ground.gateway.port, ground.gateway.headers("live")
    taken = [round_trips(port, "/echo", headers, sockets=each, number=300) for each in times]
    return [(each, statistics.median(some)) for each, some in zip(times, taken, strict=True)]


def _notebooks(times: tuple[int, ...]) -> Points:
    points = []
    for number in (each * 10 for each in times):
        rounds = said("bench.activity", "--json", "--servers", str(number), "--rounds", "2")
        points.append((float(number), rounds[-1]["cpu"] * 1000 / number))
    return points


def _pages(ground: Ground, times: tuple[int, ...]) -> Points:
    points = []
    for scale in (ground.plan.scale * each / 1000 for each in times):  # more would take long
        with postgres() as (_server, address):
            words = ("--json", "--scale", str(scale), "--rounds", "2")
            pages = said("bench.lists", *words, DATABASE_URL=address, REDIS_URL="")
        shown = [each for page in pages if page["status"] == 200 for each in page["seconds"]]
        points.append((scale, statistics.fmean(shown) * 1000))
    return points
