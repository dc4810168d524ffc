"""A kernel is started once for each build, and one that dies is told and marks a bad build."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.utils import timezone

from sessions import lifecycle
from sessions.backends import ServerReport
from sessions.culling.activity import KernelActivity, parse_kernels, store_kernels
from sessions.lifecycle.kernels import BAD_BUILD, DEAD, record_dead
from sessions.models import Build, Project, Session
from sessions.watch import kernels
from sessions.watch.handling import handle_safely
from sessions.watch.kernels import KernelChecks, does_kernel_work
from tests.backends.waiting import until
from tests.watch.labs import Lab, Labs, Raw, Redirecting

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database,
    pytest.mark.servers,
]


@pytest.fixture
def labs() -> Iterator[Labs]:
    with Labs() as labs:
        yield labs


@pytest.fixture
def checks() -> Iterator[KernelChecks]:
    checks = KernelChecks(kernel_seconds=2, turn_seconds=0.5)
    with checks.running():
        yield checks


Ready = Callable[..., Session]


@pytest.fixture
def ready(ada, url, bring_up, labs) -> Ready:
    """``ready(lab)`` returns the session of ada's project, whose notebook is this server.

    Unless it is the ``first`` run of the project, there was another one before.
    """

    def make(lab: Lab, owner=ada, *, first: bool = False, safe: bool = False) -> Session:
        project = lifecycle.launch(owner, url)
        session = bring_up(project).current
        labs.add(lab)
        mode = "Started in safe mode by ada." if safe else ""
        Session.objects.filter(pk=session.pk).update(address=lab.address, safe_mode=mode)
        if not first:
            earlier = {"state": "stopped", "ready": timezone.now(), "build": None}
            Session.objects.create(
                project=project, cpu_request=1, cpu_limit=1, memory_request_gb=1,
                memory_limit_gb=1, **earlier,
            )  # fmt: skip
        session.refresh_from_db()
        return session

    return make


def seen() -> bool:
    return Build.objects.get().kernel_seen


def told(session: Session) -> str:
    session.refresh_from_db()
    return session.message if session.code == DEAD else ""


def test_a_kernel_that_works_is_seen_ended_and_not_started_for_the_next_notebook(
    ready, bob, checks
):
    lab, other = Lab("starting", "starting", "idle"), Lab()
    checks.notice(ready(lab).pk)
    until(seen)
    until(lambda: lab.ended)
    assert lab.started == ["Check of the kernel"]
    assert lab.greeted == 1  # otherwise, it is called "starting" for ever
    second = ready(other, bob)
    checks.notice(second.pk)
    last = ready(Lab(), bob)
    Build.objects.update(kernel_seen=False)
    checks.notice(last.pk)
    until(seen)
    assert other.started == []


def test_the_check_carries_the_notebooks_token(ready, checks):
    lab = Lab()
    session = ready(lab)
    checks.notice(session.pk)
    until(lambda: lab.ended)
    assert lab.tokens == {f"token {session.server_token}"}


@pytest.mark.parametrize("state", ["gone", "dead"])
def test_a_dead_kernel_is_told_once_and_the_notebook_goes_on(ready, checks, state):
    lab = Lab("starting", state)
    session = ready(lab)
    checks.notice(session.pk)
    message = until(lambda: told(session))
    assert session.state == "ready"
    assert "start it in safe mode" in message
    assert len(lab.started) == 2  # it was given a second chance
    record_dead(session.pk)
    event = session.project.events.get(code=DEAD)
    assert (event.phase, event.message) == ("ready", message)
    assert Build.objects.get().code == ""


def test_a_dead_kernel_of_a_damaged_environment_makes_nobody_doubt_the_repository(ready, backend):
    session = ready(Lab(), first=True)
    backend.damaged.add(session.build.image)
    record_dead(session.pk, is_first=True)
    assert "not the repository's fault. Stop the notebook and start it again" in told(session)
    build = Build.objects.get()
    assert (build.dropped, build.kernel_died) == (True, False)


def test_a_kernel_that_works_at_the_second_try_is_not_dead(ready, checks):
    session = ready(Lab("gone", "idle"))
    checks.notice(session.pk)
    until(seen)
    assert not told(session)


@pytest.mark.parametrize(
    "lab",
    [
        Lab("starting"),
        Lab("silent"),
        Lab(status=501),
        Lab(status=500),
        Raw(b"[]"),
        Raw(b"[" * 100_000),
        Raw(b'{"id": "x", "kernel": {"id": "../../x?"}}'),
        Raw(b'{"id": 7, "kernel": [1]}'),
        Raw(b" " * 300_000),
    ],
)
def test_what_is_slow_or_cannot_be_understood_is_not_dead(ready, lab):
    assert asyncio.run(does_kernel_work(ready(lab), 0.3)) is None


def test_a_silent_notebook_holds_up_nobody_of_its_build(ready, bob):
    silent, well = ready(Lab("silent")), ready(Lab(), bob)
    checks = KernelChecks(turn_seconds=0.5)
    with checks.running():
        for each in (silent, well):
            checks.notice(each.pk)
        until(seen, kernels.REQUEST_SECONDS - 5)  # for so long, the silent one is waited for


def test_a_redirect_is_not_followed(ready, labs):
    other = labs.add(Lab())
    assert asyncio.run(does_kernel_work(ready(Redirecting(other)), 1)) is None
    assert other.started == other.ended == []


def test_a_check_that_was_interrupted_is_made_again_with_the_same_kernel(ready):
    lab = Lab("starting")
    session = ready(lab)
    interrupted = KernelChecks()
    with interrupted.running():
        interrupted.notice(session.pk)
        until(lambda: lab.greeted)
    lab.ended.clear()  # as if it had been killed
    lab.states = ("idle",)
    after = KernelChecks()
    with after.running():
        after.notice(session.pk)
        until(seen)
    assert len(lab.started) == 1


def test_the_report_that_a_notebook_is_ready_starts_its_check(ready):
    lab = Lab("starting", "idle")
    session = ready(lab)
    report = ServerReport(session.pk, session.project.name, "ready", address=lab.address)
    handle_safely(report)  # nothing is checked here: another process watches
    with ExitStack() as checking:
        checking.enter_context(kernels.checks.running())
        for _time in range(3):
            handle_safely(report)
        until(seen)
    assert len(lab.started) == 1


def test_a_notebook_that_is_stopped_meanwhile_is_told_nothing(ada, ready):
    session = ready(Lab())
    lifecycle.stop(session.project, ada)
    record_dead(session.pk, is_first=True)
    assert not told(session)
    assert not session.project.events.filter(code=DEAD).exists()


# --- Builds that are doubted, because a kernel has died in a notebook of theirs ---


Starting = Callable[..., Session]


@pytest.fixture
def starting(url, labs, worker) -> Iterator[Starting]:
    """``starting(owner, lab)`` launches a project, whose notebook is this server, and reports that
    it answers; with a ``session``, it does so for one that is starting already.
    """
    with kernels.checks.running():

        def start(owner, lab: Lab, session: Session | None = None, *, safe: str = "") -> Session:
            if session is None:
                project = lifecycle.launch(owner, url)
                Session.objects.filter(project=project).update(safe_mode=safe)
                worker.run()
                session = Session.objects.get(project=project)
            address = labs.add(lab).address
            report = ServerReport(session.pk, session.project.name, "ready", address=address)
            handle_safely(report)
            session.refresh_from_db()
            return session

        yield start


@pytest.fixture
def doubted(ready, bob) -> Build:
    """A build whose kernel has died in bob's first notebook."""
    record_dead(ready(Lab(), bob, first=True).pk, is_first=True)
    build = Build.objects.get()
    assert (build.kernel_died, build.code) == (True, "")
    return build


