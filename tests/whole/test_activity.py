"""The portal asks a real JupyterLab what its kernels do."""

from __future__ import annotations

import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.long,
    pytest.mark.slow("an idle notebook is asked each ten seconds", seconds=180),
]

TWO_MORE_ANSWERS = """
import time
from sessions.models import Session
rows = Session.objects.filter(project__name="{}")
seen = [rows.values_list("asked", "busy", "project__last_activity").get()]
while len(seen) < 3:
    time.sleep(0.2)
    now = rows.values_list("asked", "busy", "project__last_activity").get()
    seen += [now] * (now[0] != seen[-1][0])
print(seen[2][1], seen[1][2] == seen[2][2])
"""
"""Whether a kernel computes, and whether the project's last activity stays unchanged."""


def test_a_computation_counts_as_activity_while_somebody_is_connected(
    stack: Stack, git: GitServer, ada: Api
) -> None:
    name = ada.launch(git.repository("ada/computes", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        kernel.begin("import time; time.sleep(600)")
        begun = ada.project(name)["last_activity"]
        # The gateway notes what is sent once a minute, so it is not the one who moves this.
        eventually(lambda: ada.project(name)["last_activity"] > begun, within=60)
    assert stack.manage("shell", "-v0", "-c", TWO_MORE_ANSWERS.format(name)) == "True True"
