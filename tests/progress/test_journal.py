"""The journal of a project reads the same from the beginning, in pages of any size, and from any
position.
"""

from __future__ import annotations

import pytest

from sessions.backends import LogLines
from sessions.models import Build, LogChunk, Session
from sessions.progress import journal
from sessions.progress.journal import MAX_CURSOR, Cursor, parse_cursor, unpack_cursor
from sessions.states import Phase
from tests.making import say, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture
def build():
    return Build.objects.create(url="u", commit="c" * 40, image="i")


@pytest.fixture
def session(ada):
    return session_of(ada, "one")


def told(session: Session, after: int = 0, limit: int = 500) -> list[str]:
    messages: list[str] = []
    while True:
        page = journal.read(session.project_id, after, limit)
        if not page.items:
            return messages
        assert page.next > after
        assert [item["cursor"] for item in page.items] == sorted(
            {item["cursor"] for item in page.items}
        )
        messages += [item["message"] for item in page.items]
        after = page.next


def test_the_build_log_appears_between_its_events(session, build):
    journal.record(session, Phase.WAITING, "launched")
    journal.record(session, Phase.FETCHING, "building", build=build)
    say(build, "one", "two")
    assert told(session) == ["launched", "building", "one", "two"]
    journal.record(session, Phase.BUILT, "built", build=build)
    journal.record(session, Phase.LAUNCHING, "starting")
    assert told(session) == ["launched", "building", "one", "two", "built", "starting"]


def test_invisible_characters_are_escaped(session, build):
    journal.record(session, Phase.FETCHING, "a file \u202etxt.exe", build=build)
    say(build, "turned \u202eround\u2066", "zero\u200bwidth", "\u26a0\ufe0f\tan emoji")
    assert told(session) == [
        "a file \\u202etxt.exe",
        "turned \\u202eround\\u2066",
        "zero\\u200bwidth",
        "\u26a0\ufe0f\tan emoji",
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_pages_of_any_size_give_the_same_items(session, build, limit):
    journal.record(session, Phase.WAITING, "launched")
    journal.record(session, Phase.FETCHING, "building", build=build)
    say(build, *(str(n) for n in range(7)))
    journal.record(session, Phase.BUILT, "built", build=build)
    journal.record(session, Phase.READY, "ready")
    everything = ["launched", "building", *"0123456", "built", "ready"]
    assert told(session, limit=limit) == everything
    items = journal.read(session.project_id).items
    for place, item in enumerate(items):
        assert told(session, item["cursor"], limit) == everything[place + 1 :]


def test_a_session_that_joins_a_build_sees_its_whole_log(ada, session, build):
    journal.record(session, Phase.FETCHING, "building", build=build)
    say(build, "one", "two")
    late = session_of(ada, "two")
    journal.record(late, Phase.FETCHING, "joined", build=build)
    say(build, "three")
    assert told(late) == ["joined", "one", "two", "three"]


def test_a_launch_of_a_finished_build_shows_its_log_before_the_event(ada, build):
    say(build, "one", "two")
    quick = session_of(ada, "quick")
    journal.record(quick, Phase.WAITING, "launched")
    journal.record(quick, Phase.BUILT, "built", build=build)
    journal.record(quick, Phase.LAUNCHING, "starting")
    assert told(quick) == ["launched", "one", "two", "built", "starting"]


def test_the_log_ends_when_the_session_is_stopped(session, build):
    journal.record(session, Phase.FETCHING, "building", build=build)
    say(build, "one")
    journal.record(session, Phase.STOPPED, "stopped")
    say(build, "two")
    assert told(session) == ["building", "one", "stopped"]


def test_a_second_session_starts_at_its_own_first_event(ada, session, build):
    journal.record(session, Phase.WAITING, "first launch")
    journal.record(session, Phase.STOPPED, "stopped")
    second = Session.objects.create(
        project=session.project,
        state="stopped",
        cpu_request=1,
        cpu_limit=1,
        memory_request_gb=1,
        memory_limit_gb=1,
    )
    project = session.project
    project.current = second
    journal.record(second, Phase.WAITING, "second launch")
    assert told(second, journal.launch_start(project)) == ["second launch"]


def test_output_that_is_already_stored_is_not_stored_twice(build):
    stale = Build.objects.get(pk=build.pk)
    say(build, "one")
    assert not journal.append(stale, LogLines("building", "one", "x"))
    assert LogChunk.objects.count() == 1


def test_what_a_build_says_of_the_repositorys_files_ends_at_the_next_heading(build):
    assert journal.file_report(build.pk) == []
    say(build, "── Fetching\nremote: counting")
    assert journal.file_report(build.pk) == []
    say(build, "── Files of the repository\nUsed: start", "Not used: x", "── Installing\nUsed: y")
    assert journal.file_report(build.pk) == ["Used: start", "Not used: x"]


def test_what_a_build_says_of_the_repositorys_files_is_bounded(build):
    say(build, "\n".join(["── Files of the repository", *["x" * 1500] * 120]))
    assert journal.file_report(build.pk) == ["x" * 1000] * 100


@pytest.mark.parametrize("line", ["see ── Files of the repository", "── Files of the repository"])
def test_a_quotation_of_the_heading_or_its_end_is_no_report(build, line):
    say(build, line)
    assert journal.file_report(build.pk) == []


def test_cursors_round_trip_and_out_of_range_ones_start_over():
    assert unpack_cursor(-1) == unpack_cursor(MAX_CURSOR + 1) == Cursor()
    assert unpack_cursor(Cursor(7, 9).pack()) == Cursor(7, 9)
    assert parse_cursor("") == 0
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cursor("x")
