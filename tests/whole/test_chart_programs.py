"""Programs of the chart, on a whole portal: the launch of `helm test`, and what pods wait for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chart.rendering import objects, values_of
from tests.githttp import GitServer
from tests.stack import PROJECT, Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow("a build and a notebook", seconds=120)]

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
OLD = [f"nightly-2026-01-0{day}-021500" for day in (1, 2, 3)]
LEFT = """
from keys.models import Token
from portal.models import User
from sessions.models import Project
user = User.objects.get(username="helm-test")
tokens, projects = Token.objects.filter(user=user), Project.objects.existing().filter(owner=user)
print(user.is_active, user.has_usable_password(), tokens.count(), projects.count())
"""


def run(stack: Stack, repository: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "deploy/portal/try_launch.py", "--within=100", stack.url, repository]
    return subprocess.run(
        command, cwd=PROJECT, env=stack.environment, capture_output=True, text=True, timeout=120
    )


def test_a_launch_is_told_and_leaves_no_access(stack: Stack, git: GitServer) -> None:
    done = run(stack, git.repository("ada/helm", {"index.ipynb": "{}"}))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "ready: " in done.stdout
    assert "A notebook with Jupyter" in done.stdout.splitlines()[-1]
    assert stack.manage("shell", "-v0", "-c", LEFT) == "False False 0 0"


def test_a_launch_that_fails_says_why(stack: Stack, git: GitServer) -> None:
    done = run(stack, git.repository("ada/broken", {"postBuild": "exit 1"}))
    assert done.returncode == 1
    assert "The launch failed (build." in done.stderr
    assert stack.manage("shell", "-v0", "-c", LEFT) == "False False 0 0"


def test_an_account_of_somebody_is_not_used(stack: Stack, git: GitServer) -> None:
    change = "User.objects.update_or_create(username='helm-test', defaults={'issuer': '%s'})"
    stack.manage(
        "shell", "-c", "from portal.models import User;" + change % "https://login.example"
    )
    try:
        done = run(stack, git.repository("ada/other", {"index.ipynb": "{}"}))
        assert done.returncode == 1
        assert "belongs to somebody" in done.stderr
    finally:
        stack.manage("shell", "-c", "from portal.models import User;" + change % "")


def waiting(environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start the command of the init container `wait-for-database`."""
    [web] = [each for each in objects(values_of("production")) if each.name == "web" and each.pod]
    assert web.pod
    [container] = web.pod["spec"]["initContainers"]
    return subprocess.Popen(
        container["command"],
        cwd=PROJECT,
        env={**environment, "PATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_pod_begins_when_the_database_has_its_tables(stack: Stack) -> None:
    with waiting(stack.environment) as process:
        assert process.wait(60) == 0


def test_a_pod_waits_for_the_tables(stack: Stack, tmp_path: Path) -> None:
    with waiting({**stack.environment, "PORTAL_DATA": str(tmp_path)}) as process:
        assert process.stdout
        said = next(line for line in process.stdout if "Waiting for" in line)
        process.terminate()
    assert said == "Waiting for the database, and for the Job that migrates it.\n"


def test_a_pod_with_a_wrong_setting_names_it_and_does_not_begin(stack: Stack) -> None:
    with waiting({**stack.environment, "PORTAL_STOP_IDLE_HOURS": "soon"}) as process:
        said, _nothing = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "PORTAL_STOP_IDLE_HOURS" in said


def test_a_backup_removes_the_oldest_only_when_it_is_complete(stack: Stack, tmp_path: Path) -> None:
    values = {**values_of("production"), "backup": {"enabled": True, "keep": 2}}
    [job] = [each for each in objects(values) if each.kind == "CronJob"]
    assert job.pod
    *shell, script = job.pod["spec"]["containers"][0]["command"]
    backups, data = tmp_path / "backups", tmp_path / "data"
    for name in (*OLD, "by-hand"):
        (backups / name / "portal").mkdir(parents=True)
    environment = {**stack.environment, "PATH": PATH, "PORTAL_DATA": str(data)}

    def run() -> tuple[int, list[str]]:
        command = [*shell, script.replace("/backups", str(backups))]
        done = subprocess.run(command, cwd=PROJECT, env=environment, timeout=60)
        return done.returncode, sorted(each.name for each in backups.glob("*-*"))

    assert run() == (1, ["by-hand", *OLD])  # there is no database
    migrate = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(migrate, cwd=PROJECT, env=environment, check=True)
    status, (_by_hand, kept, made) = run()
    assert (status, kept) == (0, OLD[-1])
    assert (backups / made / "portal/manifest.json").exists()
