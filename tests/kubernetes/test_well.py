"""Kubernetes' probes of worker and watch: ``deploy/portal/well.py``, run as a probe runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from portal.health.checks import NO_HEARTBEAT, OK
from sessions.watch.conditions import WORKER_STALLED
from tests.kubernetes.registryserver import Scripted

PROGRAM = Path(__file__).resolve().parents[2] / "deploy/portal/well.py"


def exit_code(part: str, address: str) -> int:
    command = [sys.executable, str(PROGRAM), part, f"http://{address}"]
    return subprocess.run(command, timeout=20).returncode


@pytest.mark.parametrize(
    ("part", "state", "code"),
    [
        ("worker", OK, 0),
        ("worker", "tasks wait for too long", 1),
        ("watch", OK, 0),
        ("watch", "no sign of life", 1),
        ("watch", "cannot be known without the database", 0),
    ],
)
def test_a_part_is_sick_when_health_says_so(part, state, code):
    body = json.dumps({"checks": {"worker": OK, "watch": OK, part: state}}).encode()
    with Scripted(lambda asked: asked.answer(503 if code else 200, body)) as web:
        assert exit_code(part, web.address) == code
        assert web.requests == ["GET /health"]


@pytest.mark.parametrize("body", [b"", b"<h1>Bad Gateway</h1>", b"[]", b'{"checks": {}}'])
def test_nobody_is_taken_for_sick_where_web_says_nothing(body):
    with Scripted(lambda asked: asked.answer(502, body)) as web:
        assert exit_code("worker", web.address) == 0
    assert exit_code("worker", web.address) == 0  # nobody listens there any more


def test_the_words_are_those_that_health_uses():
    for words in (WORKER_STALLED, NO_HEARTBEAT):
        assert f'"{words}"' in PROGRAM.read_text()
