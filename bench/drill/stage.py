"""The drill's stage on this machine: a portal of its own with everything that belongs to it.

`onecluster` and `inpods` have the others. Everything started ends with the `with` block.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.drill import leftovers, servers
from bench.drill.targets import Notebooks, Part, Portal, Store, Target
from tests.githttp import GitServer
from tests.stack import Stack, started

PARTS = ("web", "worker", "watch")
FORKS = "keepers"
_WITHOUT = {"DATABASE_URL": "", "REDIS_URL": ""}
SMALL = {"PORTAL_CPU_REQUEST": "0.1", "PORTAL_MEMORY_REQUEST_GB": "0.1"}


@dataclass(frozen=True)
class Stage:
    """A portal to be harmed.

    ``leftovers`` yields what exists beyond the needs of these live sessions, ``things`` names
    people's data; ``notebooks`` can be killed, too.
    """

    stack: Portal
    git: GitServer
    targets: Mapping[str, Target]
    leftovers: Callable[[Collection[int]], Iterable[str]]
    things: Callable[[], set[str]]
    notebooks: Target


@dataclass(frozen=True)
class OwnStage(Stage):
    """One whose portal runs on this machine, and can be stopped and started again."""

    stack: Stack


@contextmanager
def local(*, sqlite: bool = False, like: Stack | None = None) -> Iterator[OwnStage]:
    """Start a portal with its own PostgreSQL and Redis, which can be killed, or without both.

    With a portal ``like`` it, that one's tools need not be made again.
    """
    with ExitStack() as ends:
        own, environment = ({}, _WITHOUT) if sqlite else with_servers(ends)
        git = ends.enter_context(GitServer())
        variables = {"PORTAL_TRUSTED_GIT_HOSTS": git.host, **environment, **SMALL}
        stack = Stack(1, data=None, inside=(), **variables)
        if like:
            stack.warm_up(like.data)
        ends.enter_context(started(stack))
        found = {**targets(stack, own), FORKS: Part(stack, FORKS)}
        yield OwnStage(
            stack,
            git,
            found,
            lambda live: _leftovers(stack, live),
            lambda: leftovers.kept(stack.data),
            Notebooks(stack),
        )


Stores = Mapping[str, tuple[servers.Server, signal.Signals]]


def with_servers(ends: ExitStack) -> tuple[Stores, dict[str, str]]:
    """Start both; return how each is ended at once, and the portal's environment for them."""
    database, database_url = ends.enter_context(servers.postgres())
    cache, cache_url = ends.enter_context(servers.redis())
    own = {"database": (database, signal.SIGQUIT), "Redis": (cache, signal.SIGTERM)}
    return own, {"DATABASE_URL": database_url, "REDIS_URL": cache_url}


def targets(stack: Stack, own: Stores) -> dict[str, Target]:
    """Return the portal's parts and stores as targets, by name."""
    parts: dict[str, Target] = {name: Part(stack, name) for name in PARTS}
    return parts | {name: Store(stack, *how) for name, how in own.items()}


def _leftovers(stack: Stack, live: Collection[int]) -> Iterator[str]:
    yield from leftovers.on_disk(stack.data, live)
    supervisor = stack.process.pid if stack.process else 0
    yield from leftovers.in_memory(stack.data, supervisor, live)
