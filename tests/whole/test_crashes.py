"""``kill -9`` of any part, in the middle of a build and with a notebook running."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from contextlib import closing

import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.marks import in_long_tests
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("parts are killed, and start again by themselves", seconds=180),
]

TICKS = 100
SLOW = f"""#!/bin/bash
for tick in $(seq {TICKS}); do echo "tick $tick"; sleep 0.1; done
"""


@pytest.mark.parametrize("part", ["worker", "watch", *in_long_tests("web")])
def test_nothing_is_lost_when_a_part_is_killed(
    stack: Stack, git: GitServer, ada: Api, part: str
) -> None:
    running = ada.launch(git.repository("ada/plain", {"index.ipynb": "{}"}))
    ada.until(running, "ready")
    with Kernel(ada, running) as kernel:
        assert kernel.run("answer = 42; print('noted')") == "noted\n"
    files = {"postBuild": SLOW, "of": part}
    building = ada.launch(git.repository(f"ada/{part}", files, executable=["postBuild"]))
    eventually(lambda: "tick 20" in ada.log(building), within=60, what="tick 20")

    stack.kill(part)

    eventually(stack.is_healthy, within=120, what="a healthy portal")
    ada.until(building, "ready")
    ticks = re.findall(r"^tick (\d+)$", "\n".join(ada.log(building)), re.MULTILINE)
    assert [int(tick) for tick in ticks] == list(range(1, TICKS + 1))
    with Kernel(ada, running, kernel.id) as kernel:
        assert kernel.run("print(answer)") == "42\n"


def test_a_restarted_portal_finds_everything(stack: Stack, git: GitServer, ada: Api) -> None:
    running = ada.launch(git.repository("ada/plain", {"index.ipynb": "{}"}))
    ada.until(running, "ready")
    with Kernel(ada, running) as kernel:
        kernel.run("answer = 42")
    building = ada.launch(git.repository("ada/slow", {"postBuild": SLOW}, executable=["postBuild"]))
    within = 60 * stack.patience
    eventually(lambda: "tick 5" in ada.log(building), within=within, what="tick 5")
    stack.stop()
    stack.start()
    ada.until(building, "ready")
    ticks = [line for line in ada.log(building) if line.startswith("tick")]
    assert ticks == [f"tick {number}" for number in range(1, TICKS + 1)]
    with Kernel(ada, running, kernel.id) as kernel:
        assert kernel.run("print(answer)") == "42\n"


STOPPED = """
from datetime import timedelta
from django.utils import timezone
from django_q.models import OrmQ
from sessions.models import Heartbeat
long_ago = timezone.now() - timedelta(minutes=5)
Heartbeat.objects.filter(name="watch").update(at=long_ago)
OrmQ.objects.create(key="bindery", payload="", lock=long_ago)
"""


def stopped(stack: Stack, *names: str) -> list[int]:
    """Stop these parts wherever they are, but not within a write to the one database.

    A part that is stopped there lets nobody else write, not even the test.
    """
    pids = [pid for name in names if (pid := stack.part(name))]
    assert len(pids) == len(names)
    database = sqlite3.connect(stack.data / "db.sqlite3", timeout=30)
    with closing(database), database:
        database.execute("BEGIN IMMEDIATE")
        for pid in pids:
            os.killpg(pid, signal.SIGSTOP)
    return pids


@pytest.mark.long
def test_hanging_parts_are_restarted(stack: Stack, git: GitServer, ada: Api) -> None:
    hung = stopped(stack, "worker", "watch")
    stack.manage("shell", "-c", STOPPED)  # as it looks after a few minutes

    def are_new() -> bool:
        now = [stack.part("worker"), stack.part("watch")]
        return None not in now and not set(now) & set(hung)

    eventually(are_new, within=150, what="a new worker and a new watch")
    ada.until(ada.launch(git.repository("ada/plain", {"index.ipynb": "{}"})), "ready")
