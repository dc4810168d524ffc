"""Every pair of states is tried against the tables; only the allowed ones change anything."""

from __future__ import annotations

import itertools

import pytest

from sessions.models import Build, Project, Session, Transition
from sessions.states import (
    BUILD_TRANSITIONS,
    SESSION_TRANSITIONS,
    BuildState,
    SessionState,
)

pytestmark = pytest.mark.django_db


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
    allowed = target in SESSION_TRANSITIONS[source]
    assert Session.objects.advance(session.pk, target, by="test", why="trying") is allowed
    session.refresh_from_db()
    assert session.state == (target if allowed else source)
    records = [(t.before, t.after, t.by, t.why) for t in session.transitions.all()]
    assert records == ([(source, target, "test", "trying")] if allowed else [])


@pytest.mark.parametrize(("source", "target"), list(itertools.product(BuildState, BuildState)))
def test_a_build_moves_only_as_the_table_allows(source, target):
    build = Build.objects.create(url="u", commit="c", image="i", state=source)
    allowed = target in BUILD_TRANSITIONS[source]
    assert Build.objects.advance(build.pk, target, by="test") is allowed
    build.refresh_from_db()
    assert build.state == (target if allowed else source)
    assert build.transitions.count() == int(allowed)


def test_the_second_of_two_who_move_the_same_thing_loses(ada):
    session = make_session(ada, SessionState.SPAWNING)
    results = [Session.objects.advance(session.pk, SessionState.READY, by="x") for _ in range(2)]
    assert results == [True, False]
    assert Transition.objects.count() == 1


def test_final_states_are_left_by_nobody():
    finals = {SessionState.STOPPED, SessionState.FAILED}
    assert {state for state, following in SESSION_TRANSITIONS.items() if not following} == finals
