"""Attempts and verdicts: the types that every table of attacks uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

LOCAL, KUBERNETES = "local", "kubernetes"
BOTH = frozenset({LOCAL, KUBERNETES})
ON_ONE_MACHINE = frozenset({LOCAL})
ON_A_CLUSTER = frozenset({KUBERNETES})


class Verdict(NamedTuple):
    """The outcome of an attempt: ``held``, ``weak`` or ``broken``; or ``failed``, if the attempt
    itself could not be made.
    """

    outcome: str
    evidence: str


@dataclass(frozen=True)
class Attempt:
    """One thing that an attacker tries.

    ``kind`` is the subject, ``name`` what is tried; both together are the test's id. ``severity``
    is the outcome if the portal does not hold. A ``control`` is expected to succeed. ``long``: it
    takes too long for the quick checks.
    """

    kind: str
    name: str
    backends: frozenset[str] = field(default=BOTH, kw_only=True)
    severity: str = field(default="broken", kw_only=True)
    control: bool = field(default=False, kw_only=True)
    long: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"

    def judge(self, got: Any, why: str = "") -> Verdict:
        """Return the verdict on ``got``, which is empty if the portal held; ``why`` is what the
        attempt was told in that case.
        """
        if bool(got) is self.control:
            return Verdict("held", str(got or why or "nothing was got")[:500])
        return Verdict(self.severity, f"got {got!r}"[:1000] if got else f"a control got no: {why}")


def attempts(table: Iterable[Attempt], backend: str = LOCAL) -> pytest.MarkDecorator:
    """Run a test with each attempt that makes sense on this back end, the long ones marked."""
    found = [
        pytest.param(each, id=str(each), marks=[pytest.mark.long] if each.long else [])
        for each in table
        if backend in each.backends
    ]
    return pytest.mark.parametrize("attempt", found)


def chosen(request: pytest.FixtureRequest, test: str) -> list[Any]:
    """Return the attempts that this run makes in the test of this name in ``request``'s module."""
    return [
        item.callspec.params["attempt"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and item.originalname == test
    ]


def require(verdict: Verdict) -> None:
    """Fail unless the portal held, and print the evidence (shown by ``-rP``)."""
    print(verdict.evidence)  # noqa: T201
    assert verdict.outcome == "held", verdict
