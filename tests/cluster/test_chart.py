"""The portal is installed by docs/kubernetes.md alone: three commands and one file of values."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import helm_python
import pytest
import yaml
from kubernetes import client
from kubernetes.dynamic import DynamicClient
from kubernetes.utils import parse_quantity

from tests.cluster.kube import end_of
from tests.cluster.load import Asking, Connected, Reading
from tests.cluster.rebuilt import rebuilt
from tests.cluster.release import Release, documented, named, prepared
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import PROJECT, Api, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.xdist_group("chart"),
    pytest.mark.slow("images of the portal, an installation and a notebook", seconds=600),
]
PREPARING = ("/pre-pull.yaml", "/held-room.yaml")
CLEARED_AFTER_EACH = ()
"""Keep ada's projects between the tests: her notebook computes through all upgrades."""


@pytest.fixture(scope="module")
def release(git_server: GitServer) -> Iterator[Release]:
    """The chart's release, installed with the embedded pair and two pods of each part."""
    with prepared() as release:
        release.values["settings"]["PORTAL_TRUSTED_GIT_HOSTS"] = git_server.host
        release.values["test"] = {
            "repository": git_server.repository("ada/tried", {"index.ipynb": "{}"})
        }
        try:
            release.helm(documented("install"))
            yield release
        except BaseException:
            print(release.told())  # noqa: T201  for the report
            raise


def test_three_commands_bring_a_portal_a_notebook_and_an_account(release: Release) -> None:
    health = eventually(release.health, what="an answer of /health")
    assert health.status_code == 200, health.text

    tested = release.helm(documented("test"))
    assert "A notebook with Jupyter" in tested["logs"], tested

    command = "createsuperuser --no-input --username root --email root@example.org"
    assert "Superuser created" in release.manage(command)

    for part in ("worker", "watch"):
        for pod in release.pods(part):
            assert checked(release, pod) == "0\n", release.told()
    assert "kube_config_path" not in release.told()


def test_a_preview_is_rendered_in_a_workers_pod(release: Release) -> None:
    program = "from sessions.preview.run import render; print(render('a.md', b'# Flowers'))"
    pod = release.pods("worker")[0].metadata.name
    said = release.kube.run(pod, f'python manage.py shell -v0 -c "{program}"', container="worker")
    assert re.search("<h1[^>]*>Flowers", said), said


def checked(release: Release, pod: Any) -> str:
    """Run the liveness probe of a pod; return what it printed, and its exit code."""
    [container] = pod.spec.containers
    command = shlex.join(container.liveness_probe._exec.command)
    return release.kube.run(pod.metadata.name, f"{command}; echo $?", container=container.name)


def test_a_second_application_changes_no_secret_and_no_pod(release: Release) -> None:
    kept, pods = release.secrets(), names(release)
    assert {"bindery-keys", "bindery-embedded"} <= kept.keys()
    release.helm(documented("upgrade"))
    assert release.secrets() == kept
    assert names(release) == pods


def names(release: Release) -> set[str]:
    return {pod.metadata.name for part in ("web", "worker", "watch") for pod in release.pods(part)}


# A build that prints a line every half second, for about as long as an upgrade takes.
TICKS = 240
TALKING = f"""#!/bin/sh
for number in $(seq {TICKS}); do echo "tick $number"; sleep 0.5; done
"""
COMPUTING = """
import time
ticks = 0
while ticks < 600:
    time.sleep(0.1)
    ticks += 1
"""
SLOW_MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("notebook_sessions", "%s")]
    operations = [migrations.RunSQL("SELECT pg_sleep(30)", "")]
