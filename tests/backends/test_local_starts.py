"""Starts that a person's own files or the start script keep from working, and safe mode."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sessions.backends import BuildSpec, ServerReport, ServerSpec
from sessions.backends.local import LocalBackend, owners
from tests.backends.waiting import ask, built, removed, settled, until
from tests.marks import in_long_tests
from tests.tightdisk import tight_disk

pytestmark = pytest.mark.slow("each start is a real JupyterLab, some are two", seconds=300)

PASS_ON = '#!/bin/sh\nexec "$@"\n'
SERVER_CONFIG = ".jupyter/jupyter_server_config.py"


class Lab:
    """A notebook of ada's that has run once, and whose files a test then changes."""

    def __init__(self, backend: LocalBackend, spec: ServerSpec) -> None:
        self.backend = backend
        self.spec = spec
        self.home = Path(backend.folders.project(spec.name)) / "home"
        self.report: ServerReport | None = None

    def write(self, name: str, text: str) -> None:
        owner = self.home.stat()
        path = self.home / name
        for folder in reversed([each for each in path.parents if self.home in each.parents]):
            if not folder.exists():
                folder.mkdir()
                os.chown(folder, owner.st_uid, owner.st_gid)
        path.write_text(text)
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(0o755)

    def start(self, safe_mode: str = "") -> ServerReport:
        """Start it once more, and return its report when it is no longer starting."""
        if self.report:
            removed(self.backend, self.report.id)
        self.spec = replace(self.spec, id=self.spec.id + 10_000, safe_mode=safe_mode)
        self.backend.ensure_server(self.spec)
        self.report = settled(self.backend, self.spec)
        return self.report

    def get(self, path: str) -> tuple[int, bytes]:
        assert self.report
        return ask(self.report.address, path, self.spec.token)


@pytest.fixture
def lab(
    backend: LocalBackend,
    order: Callable[..., BuildSpec],
    wish: Callable[..., ServerSpec],
    images: dict[str, BuildSpec],
) -> Lab:
    if "starts" not in images:
        images["starts"] = built(backend, order({"start": PASS_ON, "index.ipynb": "{}"}))
    first = wish(images["starts"])
    backend.ensure_server(first)
    assert settled(backend, first).state == "ready"
    removed(backend, first.id)
    return Lab(backend, first)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\necho one\necho two >&2\nexit 3\n", "(status 3). Its last lines:\none\ntwo"),
        ("#!/no/such/interpreter\n", "could not be run (status 127)"),
        *in_long_tests(
            ("#!/bin/sh\necho no more\n", '(status 0). Its last line must be: exec "$@"'),
            ('#!/bin/sh\nset -e\nfalse\nexec "$@"\n', "(status 1). It printed nothing."),
            ("#!/bin/sh\nkill -9 $$\n", "(status 137, SIGKILL)"),
        ),
    ],
)
def test_a_start_script_that_ends_is_named_and_left_out_in_safe_mode(lab: Lab, script, words):
    lab.write("start", script)
    report = lab.start()
    assert (report.state, report.code) == ("gone", "spawn.start-script")
    assert report.message.startswith("Your start script (start)")
    assert words in report.message
    assert lab.start(safe_mode="Asked for.").state == "ready"


CHECKS = """#!/bin/sh
[ "$PYTHONNOUSERSITE$BINDERY_SAFE_MODE" = 11 ] || exit
exec "$@" %s
"""


def test_safe_mode_with_the_start_script_runs_it_as_it_was_built(lab: Lab, order):
    lab.write("start", "#!/bin/sh\nexit 1\n")
    lab.spec = replace(lab.spec, keeps_start=True)
    assert lab.start(safe_mode="Its kernel died.").state == "ready"
    spec = built(lab.backend, order({"binder/start": CHECKS % "--no-such-option=1 --version"}))
    lab.spec = replace(lab.spec, image=spec.image, commit=spec.commit)
    report = lab.start(safe_mode="Its kernel died.")
    assert (report.state, report.code) == ("gone", "spawn.crashed")  # it did run


def test_a_start_has_the_same_documented_time_limit_and_tells_who_took_it(lab: Lab, settings):
    settings.PORTAL_SPAWN_TIMEOUT = 2
    lab.write("start", '#!/bin/sh\necho waiting for the data\nsleep 100\nexec "$@"\n')
    report = lab.start()
    assert (report.state, report.code) == ("gone", "spawn.timeout")
    assert "had not started JupyterLab after 2 seconds" in report.message
    assert report.message.endswith("waiting for the data")


def test_a_server_at_another_address_is_named_as_the_reason(lab: Lab, settings):
    settings.PORTAL_SPAWN_TIMEOUT = 5
    lab.write("start", '#!/bin/sh\nexec "$@" --ServerApp.base_url=/mine/\n')
    report = lab.start()
    assert (report.state, report.code) == ("gone", "spawn.timeout")
    assert "refused the portal's requests for 5 seconds (status 404)" in report.message
    assert "/mine/" in report.message
    assert "GET /api/status" not in report.message


