"""Pages that grow with the institute, on PostgreSQL with all of its people.

`bench.lists` shows each page by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.drill.servers import postgres
from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.programs import said
from bench.population import PEOPLE, PROJECTS

OF_A_PERSON = frozenset({"home", "account"})
NOT_A_LIST = frozenset({"metrics"})


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the response times of the pages."""
    plan = ground.plan
    words = ("--json", "--scale", str(plan.scale), "--rounds", str(plan.list_rounds))
    with postgres() as (_server, address):
        pages = said("bench.lists", *words, DATABASE_URL=address, REDIS_URL="")
    if wrong := [page["name"] for page in pages if page["status"] >= 400]:
        raise RuntimeError(f"no good answer from: {', '.join(wrong)}")
    shown = [page for page in pages if page["status"] == 200]  # others only lead somewhere else
    yield from figures(shown, plan.scale)


def figures(pages: Sequence[Mapping[str, Any]], scale: float) -> Iterator[Figure]:
    """Yield a figure for each kind of page, and for the slowest one."""
    size = f"with {PEOPLE * scale:,.0f} people and {PROJECTS * scale:,.0f} projects"
    own = [page for page in pages if page["name"] in OF_A_PERSON]
    admin = [page for page in pages if page["name"] not in OF_A_PERSON | NOT_A_LIST]
    slowest = max(admin, key=lambda page: sum(page["seconds"]))
    for what, chosen in (
        (f"a person's pages {size}", own),
        (f"lists of the admin {size}", admin),
        (f"the slowest of them: {slowest['name']}", [slowest]),
    ):
        times = [each * 1000 for page in chosen for each in page["seconds"]]
        yield Figure(what, "ms", times, target=Target("p95", 100))
