"""The steps and the progress bar of a launch, computed from what has happened in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from portal.pages.project import strip_control
from portal.pages.steps import progress_of, steps_of
from portal.templatetags.bindery import duration, resources
from quotas.resources import Resources

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Happening:
    phase: str
    second: int

    @property
    def at(self) -> datetime:
        return START + timedelta(seconds=self.second)


def steps(*story: tuple[str, int], now: int = 100, pushes: bool = False):
    happened = [Happening(*each) for each in story]
    return steps_of(happened, START + timedelta(seconds=now), pushes=pushes)


def told(found) -> list[tuple[str, str, int | None]]:
    return [
        (s.key, s.state, int(s.duration.total_seconds()) if s.duration else None) for s in found
    ]


BUILDING = [("waiting", 0), ("fetching", 3)]
READY = [*BUILDING, ("built", 50), ("launching", 50), ("ready", 58)]


def test_each_step_shows_its_duration():
    assert told(steps(*READY)) == [
        ("resolve", "done", 3),
        ("build", "done", 47),
        ("start", "done", 8),
        ("ready", "done", None),
    ]


def test_current_step_keeps_counting():
    found = steps(*BUILDING, now=20)
    assert told(found)[:3] == [
        ("resolve", "done", 3),
        ("build", "current", 17),
        ("start", "todo", None),
    ]


def test_build_step_is_skipped_when_the_image_exists():
    assert told(steps(("waiting", 0), ("built", 1), now=2))[:3] == [
        ("resolve", "done", 1),
        ("build", "skipped", None),
        ("start", "current", 1),
    ]


def test_retry_stays_in_the_same_step():
    assert told(steps(("waiting", 0), ("waiting", 60), now=70))[0] == ("resolve", "current", 70)


@pytest.mark.parametrize("end", ["failed", "stopped"])
def test_launch_that_ends_early_ends_in_its_current_step(end):
    assert told(steps(*BUILDING, (end, 9)))[1:3] == [("build", end, 6), ("start", "todo", None)]


def test_pushing_is_a_step_only_where_images_are_pushed():
    story = [*BUILDING, ("pushing", 30), ("built", 50)]
    assert [step.key for step in steps(*story)] == ["resolve", "build", "start", "ready"]
    assert told(steps(*story, pushes=True))[1:3] == [("build", "done", 27), ("push", "done", 20)]


def test_all_steps_are_todo_before_the_launch_begins():
    assert {state for _key, state, _took in told(steps())} == {"todo"}


def test_progress_bar_follows_the_duration_of_the_last_build():
    minute = timedelta(minutes=1)
    early = progress_of(steps(*BUILDING, now=13), minute)
    late = progress_of(steps(*BUILDING, now=53), minute)
    over = progress_of(steps(*BUILDING, now=90), minute)
    values = [progress.value or 0 for progress in (early, late, over)]
    assert 0 < values[0] < values[1] < values[2] <= over.until
    assert (early.expected, over.expected) == (50, 0)
    assert progress_of(steps(*BUILDING), None).value is None
    assert progress_of(steps(*BUILDING, now=300), minute).value is None


def test_progress_bar_stops_where_the_launch_ends():
    assert progress_of(steps(*READY), None).value == 100
    assert progress_of(steps(*BUILDING, ("failed", 9)), None).value == 8


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("10%\r50%\r100%", "100%"),
        ("windows\r", "windows"),
        ("\x1b]0;title\x07text\x00", "text"),
        ("a\tb", "a\tb"),
    ],
)
def test_log_line_is_shown_as_a_terminal_would(line, shown):
    assert strip_control(line) == shown


def test_resources_and_durations_have_a_fixed_format():
    assert resources(Resources(2, 4, 1, 4, 1)) == "2–4 CPU · 1–4 GB · 1 GPU"
    assert resources(Resources(0.5, 0.5, 2, 2)) == "0.5 CPU · 2 GB"
    assert [duration(timedelta(seconds=s)) for s in (0, 7, 750)] == ["0:00", "0:07", "12:30"]
