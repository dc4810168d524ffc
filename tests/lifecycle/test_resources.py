"""Resources that a repository asks for in ``.resources``: read at its commit, and compared with its
owner's limits before anything is built.
"""

from __future__ import annotations

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from quotas.models import LimitSet, Profile
from sessions import capacity, lifecycle
from sessions.backends import Capacity
from sessions.errors import QuotaExceeded
from sessions.lifecycle import admission, builds
from sessions.models import Build, Project, Session
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def scripted(backend, worker):
    LimitSet.objects.create(
        max_gpu=2, total_gpu=2, projects=100, running=100, total_cpu=1000, total_memory_gb=1000
    )


@pytest.fixture
def asking(git):
    """Return a function that gives the address of a repository with this ``.resources``."""

    def make(text: str, name: str = "ada/asking") -> str:
        return git.repository(name, {".resources": text, "index.ipynb": "{}"})

    return make


def test_a_repository_gets_the_resources_it_requests(ada, asking, backend, bring_up):
    project = bring_up(lifecycle.launch(ada, asking("gpu=1\ncpur=2\ncpul=4\nmemr=1\nmeml=4  \n")))
    (spec,) = backend.started_servers.values()
    assert spec.resources == project.current.resources
    assert str(spec.resources) == (
        "Resources(cpu_request=2.0, cpu_limit=4.0, memory_request_gb=1.0, memory_limit_gb=4.0,"
        " gpu=1, gpu_type='', runs_on='')"
    )


def test_a_repository_without_the_file_gets_the_defaults(ada, git, bring_up):
    project = bring_up(lifecycle.launch(ada, git.repository("ada/plain", {"a": "b"})))
    assert (project.current.cpu_limit, project.current.gpu) == (8, 0)
    assert Build.objects.get().resources == ""


def test_an_unknown_key_is_reported_in_the_timeline_once(ada, asking, bring_up):
    project = bring_up(lifecycle.launch(ada, asking("disk=1\ncpur=2\n")))
    messages = list(project.events.values_list("phase", "message"))
    assert [phase for phase, _m in messages] == [
        "waiting", "waiting", "fetching", "built", "launching", "ready",
    ]  # fmt: skip
    assert "disk" in messages[1][1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_the_file_is_read_in_each_encoding_that_marks_itself(ada, git, bring_up, encoding):
    written = "GPU: 1\r\ncpul=4\r\n".encode(encoding)
    url = git.repository("ada/windows", {".resources": written, "index.ipynb": "{}"})
    project = bring_up(lifecycle.launch(ada, url))
    assert (project.current.gpu, project.current.cpu_limit) == (1, 4)
    assert Build.objects.get().resources == "GPU: 1\ncpul=4\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cpul=16GB", "resources.value"),
        ("gpus=1", "resources.key"),
        ("gpu=3", "resources.gpu"),
        ("gpu=1\ngputype=h100", "resources.gputype"),
        ("gputype=h100", "resources.gputype-alone"),
        ("meml=1000", "resources.memory"),
        ("cpul=1000", "resources.cpu"),
        ("cpur=4\ncpul=2", "resources.request-above-limit"),
        ("#" * 70_000, "resources.too-large"),
    ],
)
def test_unavailable_resources_fail_the_launch_before_the_build(
    ada, asking, backend, worker, text, code
):
    lifecycle.launch(ada, asking(text))
    worker.run()
    project = Project.objects.get()
    assert (project.state, project.current.code) == ("failed", code)
    assert not Build.objects.exists()
    assert backend.builds_started == 0


def test_a_notebook_runs_where_its_type_of_gpu_is(ada, asking, backend, bring_up):
    Profile.objects.create(title="A100 nodes", gpu_type="a100", node_selector={"pool": "a100"})
    project = bring_up(lifecycle.launch(ada, asking("gpu=1\ngputype=A100")))
    (spec,) = backend.started_servers.values()
    assert spec.placement.node_selector == {"pool": "a100"}
    assert (project.current.gpu_type, project.current.runs_on) == ("a100", "A100 nodes")
    page = signed_in(ada).get(f"/projects/{project.name}/").content.decode()
    assert "1 GPU (a100)" in page
    assert "Runs on A100 nodes." in page


def test_a_type_of_gpu_that_is_gone_before_the_start_fails_the_launch(
    ada, asking, backend, worker, watch
):
    Profile.objects.create(title="A100 nodes", gpu_type="a100")
    lifecycle.launch(ada, asking("gpu=1\ngputype=a100"))
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    assert Session.objects.get().state == "spawning"
    Profile.objects.update(gpu_type="h100")
    worker.run()
    found = Project.objects.get()
    assert (found.state, found.current.code) == ("failed", "resources.gputype")


def test_the_file_is_read_once_per_commit(ada, bob, asking, git, bring_up):
    url = asking("cpur=2")
    commit = bring_up(lifecycle.launch(ada, url)).commit
    shutil.rmtree(git.folder("ada/asking"))  # whoever asks again is told that it is not there
    project = bring_up(lifecycle.launch(bob, url, ref=commit))
    assert (project.state, project.current.cpu_request) == ("ready", 2)


