"""The contract of every back end: a test module of each subclasses `BackendContract`.

The module provides four fixtures: ``backend``; ``order``, which makes a `BuildSpec` for files (with
``runs=False``, for an image that no notebook is started from); ``wish``, which makes a `ServerSpec`
for a built image; and ``images``, a dictionary that lives as long as the images do. A module may
build each image ``once`` in another way. Calls are made twice wherever the interface allows it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from keys.keypairs import SshIdentity
from sessions.backends import (
    Backend,
    BuildReport,
    BuildSpec,
    ContentSpec,
    ServerReport,
    ServerSpec,
)
from tests.backends.waiting import (
    ask,
    build_report,
    built,
    finished,
    log,
    removed,
    server_report,
    settled,
    until,
)
from tests.sshd import new_identity

Order = Callable[..., BuildSpec]
Wish = Callable[..., ServerSpec]
Once = Callable[[str, dict[str, str]], BuildSpec]
Change = BuildReport | ServerReport | None

COUNTING = {"postBuild": "#!/bin/sh\nfor n in $(seq 300); do echo line $n; done\n"}
ENDLESS = {"postBuild": "#!/bin/sh\necho going on\nsleep 3600\n"}
BROKEN = {"postBuild": "#!/bin/sh\necho it does not work >&2\nexit 3\n"}


# A start script that shows, where Jupyter serves it, what OpenSSH makes of the person's key. It
# does not end when it is told to, nor does anything that it starts.
SCRIPT = """#!/bin/sh
trap '' TERM INT HUP
"$@" &
cd /home/jovyan/.ssh
while sleep 0.2; do
    { cat ssh.pub && ssh-keygen -y -f ssh.priv; } >../seen.new 2>&1
    mv ../seen.new ../seen.txt