def test_the_delay_of_a_start_can_be_explained_while_it_lasts(lab: Lab):
    lab.write("start", '#!/bin/sh\necho waiting for the data\nsleep 100\nexec "$@"\n')
    lab.spec = replace(lab.spec, id=lab.spec.id + 10_000)
    lab.backend.ensure_server(lab.spec)
    until(lambda: "waiting" in lab.backend.why_slow(lab.spec.id, 60)[1], 30)
    code, message = lab.backend.why_slow(lab.spec.id, 60)
    assert code == "spawn.timeout"
    assert message.startswith("Your start script (start) had not started JupyterLab after 60")


@pytest.mark.parametrize(
    "line",
    [
        "c.IdentityProvider.token = 'mine'",
        "c.ServerApp.sock = '/tmp/elsewhere'",
        *in_long_tests(
            "c.ServerApp.base_url = '/x/'",
            "c.ServerApp.port = 1; c.ServerApp.ip = '0.0.0.0'",
            "c.PasswordIdentityProvider.token = 'mine'",
            "c.ServerApp.certfile = '/etc/passwd'; c.ServerApp.keyfile = '/etc/passwd'",
            "this is no Python",
        ),
    ],
)
def test_settings_that_the_portal_needs_win_over_a_persons_own(lab: Lab, line: str):
    lab.write(SERVER_CONFIG, f"{line}\n")
    lab.write(".jupyter/jupyter_lab_config.py", f"{line}\n")
    assert lab.start().state == "ready"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (SERVER_CONFIG, "import sys\nsys.exit(7)\n"),
        (".local/lib/python{python}/site-packages/x.pth", "import os; os._exit(7)\n"),
        *in_long_tests(
            (SERVER_CONFIG, "c.ServerApp.contents_manager_class = 'no.such.Manager'\n"),
            (
                ".jupyter/jupyter_server_config.json",
                '{"ServerApp": {"contents_manager_class": "no.X"}}',
            ),
            (".local/lib/python{python}/site-packages/sitecustomize.py", "raise SystemExit(7)\n"),
        ),
    ],
)
def test_safe_mode_leaves_out_what_a_person_broke(lab: Lab, name: str, text: str):
    result = lab.backend.folders.environment(lab.spec.image) / "result.json"
    python = json.loads(result.read_text())["python"]
    lab.write(name.format(python=python), text)
    report = lab.start()
    assert (report.state, report.code) == ("gone", "spawn.crashed")
    assert "JupyterLab did not start (status" in report.message
    assert lab.start(safe_mode="It did not start as usual.").state == "ready"


def test_a_notebook_in_safe_mode_says_so_and_uses_nothing_of_the_persons(lab: Lab):
    kernel = '{"argv": ["/bin/false"], "display_name": "Broken", "language": "python"}'
    lab.write(".local/share/jupyter/kernels/python3/kernel.json", kernel)
    assert lab.start().state == "ready"
    specs = json.loads(lab.get("/api/kernelspecs")[1])["kernelspecs"]
    assert specs["python3"]["spec"]["display_name"] == "Broken"

    assert lab.start(safe_mode="It broke <here>.").state == "ready"
    specs = json.loads(lab.get("/api/kernelspecs")[1])["kernelspecs"]
    assert specs["python3"]["spec"]["display_name"] != "Broken"
    script = "/lab/extensions/bindery-safe-mode/static/remoteEntry.js"
    assert b"It broke <here>." in lab.get(script)[1]
    page = lab.get("/lab")[1].decode()
    assert "bindery-safe-mode" in page
    assert lab.start().state == "ready"
    assert "bindery-safe-mode" not in lab.get("/lab")[1].decode()


def test_a_full_disk_does_not_keep_a_notebook_from_starting(
    backend: LocalBackend, order, wish, images: dict[str, BuildSpec]
):
    if "starts" not in images:
        images["starts"] = built(backend, order({"start": PASS_ON, "index.ipynb": "{}"}))
    spec = wish(images["starts"])
    folder = backend.folders.project(spec.name)
    folder.mkdir()
    with tight_disk(folder, 40) as disk:
        uid = owners.person_uid(spec.owner_id)
        os.chown(disk.seen, uid, uid)
        lab = Lab(backend, spec)
        assert lab.start().state == "ready"
        shutil.rmtree(lab.home / ".local", ignore_errors=True)
        shutil.rmtree(lab.home / ".jupyter", ignore_errors=True)
        removed(backend, lab.spec.id)
        while disk.free():
            disk.fill()
        lab.report = None
        report = lab.start()
        if report.state == "gone":  # without room for what it keeps in the home
            assert report.code == "spawn.crashed"
            report = lab.start(safe_mode=report.message)
        assert report.state == "ready"
        assert report.files and "has only" in report.files.message
        kernel = lab.get("/api/kernelspecs")
        assert kernel[0] == 200
        removed(backend, lab.spec.id)
