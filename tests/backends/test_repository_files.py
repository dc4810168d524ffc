"""The files of a repository as both back ends read them: one machine's program and the builder's
give the same answers.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from sessions.backends.local import owners, toolbox
from sessions.backends.local.folders import Folders
from sessions.backends.local.toolbox import interpreters

pytestmark = pytest.mark.slow("tools are installed for the first test", seconds=150)

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = """
import json, os, sys
sys.path[:0] = sys.argv[1:]
from bindery_builder import render
from sessions.repofiles import detect
for line in sys.stdin:
    job = json.loads(line)
    for program, words in (detect, job["detect"]), (render, job["render"]):
        sys.argv[1:] = words[1:]
        os.chdir(words[0])
        program.main()
    print(flush=True)
"""
Files = Mapping[str, str | bytes]
Read = Callable[[Files], tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture(scope="module")
def programs(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Both programs in one process, since loading repo2docker takes longer than all answers."""
    python = next(iter(interpreters(owners.builder_uid()).values()))
    tools = toolbox.ensure(Folders(data).toolboxes, python)
    paths = [str(ROOT / "deploy/builder"), str(ROOT)]
    words = [str(tools / "bin/python"), "-I", "-c", PROGRAMS, *paths]
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as running:
        yield running
        running.kill()


@pytest.fixture
def read(programs: subprocess.Popen[str], tmp_path: Path) -> Read:
    """Return a function that returns the answers of `detect` and of `render` for these files."""

    def make(files: Files) -> tuple[dict[str, Any], dict[str, Any]]:
        for name in ("local", "cluster"):
            (tmp_path / name / "kept").mkdir(parents=True)
            for path, content in files.items():
                file = tmp_path / name / "repository" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content if isinstance(content, bytes) else content.encode())
        local, cluster = tmp_path / "local", tmp_path / "cluster"
        answers = [local / "kept/answer.json", cluster / "kept/answer.json"]
        wanted = {
            "base_image": "",
            "python_image": "r.example/python:1",
            "context": str(cluster / "context"),
            "labels": {},
            "kept": str(cluster / "kept"),
            "index": "",
        }
        job = {
            "detect": [str(local / "repository"), str(answers[0]), "3.11", "3.12"],
            "render": [str(cluster / "repository"), json.dumps(wanted), str(answers[1])],
        }
        programs.stdin.write(f"{json.dumps(job)}\n")
        assert programs.stdout.readline() == "\n"
        return json.loads(answers[0].read_text()), json.loads(answers[1].read_text())

    return make


WINDOWS = {
    "binder/requirements.txt": "idna\r\n".encode("utf-16"),
    "binder/postBuild": b"\xef\xbb\xbf#!/bin/bash\r\nnpm install x\r\n",
    "binder/start": b'#!/bin/bash\r\nexec "$@"\r\n',
    "binder/runtime.txt": "Python 3.12\r\n".encode("utf-16"),
    "requirements.txt": b"\xff",
}


def test_files_saved_for_windows_are_read_like_any(read: Read, tmp_path: Path):
    local, cluster = read(WINDOWS)
    assert local == {
        "report": cluster["report"],
        "mistakes": {},
        "places": {"idna": "line 1 of binder/requirements.txt"},
        "rewritten": True,
        "node": True,
        "pack": "python",
        "python": "3.12",
        "requirements": "binder/requirements.txt",
        "package": False,
        "pipfile": "",
        "post_build": ["binder/postBuild"],
        "start": "binder/start",
    }
    needs = cluster["needs"]
    assert (needs["python"], needs["requirements"], needs["node"]) == (
        "3.12", "binder/requirements.txt", True
    )  # fmt: skip
    assert needs["post_build"] == ["binder/postBuild"]
    context = tmp_path / "cluster/context"
    for name, plain in {
        "binder/requirements.txt": b"idna\n",
        "binder/postBuild": b"#!/bin/bash\nnpm install x\n",
        "binder/start": b'#!/bin/bash\nexec "$@"\n',
    }.items():
        assert (context / "src" / name).read_bytes() == plain
        assert (tmp_path / "local/repository" / name).read_bytes() == plain
        original = context / "originals" / name
        assert original.exists() == (name != "binder/start")
        assert not original.exists() or original.read_bytes() == WINDOWS[name]
    assert cluster["text"].endswith('COPY --chown=1000:1000 ["originals/", "/home/jovyan/"]\n')