done
"""


def twice(call: Callable[..., Any], *arguments: Any) -> None:
    call(*arguments)
    call(*arguments)


@pytest.mark.slow("a cluster takes its time", seconds=400)
class BackendContract:
    """Tests that every back end must pass; see the module."""

    @pytest.fixture
    def once(self, backend: Backend, order: Order, images: dict[str, BuildSpec]) -> Once:
        """Return a function that builds the files once for all tests, under a name."""

        def build(name: str, files: dict[str, str]) -> BuildSpec:
            if name not in images:
                images[name] = built(backend, order(files))
            return images[name]

        return build

    @pytest.fixture
    def plain(self, once: Once) -> BuildSpec:
        """An image that many tests may use."""
        return once("plain", {"index.ipynb": "{}"})

    def test_a_working_back_end_has_no_problems(self, backend: Backend) -> None:
        assert backend.problems() == []

    def test_capacity_is_plausible_if_the_back_end_may_read_it(self, backend: Backend) -> None:
        there_is = backend.capacity()
        if there_is:
            assert (there_is.cpu or 0) >= 1 and (there_is.memory_gb or 0) > 0.5
            assert there_is.gpu is not None

    def test_a_repository_is_built_and_runs_as_a_notebook_and_every_step_is_reported(
        self, backend: Backend, order: Order, wish: Wish
    ) -> None:
        spec = order({"index.ipynb": "{}", **COUNTING})
        assert not backend.has_image(spec.image)
        twice(backend.ensure_build, spec)
        seen = _changes_until(
            backend,
            lambda it: isinstance(it, BuildReport) and it.id == spec.id and it.finished,
        )
        mine = [change for change in seen if isinstance(change, BuildReport)]
        assert len([report for report in mine if report.id == spec.id]) > 2
        assert None in seen
        assert finished(backend, spec).code == "", log(backend, spec.id)
        assert backend.has_image(spec.image)
        twice(backend.ensure_build, spec)
        assert build_report(backend, spec.id) == finished(backend, spec)
        twice(backend.forget_build, spec.id)
        assert build_report(backend, spec.id) is None

        server = wish(spec)
        twice(backend.ensure_server, server)
        seen = _changes_until(
            backend,
            lambda it: (
                isinstance(it, ServerReport) and it.id == server.id and it.state != "starting"
            ),
        )
        assert isinstance(seen[-1], ServerReport) and seen[-1].state == "ready"
        ready = settled(backend, server)
        assert (ready.state, ready.code, ready.name) == ("ready", "", server.name)
        assert ready.node
        assert ask(ready.address, "/api/status", server.token)[0] == 200
        assert ask(ready.address, "/api/status")[0] == 403
        assert ask(ready.address, "/api/contents/index.ipynb?content=0", server.token)[0] == 200
        twice(backend.ensure_server, server)
        assert server_report(backend, server.id) == ready

        assert server.name in backend.projects()
        there = backend.inventory()
        assert server.name in there.projects and server.volume in there.volumes
        assert server.id in there.sessions
        twice(backend.remove_server, server.id)
        gone = until(lambda: _gone(backend, server.id), 60)
        assert (gone.code, gone.message) == ("", "")
        twice(backend.forget_server, server.id)
        until(lambda: server_report(backend, server.id) is None, 60)
        twice(backend.remove_project, server.name)
        assert server.name not in backend.projects()

    def test_the_first_installation_id_is_kept(self, backend: Backend) -> None:
        first = backend.ensure_installation("a" * 32)
        assert backend.ensure_installation("b" * 32) == first == backend.installation()
        assert backend.foreign() == []

    def test_setting_aside_or_putting_back_a_missing_project_is_no_error(
        self, backend: Backend
    ) -> None:
        twice(backend.set_aside, "nobodys-1")
        assert backend.set_aside_items() == []
        for do in (backend.put_back, backend.remove_set_aside, backend.set_aside_size):
            twice(do, "nobodys-1.20261130T120000Z-abcdef")

    def test_two_builds_of_the_same_image_both_succeed_and_it_can_be_removed(
        self, backend: Backend, order: Order
    ) -> None:
        spec = order({"index.ipynb": "{}"}, runs=False)
        other = replace(spec, id=spec.id + 100_000)
        backend.ensure_build(spec)
        backend.ensure_build(other)
        assert (finished(backend, spec).code, finished(backend, other).code) == ("", "")
        assert backend.has_image(spec.image)

        assert (backend.image_size(spec.image) or 0) > 1_000_000
        twice(backend.remove_image, spec.image)
        assert not backend.has_image(spec.image)
        assert spec.image not in {image.name for image in backend.images()}
        assert backend.image_size(spec.image) is None

    def test_concurrent_requests_for_a_notebook_start_one_server(
        self, backend: Backend, plain: BuildSpec, wish: Wish
    ) -> None:
        server = wish(plain)
        together(backend.ensure_server, server)
        assert settled(backend, server).state == "ready"
        removed(backend, server.id)

    def test_concurrent_requests_start_one_build_whose_log_reads_the_same_from_every_position(
        self, backend: Backend, order: Order
    ) -> None:
        spec = order(COUNTING, runs=False)
        together(backend.ensure_build, spec)
        pieces, position = [], ""
        while not (build_report(backend, spec.id) or BuildReport(0)).finished:
            while piece := backend.read_log(spec.id, position):
                pieces.append(piece)
                position = piece.position
        along = "".join(piece.text for piece in pieces) + log(backend, spec.id, position)
        whole = log(backend, spec.id)
        assert along == whole
        assert "".join(f"line {number}\n" for number in range(1, 301)) in along
        assert along.count("line 300\n") == 1
        assert finished(backend, spec).code == ""
        assert all(piece.text.endswith("\n") for piece in pieces)
        assert [piece.phase for piece in pieces] == sorted(
            (piece.phase for piece in pieces), key=["fetching", "building", "pushing"].index
        )

        read, position = "", ""
        while piece := backend.read_log(spec.id, position):
            read, position = read + piece.text, piece.position
            assert len(piece.text.encode()) <= 16 * 1024
            assert read + log(backend, spec.id, position) == whole
        assert backend.read_log(spec.id, position) is None

    def test_a_missing_log_has_no_lines(self, backend: Backend) -> None:
        assert backend.read_log(987_654, "") is None

    def test_a_failed_build_is_reported_until_it_is_forgotten(
        self, backend: Backend, order: Order
    ) -> None:
        spec = order(BROKEN, runs=False)
        backend.ensure_build(spec)
        report = finished(backend, spec)
        assert (report.code, bool(report.message)) == ("build.post-build", True)
        assert "it does not work\n" in log(backend, spec.id)
        backend.ensure_build(spec)
        assert build_report(backend, spec.id) == report
        assert not backend.has_image(spec.image)
        backend.forget_build(spec.id)
        assert build_report(backend, spec.id) is None

    def test_a_cancelled_build_ends_and_leaves_no_image(
        self, backend: Backend, order: Order
    ) -> None:
        spec = order(ENDLESS, runs=False)
        backend.ensure_build(spec)
        until(lambda: "going on\n" in log(backend, spec.id))
        twice(backend.cancel_build, spec.id)
        assert finished(backend, spec).code == "build.cancelled"
        backend.ensure_build(spec)
        assert finished(backend, spec).code == "build.cancelled"
        assert not backend.has_image(spec.image)

    def test_a_build_can_be_cancelled_right_after_its_start(
        self, backend: Backend, order: Order
    ) -> None:
        spec = order(ENDLESS, runs=False)
        backend.ensure_build(spec)
        backend.cancel_build(spec.id)
        assert finished(backend, spec).code == "build.cancelled"

    def test_a_running_build_can_be_forgotten(self, backend: Backend, order: Order) -> None:
        spec = order(ENDLESS, runs=False)
        backend.ensure_build(spec)
        until(lambda: "going on\n" in log(backend, spec.id))
        backend.forget_build(spec.id)
        until(lambda: build_report(backend, spec.id) is None)

    def test_a_notebook_can_be_removed_right_after_its_start(
        self, backend: Backend, plain: BuildSpec, wish: Wish
    ) -> None:
        server = wish(plain)
        backend.ensure_server(server)
        removed(backend, server.id)

    def test_a_notebook_that_ignores_signals_can_be_killed(
        self, backend: Backend, once: Once, wish: Wish
    ) -> None:
        server = wish(once("scripted", {"start": SCRIPT}))
        backend.ensure_server(server)
        assert settled(backend, server).state == "ready"
        twice(backend.kill_server, server.id)
        gone = until(lambda: _gone(backend, server.id), 60)
        assert (gone.code, gone.message) == ("", "")
        backend.ensure_server(server)
        assert _gone(backend, server.id)
        removed(backend, server.id)

    def test_a_sweep_removes_nothing_that_is_in_use(
        self, backend: Backend, plain: BuildSpec, wish: Wish
    ) -> None:
        server = wish(plain)
        backend.ensure_server(server)
        assert settled(backend, server).state == "ready"
        backend.sweep()
        assert server_report(backend, server.id) == settled(backend, server)
        assert backend.has_image(plain.image)
        assert backend.sweep() == []
        removed(backend, server.id)

    def test_a_notebook_has_its_owners_key_and_receives_a_new_one(
        self, backend: Backend, once: Once, wish: Wish
    ) -> None:
        first, second = new_identity(), new_identity()
        server = replace(wish(once("scripted", {"start": SCRIPT})), identity=first)
        twice(backend.ensure_server, server)
        address = settled(backend, server).address
        until(lambda: _seen(address, server.token) == _as_it_should(first), 30)

        twice(backend.renew_identity, "somebody-else", new_identity())
        twice(backend.renew_identity, server.volume, second)
        until(lambda: _seen(address, server.token) == _as_it_should(second), 180)
        twice(backend.forget_identity, server.volume)
        assert _seen(address, server.token) == _as_it_should(second)
        backend.kill_server(server.id)
        removed(backend, server.id)
        twice(backend.forget_identity, server.volume)

    def test_content_is_merged_at_each_start_and_stays_if_nothing_new_can_be_had(
        self, backend: Backend, plain: BuildSpec, order: Order, wish: Wish
    ) -> None:
        course = order({"lesson.txt": "the first lesson"})
        content = ContentSpec(course.url, course.commit, "main", "course")
        server = replace(wish(plain), content=content)
        twice(backend.ensure_server, server)
        ready = settled(backend, server)
        assert (ready.code, ready.files and ready.files.has_content) == ("", True)
        assert ready.files
        assert ready.files.message == (
            f"The folder course has the content’s commit {course.commit[:7]}."
        )
        lesson = f"/api/contents/{content.folder}/lesson.txt"
        status, body = ask(ready.address, lesson, server.token)
        assert (status, b"the first lesson" in body) == (200, True)
        removed(backend, server.id)
        absent = replace(content, commit="d" * 40)
        server = replace(server, id=wish(plain).id, content=absent)
        backend.ensure_server(server)
        ready = settled(backend, server)
        assert (ready.state, ask(ready.address, lesson, server.token)[0]) == ("ready", 200)
        assert ready.files
        assert ready.files.message.startswith("The folder course is as it was, because nothing ")
        removed(backend, server.id)
        never_had = replace(wish(plain), content=absent)
        backend.ensure_server(never_had)
        gone = settled(backend, never_had)
        assert (gone.state, gone.code) == ("gone", "spawn.content")
        removed(backend, never_had.id)

    def test_renewing_or_forgetting_the_key_of_nobody_is_no_error(self, backend: Backend) -> None:
        twice(backend.renew_identity, "nobody-at-all", new_identity())
        twice(backend.forget_identity, "nobody-at-all")

    def test_removing_missing_objects_is_no_error(self, backend: Backend) -> None:
        twice(backend.remove_server, 987_654)
        twice(backend.kill_server, 987_654)
        twice(backend.forget_server, 987_654)
        twice(backend.remove_project, "ada-nothing-12345678")
        twice(backend.cancel_build, 987_654)
        twice(backend.forget_build, 987_654)


def _changes_until(backend: Backend, is_last: Callable[[Change], bool]) -> list[Change]:
    """Return the changes that the back end reports, up to the first for which that is true."""
    seen = []
    for change in backend.changes():
        seen.append(change)
        if is_last(change):
            break
    return seen


def together(call: Callable[..., None], *arguments: Any) -> None:
    """Make the same call from six threads at the same moment."""
    barrier = threading.Barrier(6)
    failures: list[Exception] = []

    def one() -> None:
        barrier.wait()
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001  (a thread cannot raise it where it is seen)
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def _as_it_should(identity: SshIdentity) -> str:
    return f"{identity.public}\n{identity.public}"


def _seen(address: str, token: str) -> str:
    status, body = ask(address, "/api/contents/seen.txt", token)
    return str(json.loads(body)["content"]).strip() if status == 200 else ""


def _gone(backend: Backend, number: int) -> ServerReport | None:
    report = server_report(backend, number)
    return report if report and report.state == "gone" else None
