"""Kubernetes' probes of worker and watch: ``deploy/portal/healthcheck.py``, run as a probe does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from portal.health import checks
from portal.health.checks import FAILING, OK, UNCLEAR
from sessions.models import Heartbeat, HeartbeatName
from sessions.watch import conditions
from tests.kubernetes.registryserver import Scripted

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "deploy/portal/healthcheck.py"
PARTS = ("worker", "watch")


def exit_code(part: str, address: str) -> int:
    command = [sys.executable, str(PROGRAM), part, f"http://{address}"]
    return subprocess.run(command, timeout=20).returncode


def exit_codes(body: bytes) -> dict[str, int]:
    """Return the exit code of each part's probe where web answers this."""
    with Scripted(lambda asked: asked.answer(200, body)) as web:
        return {part: exit_code(part, web.address) for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("state", "code"), [(OK, 0), (FAILING, 1), (UNCLEAR, 0)])
def test_a_probe_fails_when_health_reports_its_part_as_failing(part, state, code):
    body = json.dumps({"states": {"worker": OK, "watch": OK, part: state}}).encode()
    with Scripted(lambda asked: asked.answer(503 if code else 200, body)) as web:
        assert exit_code(part, web.address) == code
        assert web.requests == ["GET /health"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<h1>Bad Gateway</h1>",
        b"[]",
        b'{"states": {}}',
        b'{"checks": {"worker": "tasks wait for too long"}}',  # of a version without `states`
    ],
)
def test_a_probe_passes_when_web_gives_no_answer(body):
    with Scripted(lambda asked: asked.answer(502, body)) as web:
        assert exit_code("worker", web.address) == 0
    assert exit_code("worker", web.address) == 0  # nobody listens there any more


@pytest.mark.django_db
@pytest.mark.parametrize("sentence", ["", "somebody has found a better sentence"])
def test_a_probe_does_not_depend_on_the_wording_of_health(backend, monkeypatch, sentence):
    if sentence:
        monkeypatch.setattr(conditions, "WORKER_STALLED", sentence)
        monkeypatch.setattr(checks, "NO_HEARTBEAT", sentence)
        monkeypatch.setattr(checks, "UNKNOWN", f"{sentence} for this, too")
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=timedelta(minutes=1))
    assert exit_codes(Client().get("/health").content) == {"worker": 0, "watch": 0}
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now() - timedelta(minutes=3))
    assert exit_codes(Client().get("/health").content) == {"worker": 1, "watch": 0}
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert exit_codes(Client().get("/health").content) == {"worker": 1, "watch": 1}
    with connection.execute_wrapper(_unreachable):
        assert exit_codes(Client().get("/health").content) == {"worker": 0, "watch": 0}


def _unreachable(*arguments: object) -> None:
    raise DatabaseError


def test_the_probe_and_health_use_the_same_word_for_failing():
    assert f'FAILING = "{FAILING}"' in PROGRAM.read_text()


def test_the_manifests_probes_run_the_script_in_the_image():
    manifests = yaml.safe_load_all((ROOT / "deploy/kubernetes/portal.yaml").read_text())
    probes = [
        probe["exec"]["command"]
        for each in manifests
        if each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
        if "exec" in (probe := container.get("livenessProbe", {}))
    ]
    path = str(PROGRAM.relative_to(ROOT))
    assert {(words[1], words[2]) for words in probes} == {(path, "worker"), (path, "alive")}
    assert set(PARTS) <= set(checks.REQUIRED_PARTS)
    assert f"COPY {path} deploy/portal/\n" in (ROOT / "deploy/portal/Dockerfile").read_text()
    ignored = (ROOT / "deploy/portal/Dockerfile.dockerignore").read_text()
    assert f"!{path}" in ignored.splitlines()


def test_watch_is_alive_while_it_touches_its_file(tmp_path):
    file = tmp_path / "alive"
    command = [sys.executable, str(PROGRAM), "alive", str(file)]
    assert subprocess.run(command, timeout=20).returncode == 1
    file.touch()
    assert subprocess.run(command, timeout=20).returncode == 0
    long_ago = time.time() - 200
    os.utime(file, (long_ago, long_ago))
    assert subprocess.run(command, timeout=20).returncode == 1


def test_the_manifests_probe_looks_at_the_file_that_watch_touches():
    manifests = yaml.safe_load_all((ROOT / "deploy/kubernetes/portal.yaml").read_text())
    (watch,) = (
        each["spec"]["template"]["spec"]["containers"][0]
        for each in manifests
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "watch"
    )
    assert watch["readinessProbe"]["exec"] == watch["livenessProbe"]["exec"]
    assert watch["command"][-2:] == ["--alive", watch["livenessProbe"]["exec"]["command"][-1]]