def state(session: Session) -> str:
    session.refresh_from_db()
    return session.state


@pytest.mark.parametrize("safe", ["", "Started in safe mode by ada."])
def test_a_person_who_ends_their_kernels_spoils_the_build_for_nobody(doubted, starting, ada, safe):
    lab = Lab("starting")
    session = starting(ada, lab, safe=safe)
    until(lambda: lab.started)
    assert state(session) == "spawning"  # nobody can reach it
    assert lab.started[0].startswith("../../") == bool(safe)  # away from the person's modules
    lab.states = ("idle",)
    until(lambda: state(session) == "ready")
    doubted.refresh_from_db()
    assert (doubted.kernel_seen, doubted.code) == (True, "")


def test_starts_are_not_held_once_a_kernel_worked_away_from_the_files(
    doubted, starting, ada, vera, worker
):
    """The repository's files may hide a module of Python's, and safe mode does not leave them
    out.
    """
    first = starting(ada, Lab("gone"))
    until(lambda: state(first) == "failed")
    again = Session.objects.get(project=first.project, state="spawning")
    worker.run()
    starting(ada, Lab("idle"), again)
    until(lambda: state(again) == "ready")
    assert again.safe_mode
    for _time in range(2):
        assert state(starting(vera, Lab("gone"))) == "ready"


