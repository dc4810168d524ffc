"""Portals with other settings: each attempt starts one of its own, or runs code with other
settings.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from tests.attacks.acts import Act
from tests.attacks.attempt import ON_ONE_MACHINE
from tests.attacks.cast import World
from tests.kernel import Kernel
from tests.stack import PROJECT, Stack, started

KIND = "settings"
ASK = """
from django.test import Client
answer = Client().get("/sign-in/", secure=True, headers={"host": "portal.example.org"})
print(answer.headers.get("Strict-Transport-Security", ""))
"""
TUNNEL = """
import socket
answers = []
for host in HOSTS:
    with socket.create_connection(("127.0.0.1", 3128), timeout=5) as visitor:
        visitor.sendall(f"CONNECT {host}:PORT HTTP/1.1\\r\\n\\r\\n".encode())
        answers.append(visitor.recv(100).decode().partition("\\r")[0])
print([answer for answer in answers if " 200 " in answer])
"""


def _asked(world: World, code: str, **environment: str) -> str:
    """Return what the code prints in a portal with these settings and no data yet."""
    there = {**os.environ, "PORTAL_DATA": str(world.stack.data), **environment}
    there.pop("PYTEST_VERSION", None)
    words = [sys.executable, "manage.py", "shell", "-v0", "-c", code]
    done = subprocess.run(words, cwd=PROJECT, env=there, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout.strip()


def _no_hsts(world: World) -> str:
    found = _asked(world, ASK, PORTAL_URL="https://portal.example.org")
    return "" if "max-age=" in found else "no Strict-Transport-Security over https"


def _trusting(world: World) -> str:
    """Trust a machine for its git server: that must not trust the portal's own port on it."""
    stack = Stack(PORTAL_TRUSTED_GIT_HOSTS="127.0.0.1", PORTAL_TRUSTED_HOSTS="127.0.0.1")
    stack.warm_up(world.stack.data)
    found = []
    with started(stack):
        stack.account("alice")
        with stack.api("alice") as api:
            own = f"http://127.0.0.1:{stack.port}/health"
            answer = api.http.post("projects/", json={"repository": own})
            if answer.status_code == 201:
                project = api.until(answer.json()["name"], "failed", "ready")
                if project["code"] != "launch.address-private":
                    found.append(f"git: {project['code']} {project['message'][:100]}")
                api.delete(answer.json()["name"])
            name = api.launch(f"{stack.url}/examples/hello.git")
            api.until(name, "ready")
            hosts = ["127.0.0.1", "127.1", "2130706433"]
            with Kernel(api, name) as kernel:
                code = TUNNEL.replace("HOSTS", repr(hosts)).replace("PORT", str(stack.port))
                said = kernel.run(code).strip()
            found += [said] if said != "[]" else []
            api.delete(name)
    return "; ".join(found)


def _unsaid(word: str, **environment: str) -> Callable[[World], str]:
    """Return whether the checks of a portal with these settings do not mention them."""

    def act(world: World) -> str:
        there = {**os.environ, "PORTAL_DATA": str(world.stack.data), **environment}
        words = [sys.executable, "manage.py", "check"]
        done = subprocess.run(words, cwd=PROJECT, env=there, capture_output=True, text=True)
        said = done.stdout + done.stderr
        return "" if word in said else f"no word: {said[-300:]}"

    return act


PLAIN = {"PORTAL_URL": "http://portal.example.org", "PORTAL_GATEWAY_DOMAIN": "example.net"}
BELOW = {"PORTAL_URL": "https://example.org", "PORTAL_GATEWAY_DOMAIN": "example.org"}
PROXIED = {"PORTAL_URL": "https://example.org", "PORTAL_GATEWAY_DOMAIN": "example.net"}
ATTEMPTS = (
    Act(KIND, "have a browser come back without https", _no_hsts),
    Act(KIND, "reach the portal's own port where its machine is trusted for git", _trusting,
        backends=ON_ONE_MACHINE, long=True),
    Act(KIND, "read what goes over the network where nobody was told", _unsaid("PORTAL_URL", **PLAIN), severity="weak", long=True),
    Act(KIND, "plant cookies from notebooks below the portal where nobody was told", _unsaid("PORTAL_GATEWAY_DOMAIN", **BELOW), severity="weak", long=True),
    Act(KIND, "be counted as one with everybody behind a proxy where nobody was told",
        _unsaid("PORTAL_TRUSTED_PROXIES", **PROXIED), severity="weak"),
)  # fmt: skip
