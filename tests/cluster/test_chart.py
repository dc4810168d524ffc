"""The portal is installed by docs/kubernetes.md alone: three commands and one file of values."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import helm_python
import pytest

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