def test_a_kernel_that_also_dies_in_safe_mode_marks_the_build_and_later_launches_fail(
    doubted, starting, ada, vera, url, backend, worker, watch
):
    first = starting(ada, Lab("gone"))
    until(lambda: state(first) == "failed")
    again = Session.objects.get(project=first.project, state="spawning")
    assert (first.code, again.build, bool(again.safe_mode)) == (DEAD, doubted, True)
    until(lambda: worker.run() and again.pk in backend.started_servers)
    assert backend.started_servers[again.pk].keeps_start
    starting(ada, Lab("gone"), again)
    until(lambda: state(again) == "failed")
    doubted.refresh_from_db()
    assert (again.code, doubted.code, doubted.dropped) == (BAD_BUILD, BAD_BUILD, False)

    started = set(backend.started_servers)
    project = lifecycle.launch(vera, url)
    worker.run()
    later = Project.objects.get(pk=project.pk)
    assert (later.state, later.current.code) == ("failed", BAD_BUILD)
    assert later.current.message == doubted.message
    assert later.events.get(phase="built").build == doubted  # so its page shows that log
    assert set(backend.started_servers) == started

    lifecycle.rebuild(later, vera)
    worker.run()
    new = Build.objects.active().get()
    backend.finish(new.pk)
    watch.look()
    worker.run()
    after = Project.objects.get(pk=project.pk)
    assert (after.state, after.current.build) == ("spawning", new)


def test_a_held_start_in_a_damaged_environment_blames_nobody_and_it_is_built_again(
    doubted, starting, ada, backend
):
    lab = Lab("starting")
    first = starting(ada, lab, safe="Started in safe mode by ada.")
    until(lambda: lab.started)
    backend.damaged.add(doubted.image)
    lab.states = ("gone",)
    until(lambda: state(first) == "failed")
    doubted.refresh_from_db()
    assert (first.code, doubted.code, doubted.dropped) == ("build.base-damaged", "", True)
    again = Session.objects.get(project=first.project, state="waiting")
    assert (again.build, again.safe_mode) == (None, first.safe_mode)


def test_whoever_asks_for_safe_mode_gets_to_their_files_all_the_same(
    doubted, starting, ada, backend
):
    session = starting(ada, Lab("gone"), safe="Started in safe mode by ada.")
    message = until(lambda: told(session))
    assert not backend.started_servers[session.pk].keeps_start
    assert session.state == "ready"
    assert "start script sets what the kernel needs" in message
    assert Build.objects.get().code == ""  # it may need the start script, which was left out


def test_a_check_that_finds_nothing_out_lets_the_notebook_go_on(doubted, starting, ada):
    session = starting(ada, Lab(status=500))
    until(lambda: state(session) == "ready")
    doubted.refresh_from_db()
    assert (doubted.kernel_seen, doubted.code) == (False, "")


def test_a_build_whose_kernel_works_elsewhere_is_not_doubted(ready):
    session = ready(Lab(), safe=True)
    Build.objects.update(kernel_seen=True)
    record_dead(session.pk, is_first=True)
    assert told(session)
    assert not Build.objects.get().kernel_died


# --- What the probe of running notebooks sees ---


def found(*states: object) -> KernelActivity:
    body = str([{"execution_state": state} for state in states]).replace("'", '"').encode()
    activity = parse_kernels(body, timezone.now(), unattended=True)
    assert activity
    return activity


@pytest.mark.parametrize(
    ("states", "works", "dead"),
    [
        ([], False, False),
        (["starting"], False, False),
        (["idle"], True, False),
        (["busy", "starting"], True, False),
        (["dead", "starting"], False, True),
        (["dead", "idle"], True, False),
        ([7, {}, []], False, False),
    ],
)
def test_the_states_of_kernels_say_whether_one_works(states, works, dead):
    assert (found(*states).works, found(*states).dead) == (works, dead)


def test_a_kernel_that_somebody_uses_makes_the_check_unnecessary(ready, checks):
    lab = Lab()
    session = ready(lab)
    store_kernels({session.pk: found("idle")})
    assert seen()


def test_a_kernel_that_works_in_safe_mode_says_nothing_of_ordinary_starts(ready):
    store_kernels({ready(Lab(), safe=True).pk: found("idle")})
    assert not seen()


def test_a_dead_kernel_of_a_running_notebook_is_told_until_one_works(ready):
    session = ready(Lab(), first=True)
    store_kernels({session.pk: found("dead")})
    assert "start it in safe mode" in told(session)
    assert not Build.objects.get().kernel_died  # its person may have broken it meanwhile
    store_kernels({session.pk: found("idle")})
    assert not told(session)
    assert not seen()  # its person may have repaired it for themselves
