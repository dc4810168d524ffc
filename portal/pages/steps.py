"""Compute the steps of a launch from its events; pure functions, for the project page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessions.states import Phase

RESOLVE, BUILD, PUSH, START, READY = "resolve", "build", "push", "start", "ready"
LABELS: dict[str, Promise] = {
    RESOLVE: _("Resolve"),
    BUILD: _("Build"),
    PUSH: _("Push"),
    START: _("Start"),
    READY: _("Ready"),
}
STEP_OF: dict[str, str] = {
    Phase.WAITING: RESOLVE,
    Phase.FETCHING: BUILD,
    Phase.BUILDING: BUILD,
    Phase.PUSHING: PUSH,
    Phase.BUILT: START,
    Phase.LAUNCHING: START,
    Phase.READY: READY,
}
# The bar's position when a step begins, in percent: most of the time goes into building.
BEGINS_AT = {RESOLVE: 2, BUILD: 8, PUSH: 70, START: 82, READY: 100}
MAX_SHARE = 0.95


class StepEvent(Protocol):
    """An event, or a piece of a build's log."""

    @property
    def phase(self) -> str:
        """Return the phase that the launch was in; a value of `sessions.states.Phase`."""

    @property
    def at(self) -> datetime:
        """Return the time at which it happened."""


@dataclass
class Step:
    """One step of a launch.

    ``state`` is todo, current, done, skipped, failed or stopped. ``duration`` is the time until the
    next step began, or until now.
    """

    key: str
    state: str = "todo"
    began: datetime | None = None
    duration: timedelta | None = None

    @property
    def label(self) -> Promise:
        """Return the step's name for people, to be translated."""
        return LABELS[self.key]

    @property
    def shape(self) -> str:
        """Return the template of the step's icon."""
        return f"portal/steps/{self.state}.svg"


def steps_of(events: Iterable[StepEvent], now: datetime, *, pushes: bool) -> list[Step]:
    """Return the steps of one session, from what has happened in it so far, oldest first.

    Without ``pushes``, images are pushed nowhere, and that step is left out.
    """
    steps = [Step(key) for key in LABELS if pushes or key != PUSH]
    by_key = {step.key: step for step in steps}
    current: Step | None = None
    for happened in events:
        following = by_key.get(STEP_OF.get(happened.phase, ""))
        if happened.phase in {Phase.FAILED, Phase.STOPPED} and current:
            _end(current, happened.at, str(happened.phase))
        elif following and following is not current:
            if current:
                _end(current, happened.at, "done")
            current = following
            current.began, current.state = happened.at, "current"
    if current and current.key == READY and current.state == "current":
        current.state = "done"
    elif current and current.state == "current":
        current.duration = _since(current, now)
    _skip(steps)
    return steps


def _end(step: Step, at: datetime, state: str) -> None:
    step.state, step.duration = state, _since(step, at)


def _since(step: Step, at: datetime) -> timedelta:
    return max(at - (step.began or at), timedelta())


def _skip(steps: list[Step]) -> None:
    """Mark steps as skipped that never began although a later one has: they were not needed."""
    begun = [index for index, step in enumerate(steps) if step.began]
    for step in steps[: max(begun, default=0)]:
        if not step.began:
            step.state = "skipped"


@dataclass(frozen=True)
class Progress:
    """How far a launch is: ``value`` in percent, None if it is not known.

    It reaches ``until`` within ``expected`` seconds; both are 0 if not known.
    """

    value: float | None
    until: float = 0
    expected: float = 0


def progress_of(steps: list[Step], last_time: timedelta | None) -> Progress:
    """Return the position of the bar; ``last_time`` is how long building took before."""
    current = next((step for step in steps if step.state == "current"), None)
    if current is None:
        ended = [BEGINS_AT[step.key] for step in steps if step.began]
        return Progress(max(ended, default=0))
    begin = BEGINS_AT[current.key]
    if current.key != BUILD:
        return Progress(begin)
    if not last_time or not current.duration or current.duration > 2 * last_time:
        return Progress(None)
    until = BEGINS_AT[steps[steps.index(current) + 1].key]
    share = min(current.duration / last_time, MAX_SHARE)
    left = max((last_time - current.duration).total_seconds(), 0)
    return Progress(begin + (until - begin) * share, begin + (until - begin) * MAX_SHARE, left)