def test_a_lowered_limit_refuses_the_next_start(ada, asking, worker, watch, bring_up):
    project = bring_up(lifecycle.launch(ada, asking("gpu=2")))
    LimitSet.objects.update(max_gpu=1)
    assert Project.objects.get().state == "ready"  # what runs is left alone
    lifecycle.stop(project, ada)
    worker.run()
    watch.look()
    with pytest.raises(QuotaExceeded) as refusal:
        lifecycle.start(Project.objects.get(), ada)
    assert refusal.value.code == "resources.gpu"
    assert refusal.value.details["name"] == "max_gpu"
    assert Session.objects.count() == 1


def test_a_limit_lowered_during_the_build_applies(ada, asking, backend, worker, watch):
    lifecycle.launch(ada, asking("gpu=2"))
    worker.run()
    LimitSet.objects.update(max_gpu=1)
    backend.finish(Build.objects.get().pk)
    watch.look()
    project = Project.objects.get()
    assert (project.state, project.current.code) == ("failed", "resources.gpu")
    assert backend.started_servers == {}


def test_one_of_fifty_concurrent_launches_gets_the_last_gpu(ada, asking, backend):
    LimitSet.objects.update(total_gpu=1)
    url = asking("gpu=1")
    for _time in range(50):
        lifecycle.launch(ada, url)

    def prepare(pk: int) -> None:
        try:
            builds.prepare(pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(prepare, Session.objects.values_list("pk", flat=True)))
    codes = Counter(Session.objects.values_list("state", "code"))
    assert codes == {("waiting", ""): 1, ("failed", "quota.gpu"): 49}
    assert admission.usage_of(ada).gpu == 1


def test_a_stopping_notebook_frees_its_resources(ada, asking, worker, bring_up):
    LimitSet.objects.update(total_gpu=1)
    first = bring_up(lifecycle.launch(ada, asking("gpu=1")))
    lifecycle.stop(first, ada)
    project = bring_up(lifecycle.launch(ada, asking("gpu=1", "ada/other")))
    assert project.state == "ready"


def test_a_launch_over_the_running_limit_is_refused_with_a_message(ada, asking, bring_up):
    LimitSet.objects.update(running=1)
    running = bring_up(lifecycle.launch(ada, asking("")))
    with pytest.raises(QuotaExceeded) as refusal:
        lifecycle.launch(ada, "ada/flowers")
    assert refusal.value.code == "quota.running"
    assert refusal.value.message == "You have 1 of 1 notebook running. Stop one to start another."
    assert [each["name"] for each in refusal.value.details["projects"]] == [running.name]
    assert Project.objects.count() == 1


def test_builds_over_the_limit_wait(ada, git, backend, worker, watch):
    LimitSet.objects.update(builds=1)
    for name in ("ada/one", "ada/two"):
        lifecycle.launch(ada, git.repository(name, {"a": name}))
    worker.run()
    first, second = Project.objects.order_by("pk")
    assert [first.state, second.state] == ["building", "waiting"]
    assert second.current.code == "quota.builds"
    assert second.events.filter(code="quota.builds").count() == 1
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    assert Project.objects.get(pk=second.pk).state == "building"
    assert Project.objects.get(pk=second.pk).current.code == ""


def test_a_cancelled_build_lets_the_next_one_start(ada, git, worker):
    LimitSet.objects.update(builds=1)
    for name in ("ada/one", "ada/two"):
        lifecycle.launch(ada, git.repository(name, {"a": name}))
    worker.run()
    first, second = Project.objects.order_by("pk")
    lifecycle.cancel(first, ada)
    worker.run()
    assert Project.objects.get(pk=second.pk).state == "building"


def test_the_volume_size_is_the_persons_limit(ada, git, backend, bring_up):
    LimitSet.objects.update(volume_gb=25)
    bring_up(lifecycle.launch(ada, git.repository("ada/plain", {"a": "b"})))
    (spec,) = backend.started_servers.values()
    assert spec.volume_gb == 25


def test_a_link_called_resources_is_refused_and_not_taken_for_no_request(ada, git, backend, worker):
    url = git.repository("ada/linking", {"wanted.txt": "gpu=1\n"})
    git.symlink("ada/linking", ".resources", "wanted.txt")
    lifecycle.launch(ada, url)
    worker.run()
    project = Project.objects.get()
    assert (project.state, project.current.code) == ("failed", "resources.link")


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("cpur=5\ncpul=6", True),  # there are more, but with too little memory
        ("gpu=2", True),
        ("memr=40\nmeml=40", False),
        ("gpu=1", False),
        ("cpur=1\ncpul=6", False),  # what is not guaranteed may be missing
    ],
)
def test_more_than_any_machine_has_is_refused_before_the_build(
    ada, asking, backend, worker, text, refused
):
    LimitSet.objects.update(max_cpu=64, max_memory_gb=512, max_gpu=8, total_memory_gb=1000)
    backend.there_is = Capacity(machines=((4, 16, 1), (4, 64, 0), (64, 0.1, 0)))
    capacity.refresh()
    project = lifecycle.launch(ada, asking(text))
    worker.run()
    project.refresh_from_db()
    assert (project.current.code == "resources.no-machine") is refused
    assert Build.objects.exists() is not refused
    if refused:
        assert "4 CPUs, 16 GB of memory and 1 GPUs, or 4 CPUs" in project.current.message


def test_nothing_is_impossible_where_no_machine_is_known(ada, asking, backend, worker):
    LimitSet.objects.update(max_gpu=8)
    backend.there_is = Capacity(cpu=4, memory_gb=16, gpu=0)
    capacity.refresh()
    lifecycle.launch(ada, asking("gpu=2"))
    worker.run()
    assert Build.objects.exists()
