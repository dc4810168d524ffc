"""Environments whose packages bring another JupyterLab than the portal's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sessions.backends.local.keeper.jupyter import SOCKET
from sessions.backends.local.keeper.probe import Probe
from tests.backends.waiting import ask, built, finished, log, removed, settled
from tests.marks import in_long_tests

pytestmark = pytest.mark.slow("packages are downloaded, and JupyterLab starts twice", seconds=300)

BREAKS_LAB = """#!/bin/sh
folder=$(/opt/env/bin/python -c 'import jupyterlab; print(jupyterlab.__path__[0])')
sed -i '$a raise ImportError("no such thing as a lab")' "$folder/labapp.py"
"""
NEVER_ANSWERS = """#!/bin/sh
folder=$(/opt/env/bin/python -c 'import jupyter_server; print(jupyter_server.__path__[0])')
sed -i '$a import sys; print("gone astray"); sys.exit(5)' "$folder/serverapp.py"
"""
BREAKS_KERNEL = """#!/bin/sh
folder=$(/opt/env/bin/python -c 'import ipykernel; print(ipykernel.__path__[0])')
sed -i '$a raise ImportError("no kernel today")' "$folder/kernelapp.py"
"""
REMOVES_KERNEL = """#!/bin/sh
/opt/env/bin/python -m pip uninstall --yes ipykernel
rm -rf /opt/env/share/jupyter/kernels
"""
STARTS_NOTHING = """#!/bin/sh
cd /opt/env/share/jupyter/kernels/python3
sed -i 's|"[^"]*python[^"]*",|"/opt/nothing-there",|' kernel.json
"""
OTHER_KERNEL = f"""{REMOVES_KERNEL}
mkdir -p /opt/env/share/jupyter/kernels/shell
echo '{{"argv": ["/bin/sh"], "display_name": "Shell", "language": "sh"}}' \\
    >/opt/env/share/jupyter/kernels/shell/kernel.json
"""


@pytest.mark.parametrize(
    "requirements",
    [
        "jupyterlab==3.6.8\nnotebook==6.5.7\n",
        *in_long_tests("jupyterlab==3.0.16\n", "jupyterlab<4\n"),
    ],
)
def test_an_old_server_gets_its_token_and_works(backend, order, wish, requirements: str):
    spec = built(backend, order({"requirements.txt": requirements, "index.ipynb": "{}"}))
    server = wish(spec)
    backend.ensure_server(server)
    ready = settled(backend, server)
    assert (ready.state, ready.message) == ("ready", "")
    assert ask(ready.address, "/api/status", server.token)[0] == 200
    assert ask(ready.address, "/api/status")[0] == 403
    assert ask(ready.address, "/api/contents/index.ipynb?content=0", server.token)[0] == 200
    assert ask(ready.address, "/lab", server.token)[0] == 200
    asyncio.run(_kernel_answers(backend.folders.keeper("server", server.id), server.token))
    removed(backend, server.id)


async def _kernel_answers(folder: Path, token: str) -> None:
    """Return once a new kernel is idle, as the server of any version tells the keeper."""
    probe = Probe(folder / "io", folder / SOCKET, token)
    kernel = await probe.start_kernel()
    async with probe.greeting(kernel):
        while await probe.kernel_state(kernel) != "idle":
            await asyncio.sleep(0.05)


def test_a_kernel_that_may_need_the_start_script_does_not_fail_the_build(backend, order):
    spec = built(backend, order({"postBuild": BREAKS_KERNEL, "start": '#!/bin/sh\nexec "$@"\n'}))
    assert "The kernel does not start here." in log(backend, spec.id)


def test_one_kernel_of_another_language_is_enough(backend, order):
    built(backend, order({"postBuild": OTHER_KERNEL}))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (BREAKS_LAB, "no such thing as a lab"),
        (NEVER_ANSWERS, "gone astray"),
        (BREAKS_KERNEL, "kernel dies at once"),
        (REMOVES_KERNEL, "no kernel that starts"),
        (STARTS_NOTHING, "no kernel that starts"),
    ],
)
def test_an_environment_in_which_jupyterlab_does_not_start_fails_as_a_build(
    backend, order, script: str, words: str
):
    spec = order({"postBuild": script}, runs=False)
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert report.code == "build.no-jupyterlab"
    assert words in report.message
    assert words in log(backend, spec.id) or "kernel" in words
    assert not backend.has_image(spec.image)