"""
MIGRATIONS = PROJECT / "sessions/migrations"
PLACE = "srv/bindery/sessions/migrations/9999_slow.py"


@pytest.fixture(scope="module")
def ada(release: Release) -> Iterator[Api]:
    make = "from portal.models import User; User.objects.create_user('ada')"
    release.manage(f'shell -v0 -c "{make}"')
    with release.api("ada") as api:
        yield api


@pytest.fixture(scope="module")
def notebook(ada: Api, git_server: GitServer) -> str:
    """The name of ada's project, whose notebook runs."""
    name = ada.launch(git_server.repository("ada/plain", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    return name


@contextmanager
def nothing_lost(release: Release, ada: Api, notebook: str, git: GitServer) -> Iterator[None]:
    """Use the portal in all ways, and check at the end that nobody has noticed anything."""
    files = {"index.ipynb": "{}", "postBuild": TALKING}
    talking = ada.launch(
        git.repository(f"ada/talking-{secrets.token_hex(4)}", files, executable=["postBuild"])
    )
    host = f"{notebook}.{release.domain}"
    api_host = f"localhost:{release.port}"
    with Kernel(ada, notebook, domain=release.domain) as computing:
        computing.begin(COMPUTING)
        with (
            Asking(f"{release.url}/api/v1/me/", api_host, ada.token) as pages,
            Asking(f"{release.url}/api/status", host, ada.token) as gateway,
            Reading(ada, talking) as log,
            Connected(ada, notebook, release.domain) as socket,
        ):
            eventually(lambda: "tick 3" in log.lines, within=180, what="the build's first lines")
            yield
            assert "ready" in ada.until(talking, "ready")["state"]
            eventually(lambda: f"tick {TICKS}" in log.lines, what="the log's last line")
    for each in (pages, gateway, log, socket):
        assert each.failed == [], f"{type(each).__name__}: {len(each.failed)} failures"
    assert min(pages.answered, gateway.answered) > 100
    ticks = [line for line in log.lines if line.startswith("tick ")]
    assert ticks == [f"tick {number}" for number in range(1, TICKS + 1)]
    assert log.streams > 1, "no web pod with a stream was replaced"
    assert socket.away, "no web pod with the socket was replaced"
    assert max(socket.away) < 5
    with Kernel(ada, notebook, computing.id, release.domain) as kernel:
        assert kernel.run("print(ticks)", within=90) == "600\n"
    ada.delete(talking)


def images(release: Release) -> set[str]:
    return {
        container.image
        for part in ("web", "worker", "watch")
        for pod in release.pods(part)
        for container in pod.spec.containers
    }


@pytest.mark.long
def test_nodes_have_images_and_room_before_they_are_needed(
    release: Release, ada: Api, git_server: GitServer
) -> None:
    [image] = images(release)
    other = rebuilt(image, {"srv/bindery/another": "1"})
    assert other not in on_nodes(release)
    room = {"cpu": f"{free_millicores(release) - 10}m", "memory": "16Mi"}
    release.values["prePull"] = {"enabled": True, "images": [other]}
    release.values["heldRoom"] = {"enabled": True, "resources": room}
    try:
        release.helm(documented("upgrade"))
        eventually(lambda: other in on_nodes(release), within=120, what="the image on the node")
        [placeholder] = release.pods("held-room")
        assert (placeholder.status.phase, placeholder.spec.priority) == ("Running", -10)

        name = ada.launch(git_server.repository("ada/roomy", {".resources": "cpur=0.5\n"}))
        ada.until(name, "ready")
        [waiting] = release.pods("held-room")
        assert waiting.metadata.name != placeholder.metadata.name
        assert waiting.status.phase == "Pending"
        ada.delete(name)
        eventually(
            lambda: [pod.status.phase for pod in release.pods("held-room")] == ["Running"],
            within=120,
            what="the room that is held again",
        )
    finally:
        del release.values["prePull"], release.values["heldRoom"]
        release.helm(documented("upgrade"))


def on_nodes(release: Release) -> set[str]:
    """Return the names of the images that the node has."""
    [node] = release.kube.core.list_node().items
    return {name for image in node.status.images for name in image.names}


def free_millicores(release: Release) -> int:
    """Return how much of the node's processors no pod has requested."""
    [node] = release.kube.core.list_node().items
    taken = sum(
        parse_quantity(container.resources.requests["cpu"])
        for pod in release.kube.core.list_pod_for_all_namespaces().items
        if pod.status.phase in {"Pending", "Running"}
        for container in pod.spec.containers
        if "cpu" in (container.resources.requests or {})
    )
    return int((parse_quantity(node.status.allocatable["cpu"]) - taken) * 1000)


@pytest.mark.long
def test_scheduled_jobs_choose_what_is_pulled_and_how_much_room_is_held(
    release: Release, ada: Api, notebook: str
) -> None:
    values = release.values | {
        "prePull": {"enabled": True, "popular": {"enabled": True}},
        "heldRoom": {
            "enabled": True,
            "resources": {"cpu": "1m", "memory": "16Mi"},
            "followUse": {"enabled": True, "min": 2},
        },
    }
    with applied(release, values, PREPARING) as jobs:
        said = "\n".join(run_once(release, job) for job in jobs)
        assert "Room for 2 notebooks." in said
        [running] = release.kube.pods("bindery/kind=server")
        assert running.spec.containers[0].image in said.splitlines(), said
        eventually(
            lambda: (
                (is_running(release, "pre-pull-popular"), is_running(release, "held-room"))
                == (1, 2)
            ),
            within=120,
            what="the pods of both",
        )


def is_running(release: Release, part: str) -> int:
    """Return how many pods of a part have no container that is not ready."""
    return sum(
        all(each.ready for each in pod.status.container_statuses or [False])
        for pod in release.pods(part)
        if pod.status.phase == "Running"
    )


@contextmanager
def applied(
    release: Release, values: dict[str, Any], templates: tuple[str, ...]
) -> Iterator[list[Any]]:
    """Apply what templates of the chart render, but for CronJobs, which are yielded: the cluster
    does not know their version.
    """
    cluster = DynamicClient(release.kube.core.api_client)
    namespace = release.kube.namespace
    with helm_python.Chart.load(PROJECT / "deploy/chart") as chart:
        texts = chart.render(values, name="bindery", namespace=namespace, is_upgrade=True)
    things = [
        thing
        for name, text in texts.items()
        if name.endswith(templates)
        for thing in yaml.safe_load_all(text)
        if thing
    ]
    others = [thing for thing in things if thing["kind"] != "CronJob"]
    with ExitStack() as ends:
        for thing in others:
            kind = cluster.resources.get(api_version=thing["apiVersion"], kind=thing["kind"])
            kind.create(thing, namespace=namespace)
            ends.callback(kind.delete, thing["metadata"]["name"], namespace=namespace)
        yield [thing for thing in things if thing not in others]


def run_once(release: Release, scheduled: Any) -> str:
    """Run a CronJob's template as a Job; return what its pod printed."""
    jobs: Any = client.BatchV1Api(release.kube.core.api_client)
    name, kube = scheduled["metadata"]["name"], release.kube
    job = {"metadata": {"name": name}, **scheduled["spec"]["jobTemplate"]}
    jobs.create_namespaced_job(kube.namespace, job)
    [pod] = eventually(lambda: kube.pods(f"job-name={name}"), what="the Job's pod")
    end = eventually(lambda: end_of(kube, pod.metadata.name), within=120, what="the Job's end")
    log = str(kube.core.read_namespaced_pod_log(pod.metadata.name, kube.namespace))
    jobs.delete_namespaced_job(name, kube.namespace, propagation_policy="Background")
    assert end == "Succeeded", log
    return log


@pytest.mark.long
def test_an_upgrade_and_a_rollback_lose_nothing(
    release: Release, ada: Api, notebook: str, git_server: GitServer
) -> None:
    [first] = images(release)
    second = rebuilt(first, {"srv/bindery/second-build": "2"})
    with nothing_lost(release, ada, notebook, git_server):
        release.values["image"] = named(second)
        release.helm(documented("upgrade"))
        assert images(release) == {second}
        release.helm(documented("rollback"))
        assert images(release) == {first}
    release.values["image"] = named(first)


@pytest.mark.long
def test_an_upgrade_with_a_long_migration_loses_nothing(
    release: Release, ada: Api, notebook: str, git_server: GitServer
) -> None:
    newest = max(each.stem for each in MIGRATIONS.glob("0*.py"))
    [first] = images(release)
    second = rebuilt(first, {PLACE: SLOW_MIGRATION % newest})
    with nothing_lost(release, ada, notebook, git_server):
        release.values["image"] = named(second)
        release.helm(documented("upgrade"))
        assert images(release) == {second}


@pytest.mark.long
def test_a_wrong_setting_ends_no_pod(release: Release) -> None:
    pods = names(release)
    right = release.values["settings"]
    release.values["settings"] = {**right, "PORTAL_STOP_IDLE_HOURS": "soon"}
    with pytest.raises(helm_python.HelmError):
        release.helm(f"{documented('upgrade')} --timeout 40s")
    assert pods <= names(release)
    assert release.health().status_code == 200
    release.values["settings"] = right
    release.helm(documented("upgrade"))
    assert names(release) == pods
