"""Check that every project is as its last command asked, or says truly why not; and its kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bench.drill import kernels
from bench.drill.ledger import DELETED, RUNNING, Promise
from bench.drill.people import Person
from bench.drill.repositories import FAILING

AS_WANTED = {"running": "ready", "stopped": "stopped"}
OURS = frozenset({"build.lost", "build.cancelled", "build.timeout", "build.internal"})
"""Build errors that are never true in a drill, since nobody kills or cancels builds."""


def broken(people: Iterable[Person]) -> Iterator[str]:
    """Yield a sentence for each project that is not as it should be."""
    for person in people:
        for promise in person.promises:
            shown = person.shows(promise.name)
            if not is_kept(promise, shown):
                yield f"{promise.name}: {promise.command} was accepted, and it is {_told(shown)}"


def lost(people: Iterable[Person]) -> Iterator[str]:
    """Yield a sentence for each changed kernel of a notebook that nobody stopped."""
    for person in people:
        for promise in person.promises:
            for memory in promise.memories if promise.wanted == RUNNING else []:
                if said := kernels.is_lost(person.asker.api, promise.name, memory):
                    yield f"a kernel of {promise.name} held {memory.shown!r}; now {said!r}"


def is_kept(promise: Promise, shown: dict[str, Any]) -> bool:
    """Return whether a project shown like this is as it was asked to be; {} is a deleted one."""
    if promise.wanted == DELETED:
        return not shown
    state = shown.get("state")
    return state == AS_WANTED[promise.wanted] or (state == "failed" and _is_true(promise, shown))


def _is_true(promise: Promise, shown: dict[str, Any]) -> bool:
    """Return whether the error is one that this repository has, with a message for a person."""
    code = shown["code"]
    its_own = FAILING in promise.repository and code.startswith("build.") and code not in OURS
    return its_own and bool(shown["message"])


def _told(shown: dict[str, Any]) -> str:
    words = [shown.get(name, "") for name in ("state", "code", "message")]
    return " – ".join(word for word in words if word) or "not there"