def test_files_that_are_plain_need_no_step_that_restores_them(read: Read, tmp_path: Path):
    local, cluster = read({"requirements.txt": "idna\n", "start": "ls\n"})
    assert not local["rewritten"]
    assert "originals" not in cluster["text"]
    assert not (tmp_path / "cluster/context/originals").exists()


def test_a_script_that_is_not_executable_is_restored_like_that(read: Read, tmp_path: Path):
    local, cluster = read({"postBuild": "ls\n"})
    assert local["rewritten"]
    assert cluster["text"].endswith('COPY --chown=1000:1000 ["originals/", "/home/jovyan/"]\n')
    modes = [tmp_path / "cluster/context" / name / "postBuild" for name in ("src", "originals")]
    assert [oct(path.stat().st_mode & 0o777) for path in modes] == ["0o755", "0o644"]


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({"README": ""}, ["Build pack: Python"]),
        ({"requirements.txt": "x", "postBuild/x": "", "start/x": ""},
         ["Used: requirements.txt", "Not used: postBuild, because it is a folder and not a file"]),
        ({"environment.yml": "dependencies: []", "requirements.txt": b"\xff", "apt.txt/x": ""},
         ["Build pack: conda", "Used: environment.yml",
          "Not used: apt.txt, because it is a folder and not a file"]),
        ({"environment.yml": "dependencies: [python=3.11]\n".encode("utf-16")},
         ["Used: environment.yml"]),
        ({"Dockerfile": "FROM x\n".encode("utf-16"), "apt.txt": "$(x)"}, ["Used: Dockerfile"]),
        ({"Dockerfile/x": "", "requirements.txt": "x"}, ["Used: requirements.txt"]),
        ({"Pipfile": b"\xef\xbb\xbf[packages]\n"}, ["Build pack: a Pipfile", "Used: Pipfile"]),
        ({"pyproject.toml": b"\xef\xbb\xbf[project]\nname='x'\n[build-system]\n"},
         ["Used: pyproject.toml"]),
        ({"setup.py": "pass".encode("utf-16")}, ["Used: setup.py"]),
        ({"runtime.txt": "# later\n", "requirements.txt": "x"},
         ["Used: requirements.txt", "runtime.txt says nothing, so it is not used."]),
        ({"apt.txt": "\n", "requirements.txt": "x"}, ["Used: requirements.txt"]),
        ({"install.R": "x"}, [("Not used: install.R, because R needs a runtime.txt, such as "
                              "r-4.4-2025-03-01")]),
        ({"requirements.txt": "numpy=1.0\n"},
         [("Note: Line 1 of requirements.txt has a single =, as conda writes versions. pip needs "
          "two, such as numpy==1.26.4.")]),
        ({"environment.yml": "dependencies: []", "Pipfile.lock": "{", "pyproject.toml": "x ="},
         ["Used: environment.yml", "Not used: Pipfile.lock, because environment.yml decides"]),
        ({"binder": "", "Requirements.txt": ""},
         ["Not used: binder, because it is a file and not a folder",
          "Not used: Requirements.txt. Did you mean requirements.txt?"]),
    ],
)  # fmt: skip
def test_both_say_which_files_they_use(read: Read, files, lines):
    local, cluster = read(files)
    assert "error" not in local and "error" not in cluster, (local, cluster)
    assert local["report"] == cluster["report"]
    assert [line for line in lines if line not in local["report"]] == [], local["report"]


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 9\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"requirements.txt": b"x\n# Gr\xf6\xdfe\n"},
            "requirements.txt is not text in UTF-8 (line 2)",
        ),
        (
            {"requirements.txt": "-r more.txt\n", "more.txt": b"\xff"},
            "more.txt is not text in UTF-8",
        ),
        ({"environment.yml": b"# \xf6\n"}, "environment.yml is not text in UTF-8 (line 1)"),
        ({"Pipfile": b"# \xf6\n"}, "Pipfile is not text in UTF-8 (line 1)"),
        ({"Dockerfile": b"# \xf6\nFROM x"}, "Dockerfile is not text in UTF-8 (line 1)"),
        ({"pyproject.toml": b"# \xf6\n"}, "pyproject.toml is not text in UTF-8 (line 1)"),
        ({"runtime.txt": "a-b-c"}, "runtime.txt says “a-b-c”"),
        ({"runtime.txt": "python-3.11\nr-4.1"}, "only one version"),
        ({"Pipfile": "not toml ["}, "Pipfile is not valid TOML"),
        ({"Pipfile.lock": "{"}, "Pipfile.lock is not valid JSON"),
        ({"pyproject.toml": "x =\n"}, "pyproject.toml is not valid TOML"),
        ({"REQUIRE": "julia"}, "Write a Project.toml instead."),
        ({"requirements.txt": POINTER}, "requirements.txt is only a pointer of Git LFS"),
        ({"postBuild": POINTER}, "postBuild is only a pointer of Git LFS"),
        ({"environment.yml": POINTER}, "environment.yml is only a pointer of Git LFS"),
        ({"Pipfile": 'requires = "3.11"\n'}, "Pipfile is not a file of pipenv"),
        ({"Pipfile": "[requires]\npython_version = 3.11\n"}, "Pipfile is not a file of pipenv"),
        ({"Pipfile": "[requires]\npython_version = '9'\n"}, "a value of another kind"),
        ({"Pipfile.lock": "null"}, "Pipfile.lock is not a file of pipenv"),
        ({"Pipfile.lock": '{"_meta": []}'}, "Pipfile.lock is not a file of pipenv"),
        ({"environment.yml": "- numpy\n"}, "environment.yml does not list packages"),
        ({"environment.yml": "dependencies:\n"}, "environment.yml does not list packages"),
        (
            {"environment.yml": "dependencies:\n\t- x"},
            "is not valid YAML (line 2): found character",
        ),
        ({"environment.yml": "dependencies: [a]\ndependencies: [b]\n"}, "duplicate key"),
        ({"environment.yml": "dependencies: ['python=3.x']"}, "which is no version of python"),
        ({"apt.txt": "tree\n$(x)"}, "line 2 of apt.txt has “$(x)”"),
        ({"binder/x": "", ".binder/x": ""}, "only one of them can describe the environment"),
    ],
)
def test_both_refuse_a_file_that_they_would_use_in_the_same_words(read: Read, files, words):
    local, cluster = read(files)
    assert local == cluster
    assert local["error"] == "build.configuration"
    assert words in local["message"]


def test_any_version_of_a_major_one_is_understood(read: Read):
    local, cluster = read({"environment.yml": "dependencies:\n  - python=3.*\n  - r-base==4.*\n"})
    assert local["pack"] == "CondaBuildPack" and cluster["pack"] == "conda"
    assert "environment.yml was understood as: python=3" in local["report"]
    assert local["rewritten"] and "r-base=4 r-irkernel" in cluster["text"]


def test_packages_for_debian_are_the_same_however_they_are_written(read: Read):
    local, cluster = read({"apt.txt": "sudo apt-get install -y Tree unp=2.*\n"})
    assert local["containers"] == "apt.txt"
    assert cluster["needs"]["apt"] == ["tree", "unp=2.*"]
    assert "apt.txt was understood as: tree, unp=2.*" in local["report"]
