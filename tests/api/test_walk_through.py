"""The walk-throughs in docs/api.md work as written, against a whole portal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import PROJECT, Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow("a build and a notebook", seconds=180)]

TEXT = (PROJECT / "docs" / "api.md").read_text()

LOCALHOST = """
import socket
ask = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    return ask("127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""
"""Make names below localhost resolve to this machine.

Browsers and curl do so (RFC 6761), but not every C library does. A real portal has names in the
DNS.
"""


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture
def environment(stack: Stack, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "sitecustomize.py").write_text(LOCALHOST)
    token = stack.manage("create_token", "ada").splitlines()[-1]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "PORTAL": stack.url,
        "TOKEN": token,
    }


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_curl_walk_through_works(stack: Stack, environment: dict[str, str]) -> None:
    output = run(environment, "bash", "-euc", blocks("sh"))
    assert re.search(r'"phase": ?"ready"', output)
    assert '"state":"ready"' in output
    assert re.search(r'"state":"stopp(ing|ed)"', output)
    assert stack_has_no_projects(stack)


def test_the_python_walk_through_works(stack: Stack, environment: dict[str, str]) -> None:
    output = run(environment, sys.executable, "-c", blocks("python"))
    assert "\nready " in output
    assert output.endswith("42\n\n")
    assert stack_has_no_projects(stack)


def stack_has_no_projects(stack: Stack) -> bool:
    with stack.api("ada") as api:
        return api.http.get("projects/").json() == []
