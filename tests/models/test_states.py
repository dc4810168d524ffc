"""Every pair of states is tried; only the transitions in this table change anything.

The table is written out here once more, so that a mistake in the code's own is noticed.
"""

from __future__ import annotations

import itertools

import pytest

from sessions.models import Build, Project, Session, Transition
from sessions.states import (
    BUILD_ACTIVE,
    SESSION_HOLDING,
    SESSION_LIVE,
    SESSION_TRANSITIONS,
    BuildState,
    SessionState,
)

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

OF_SESSIONS = """
waiting  → spawning stopped failed
spawning → ready stopping failed
ready    → stopping failed
stopping → stopped failed
stopped  →
failed   →
"""
OF_BUILDS = """
pending   → building failed cancelled
building  → built failed cancelled
built     →
failed    →
cancelled →
"""


def pairs(table: str) -> set[tuple[str, str]]:
    """Return the pairs of source and target states in the table."""
    rows = (line.split("→") for line in table.strip().splitlines())
    return {(source.strip(), target) for source, targets in rows for target in targets.split()}


def make_session(ada, state: str) -> Session:
    project = Project.objects.create(owner=ada, name=f"p-{state}", provider="git", url="u")
    return Session.objects.create(
        project=project,
        state=state,
        cpu_request=1,
        cpu_limit=2,
        memory_request_gb=1,
        memory_limit_gb=2,
    )


@pytest.mark.parametrize(("source", "target"), list(itertools.product(SessionState, SessionState)))
def test_a_session_moves_only_as_the_table_allows(ada, source, target):
    session = make_session(ada, source)
    allowed = (source, target) in pairs(OF_SESSIONS)
    assert Session.objects.advance(session.pk, target, by="test", why="trying") is allowed
    session.refresh_from_db()
    assert session.state == (target if allowed else source)
    records = [(t.before, t.after, t.by, t.why) for t in session.transitions.all()]
    assert records == ([(source, target, "test", "trying")] if allowed else [])


@pytest.mark.parametrize(("source", "target"), list(itertools.product(BuildState, BuildState)))
def test_a_build_moves_only_as_the_table_allows(source, target):
    build = Build.objects.create(url="u", commit="c", image="i", state=source)
    allowed = (source, target) in pairs(OF_BUILDS)
    assert Build.objects.advance(build.pk, target, by="test") is allowed
    build.refresh_from_db()
    assert build.state == (target if allowed else source)
    assert build.transitions.count() == int(allowed)


def test_the_second_of_two_identical_transitions_loses(ada):
    session = make_session(ada, SessionState.SPAWNING)
    results = [Session.objects.advance(session.pk, SessionState.READY, by="x") for _ in range(2)]
    assert results == [True, False]
    assert Transition.objects.count() == 1


def test_a_transition_reason_that_is_too_long_is_truncated(ada):
    session = make_session(ada, SessionState.READY)
    assert Session.objects.advance(session.pk, SessionState.FAILED, by="x", why="y" * 600)
    assert Transition.objects.get().why == "y" * 500


def test_final_states_have_no_transitions():
    finals = {SessionState.STOPPED, SessionState.FAILED}
    assert {state for state, following in SESSION_TRANSITIONS.items() if not following} == finals


def test_the_sets_of_live_holding_and_active_states_are_as_listed():
    assert {"waiting", "spawning", "ready", "stopping"} == SESSION_LIVE
    assert {"waiting", "spawning", "ready"} == SESSION_HOLDING
    assert {"pending", "building"} == BUILD_ACTIVE


def test_the_tables_list_every_state():
    for table, states in ((OF_SESSIONS, SessionState), (OF_BUILDS, BuildState)):
        assert [line.split("→")[0].strip() for line in table.split("\n") if line] == states.values
