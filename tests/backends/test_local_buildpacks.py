"""Build packs: files that repositories bring along and how they are used, by repo2docker's rules in
our sandbox.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from sessions.backends.local import owners, toolbox
from sessions.backends.local.folders import Folders
from sessions.backends.local.keeper import files
from sessions.backends.local.toolbox import interpreters
from tests.backends.waiting import build_report, built, finished, log, removed, settled

pytestmark = pytest.mark.slow("environments are built", seconds=150)

PACKAGE = {
    "setup.py": "from setuptools import setup\nsetup(name='mine', py_modules=['mine'])\n",
    "mine.py": "WORD = 'from the package'\n",
}


# Loading repo2docker takes longer than all of its answers.
AGAIN_AND_AGAIN = """
import json, os, sys
from sessions.repofiles import detect
for line in sys.stdin:
    folder, *sys.argv[1:] = json.loads(line)
    os.chdir(folder)
    detect.main()
    print(flush=True)
"""


@pytest.fixture(scope="module")
def detecting(data: Path) -> Iterator[subprocess.Popen[str]]:
    """The program that detects the build pack: it reads a folder, a file for the answer, and
    versions, by line.
    """
    python = next(iter(interpreters(owners.builder_uid()).values()))
    tools = toolbox.ensure(Folders(data).toolboxes, python)
    words = [str(tools / "bin/python"), "-I", "-c", AGAIN_AND_AGAIN]
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as running:
        yield running
        running.kill()


@pytest.fixture
def detect(detecting: subprocess.Popen[str], tmp_path: Path):
    """Return a function that detects the build pack for files, as a build does."""

    def run(files: dict[str, str], *versions: str) -> dict[str, object]:
        repository = tmp_path / "repository"
        for name, content in files.items():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            (repository / name).write_text(content)
        answer = tmp_path / "answer.json"
        words = [str(repository), str(answer), *(versions or ("3.11", "3.12"))]
        detecting.stdin.write(f"{json.dumps(words)}\n")
        assert detecting.stdout.readline() == "\n"
        return json.loads(answer.read_text())

    return run


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"Dockerfile": "FROM x"}, "Dockerfile"),
        ({"environment.yml": "dependencies: []", "requirements.txt": ""}, "environment.yml"),
        ({"binder/environment.yml": "dependencies: []"}, "binder/environment.yml"),
        ({"apt.txt": "curl", "requirements.txt": ""}, "apt.txt"),
        ({".binder/apt.txt": "curl"}, ".binder/apt.txt"),
        ({"install.R": "", "runtime.txt": "r-4.3-2024-01-01"}, "install.R"),
        ({"DESCRIPTION": "Package: x"}, "DESCRIPTION"),
        ({"Project.toml": ""}, "Project.toml"),
        ({"default.nix": ""}, "default.nix"),
    ],
)
def test_a_file_that_needs_containers_is_named(detect, files, name):
    assert detect(files)["containers"] == name


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README": ""}, {"pack": "python", "python": "3.11", "package": False}),
        ({"requirements.txt": "x"}, {"requirements": "requirements.txt", "post_build": []}),
        ({"runtime.txt": "python-3.12"}, {"python": "3.12"}),
        ({"runtime.txt": "python-3"}, {"python": "3.11"}),
        ({"runtime.txt": "python-3.12.1"}, {"python": "3.12"}),
        (
            {"binder/requirements.txt": "x", "binder/postBuild": "", "setup.py": "", "start": ""},
            {
                "requirements": "binder/requirements.txt",
                "post_build": ["binder/postBuild"],
                "package": False,
                "start": "",
            },
        ),
        ({".binder/start": "", "requirements.txt": "x"}, {"start": ".binder/start"}),
        ({"setup.py": ""}, {"package": True}),
        ({"pyproject.toml": "[tool.x]\n"}, {"package": False}),
        (
            {"pyproject.toml": "[project]\nname='x'\nrequires-python='>=3.12'\n[build-system]\n"},
            {"package": True, "python": "3.12"},
        ),
        ({"Pipfile": "[packages]\n"}, {"pack": "pipfile", "pipfile": "Pipfile"}),
        ({"Pipfile": "[requires]\npython_version='3.12'\n"}, {"python": "3.12"}),
        ({"Pipfile": "", "Pipfile.lock": "{}"}, {"pipfile": "Pipfile.lock", "python": "3.11"}),
        ({"runtime.txt": "python-2.7"}, {"error": "build.python-missing", "message": "2.7"}),
        ({"runtime.txt": "python-3.9"}, {"error": "build.python-missing", "message": "3.9"}),
        ({"runtime.txt": "a-b-c"}, {"error": "build.configuration"}),
        ({"binder/x": "", ".binder/x": ""}, {"error": "build.configuration"}),
        ({"Pipfile": "not toml ["}, {"error": "build.configuration"}),
        ({"pyproject.toml": "not toml ["}, {"error": "build.configuration"}),
    ],
)
def test_python_repositories_are_detected_as_in_repo2docker(detect, files, expected):
    found = detect(files)
    assert {name: found.get(name) for name in expected} == expected


def failure(backend, spec) -> tuple[str, str]:
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert not backend.has_image(spec.image)
    return report.code, report.message


def test_a_repository_that_needs_containers_is_refused_before_the_build(backend, order):
    spec = order({"binder/Dockerfile": "FROM scratch"})
    code, message = failure(backend, spec)
    assert code == "build.needs-containers"
    assert "binder/Dockerfile" in message
    assert "Installing" not in log(backend, spec.id)


def test_a_missing_python_version_is_refused_with_the_available_ones(backend, order):
    code, message = failure(backend, order({"runtime.txt": "python-2.7"}))
    assert code == "build.python-missing"
    assert "2.7" in message
    assert f"{sys.version_info[0]}." in message


def test_an_uninstallable_requirement_fails_the_build(backend, order):
    spec = order({"requirements.txt": "idna==0.0.0.1\n"})
    assert failure(backend, spec)[0] == "build.requirements"
    assert "idna" in log(backend, spec.id)


def test_a_missing_commit_fails_the_fetch(backend, order):
    spec = order({"README": ""})
    gone = type(spec)(spec.id, spec.url, "d" * 40, "main", spec.image)
    assert failure(backend, gone)[0] == "build.fetch"


def test_a_missing_repository_fails_the_fetch(backend, order, git):
    spec = order({"README": ""})
    gone = type(spec)(spec.id, git.url("ada/nothing"), spec.commit, "main", spec.image)
    assert failure(backend, gone)[0] == "build.fetch"


def test_a_server_that_asks_for_a_password_fails_the_fetch(backend, order, git):
    spec = order({"README": ""})
    git.lock(spec.url.partition(".git")[0].partition(f"{git.host}/")[2])
    assert failure(backend, spec)[0] == "build.fetch"
    assert "could not read Username" in log(backend, spec.id)


def test_all_python_files_together_build_one_environment(backend, order, wish):
    """One build for all of them, since each takes seconds."""
    check = "import mine, idna; print(mine.WORD, idna.__version__)"
    spec = order(
        {
            **PACKAGE,
            "requirements.txt": "idna==3.10\n",
            "postBuild": f'#!/bin/bash\nset -e\npython -c "{check}"\necho $PWD > built-at\n',
            "start": '#!/bin/bash\nexport FROM_START=yes\ntouch started\nexec "$@"\n',
        }
    )
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert (report.code, report.buildpack) == ("", "python"), log(backend, spec.id)
    assert "from the package 3.10\n" in log(backend, spec.id)
    environment = backend.folders.environment(spec.image)
    assert (environment / "home/built-at").read_text() == "/home/jovyan\n"
    there = {path.name for path in environment.iterdir()} - {
        files.UNSYNCED_MARK,
        files.UNCOMPILED_MARK,
    }
    assert there == {"env", "home", files.RESULT}
    server = wish(spec)
    backend.ensure_server(server)
    assert settled(backend, server).state == "ready"
    project = backend.folders.project(server.name)
    assert (project / "home" / "started").exists()
    removed(backend, server.id)


def test_files_saved_for_windows_build_the_same_environment(backend, order, wish):
    spec = order(
        {
            "requirements.txt": "idna==3.10\r\n".encode("utf-16"),
            "postBuild": b'\xef\xbb\xbf#!/bin/bash\r\npython -c "import idna" && touch built\r\n',
            "start": '#!/bin/bash\r\ntouch started\r\nexec "$@"\r\n',
            "runtime.txt": "",
            "Requirements.TXT": "",
        }
    )
    backend.ensure_build(spec)
    report = finished(backend, spec)
    lines = log(backend, spec.id)
    assert (report.code, report.buildpack) == ("", "python"), lines
    assert "\nUsed: requirements.txt, postBuild, start\n" in lines
    assert "\nrequirements.txt was converted to UTF-8" in lines
    home = backend.folders.environment(spec.image) / "home"
    assert (home / "requirements.txt").read_bytes() == "idna==3.10\r\n".encode("utf-16")
    assert _git(home, "status", "--short").split("\n") == ["M start", "?? built"]
    server = wish(spec)
    backend.ensure_server(server)
    assert settled(backend, server).state == "ready"
    assert (backend.folders.project(server.name) / "home/started").exists()
    removed(backend, server.id)


def test_a_script_after_the_build_can_use_node_and_jupyters_extensions(backend, order):
    script = """#!/bin/bash
