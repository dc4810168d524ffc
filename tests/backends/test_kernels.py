"""The check of a real JupyterLab's kernel tells one that works from one that dies."""

from __future__ import annotations

import asyncio
import json

import pytest

from keys.sealing import seal
from sessions.models import Session
from sessions.models.session import SEAL_PURPOSE
from sessions.watch.kernels import does_kernel_work
from tests.backends.test_local_starts import Lab, lab
from tests.backends.waiting import until

__all__ = ["lab"]

pytestmark = pytest.mark.slow("JupyterLab starts, and gives up on a kernel", seconds=300)

SETTINGS = ".jupyter/jupyter_server_config.json"
GIVES_UP_SOON = json.dumps({"KernelRestarter": {"time_to_dead": 0.2, "restart_limit": 1}})
SPEC = ".local/share/jupyter/kernels/python3/kernel.json"
DIES = json.dumps({"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"})


def works(lab: Lab, *, outside: bool = False) -> bool | None:
    assert lab.report
    token = seal(lab.spec.token, SEAL_PURPOSE)
    session = Session(pk=1, address=lab.report.address, sealed_token=token)
    return asyncio.run(does_kernel_work(session, 100, outside=outside))


def test_a_kernel_in_a_notebook_works_or_dies(lab: Lab):
    lab.write(SETTINGS, GIVES_UP_SOON)
    assert lab.start().state == "ready"
    assert works(lab) is True
    assert works(lab, outside=True) is True
    until(lambda: json.loads(lab.get("/api/kernels")[1]) == [], 20)
    lab.write(SPEC, DIES)
    assert works(lab) is False


@pytest.mark.long
def test_a_kernel_works_although_tmp_is_full(lab: Lab):
    lab.write("start", '#!/bin/sh\nhead -c 100G /dev/zero >/tmp/full\nexec "$@"\n')
    assert lab.start().state == "ready"
    assert works(lab) is True