set -e
echo "node is $(node --version), npm's prefix $(npm prefix --global)"
mkdir tool && echo '{"name": "tool", "version": "1.0.0", "bin": "tool.js"}' > tool/package.json
printf '#!/usr/bin/env node\nconsole.log("tool runs")\n' > tool/tool.js
npm install --global --install-links --offline ./tool
tool
jupyter labextension list
jupyter labextension disable @jupyterlab/extensionmanager-extension
jupyter server extension disable --sys-prefix jupyter_lsp
"""
    spec = built(backend, order({"postBuild": script}))
    lines = log(backend, spec.id)
    assert "npm's prefix /opt/env\n" in lines
    assert "\ntool runs\n" in lines
    environment = backend.folders.environment(spec.image) / "env"
    assert (environment / "bin/tool").exists()
    assert "Disabling: jupyter_lsp" in lines


def test_a_folder_in_the_place_of_a_script_is_not_run(backend, order):
    spec = built(backend, order({"postBuild/README": "", "start/README": ""}))
    assert "Not used: postBuild, because it is a folder and not a file\n" in log(backend, spec.id)


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"requirements.txt": "os\n"}, "build.requirements", "a part of Python itself"),
        (
            {"requirements.txt": "idna\n\nNo_such.Package>1\n"},
            "build.requirements",
            "line 3 of req",
        ),
        ({"postBuild": "sudo apt-get install x\n"}, "build.post-build", "no root rights"),
        ({"requirements.txt": b"# \xf6\n"}, "build.configuration", "Save it as UTF-8"),
    ],
)
def test_a_failure_of_a_known_kind_is_explained(backend, order, files, code, words):
    found, message = failure(backend, order(files))
    assert found == code
    assert words in message


def test_a_pipfile_is_installed(backend, order):
    pipfile = "[packages]\nidna = '==3.10'\n[dev-packages]\niniconfig = '*'\n"
    check = "import idna, iniconfig, jupyterlab; print('pipfile', idna.__version__)"
    spec = order({"binder/Pipfile": pipfile, "binder/postBuild": f'#!/bin/sh\npython -c "{check}"'})
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert (report.code, report.buildpack) == ("", "pipfile"), log(backend, spec.id)
    assert "pipfile 3.10\n" in log(backend, spec.id)


def test_pins_that_break_jupyterlab_fail_the_build(backend, order):
    spec = order({"requirements.txt": "tornado==4.5\n"})
    assert failure(backend, spec)[0] in {"build.no-jupyterlab", "build.requirements"}
    assert build_report(backend, spec.id)


def test_the_repository_is_a_clone_that_tracks_its_branch(backend, order, git):
    spec = order({"README": "first"})
    name = spec.url.partition(".git")[0].partition(f"{git.host}/")[2]
    git.branch(name, "topic", {"README": "topic"})
    commit = git.commit(name, "refs/heads/topic")
    spec = built(backend, type(spec)(spec.id, spec.url, commit, "topic", spec.image))
    home = backend.folders.environment(spec.image) / "home"
    assert _git(home, "status", "--short", "--branch") == "## topic...origin/topic"
    assert _git(home, "rev-parse", "HEAD") == commit
    assert _git(home, "remote", "get-url", "origin") == spec.url
    assert (home / "README").read_text() == "topic"


def test_a_commit_without_a_branch_is_checked_out_detached(backend, order, git):
    spec = order({"README": "first"})
    name = spec.url.partition(".git")[0].partition(f"{git.host}/")[2]
    git.repository(name, {"README": "second"})
    spec = built(backend, type(spec)(spec.id, spec.url, spec.commit, spec.commit, spec.image))
    home = backend.folders.environment(spec.image) / "home"
    assert _git(home, "status", "--short", "--branch") == "## HEAD (no branch)"
    assert (home / "README").read_text() == "first"


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(folder), *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
