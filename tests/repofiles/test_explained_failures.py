"""Requirements and scripts of the kinds that people often bring: a sentence says what is wrong."""

from __future__ import annotations

import pytest

from sessions.repofiles.configuration import hints, requirements

CONDA_LIST = """\
# This file may be used to create an environment using:
# $ conda create --name <env> --file <this file>
# platform: linux-64
_libgcc_mutex=0.1=main
numpy=1.26.4=py311h64a7726_0
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numpy\n--upgrade\n", "Line 2 of requirements.txt has the option --upgrade"),
        ("numpy -U", "Line 1 of requirements.txt has the option --upgrade"),
        ("numpy=1.26\n", "single =, as conda writes versions"),
        ("numpy\nos\n", "Line 2 of requirements.txt asks for os, which is a part of Python"),
        ("json==2.0", "json, which is a part of Python"),
        ("pywin32==306", 'pywin32 ; sys_platform == "win32"'),
        ("Win_Inet_Pton", "win-inet-pton, which exists only for Windows"),
        (CONDA_LIST, "requirements.txt looks like the output of conda list --export"),
        ("numpy=1.26.4=py311h64a7726_0\n", "conda list --export"),
        ("Package    Version\n---------- -------\nnumpy      1.26\n", "the output of pip list"),
        ("name: x\ndependencies:\n  - numpy\n", "Call it environment.yml"),
        ("numpy @ file:///home/conda/feedstock_root/numpy\n", "a file on somebody's computer"),
        ("!pip install numpy", "is a command"),
        ("python -m pip install numpy", "is a command"),
        ("import numpy as np", "is Python code"),
        ("from x import y", "is Python code"),
        ("-e git+git://github.com/a/b#egg=b", "Write git+https://"),
        ("python==3.8", "Name its version in runtime.txt"),
        ("Python>=3.8", "Name its version in runtime.txt"),
        ("pkg_resources==0.0.0", "which does not exist. Remove the line."),
        ("sklearn", "Write scikit-learn"),
        ("torch==1.9.0+cu111", "--extra-index-url https://download.pytorch.org/whl/cpu"),
        ("“numpy”", "has typographic quotes"),
        ("–r other.txt", "has typographic quotes or dashes"),
        ("-e git+git@github.com:a/b.git", "Write git+https://"),
        ("git+ssh://git@github.com:a/b.git", "Write git+https://"),
        ("<!DOCTYPE html>\n<html>", "is a web page"),
        ("{\\rtf1\\ansi numpy\\par}", "is a document of a word processor"),
        ('"numpy",\n"pandas",\n', "Line 1 of requirements.txt has quotes or a comma"),
        ("numpy\n['pandas', 'six']\n", "Line 2 of requirements.txt has quotes or a comma"),
        ("numpy,\npandas\n", "Line 1 of requirements.txt has quotes or a comma"),
    ],
)
def test_a_mistake_is_named_with_what_to_write_instead(text: str, words: str):
    assert words in requirements.mistake("requirements.txt", text)


@pytest.mark.parametrize(
    "text",
    [
        "numpy==1.26.4\nrequests[security]>=2,<3 ; python_version < '3.13'\n",
        "-r other.txt\n--extra-index-url https://example.org\n-e .\n",
        "numpy # --upgrade it some day\n# os\n",
        "pywin32 ; sys_platform == 'win32'\ncolorama ; platform_system == 'Windows'\n",
        "dataclasses\ntyping\n",
        "git+https://github.com/a/b@v1=x\n",
        "numpy===1.26\nx ~= 1.0\nx != 2\n",
        "git+ssh://git@example.org:2222/a/b.git\n",
        "numpy==1.0  # “the old one” – as on the cluster\n",
        "idna==3.10 --hash=sha256:abc=def\n",
        'numpy>=1,<2 ; python_version > "3.9"\n-r "my list.txt"\nx[a,b]\n',
        "",
    ],
)
def test_a_usual_file_has_no_mistake(text: str):
    assert requirements.mistake("requirements.txt", text) == ""


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("-i https://pypi.org/simple\n", "-i https://m.example/s\n"),
        (
            "--extra-index-url http://pypi.python.org/simple/",
            "--extra-index-url https://m.example/s",
        ),
        ('url = "https://pypi.org/simple"', 'url = "https://m.example/s"'),
        ('"url": "https://www.pypi.org/simple/"}', '"url": "https://m.example/s"}'),
        ("-i https://test.pypi.org/simple", "-i https://test.pypi.org/simple"),
        ("-i https://pypi.org.example.net/simple", "-i https://pypi.org.example.net/simple"),
        ("x @ https://pypi.org/project/x", "x @ https://pypi.org/project/x"),
    ],
)
def test_a_mirror_stands_for_pypis_own_index(text: str, mirrored: str):
    assert requirements.use_mirror(text, "https://m.example/s") == mirrored
    assert requirements.use_mirror(text, "") == text


def test_included_files_are_found_in_each_spelling():
    text = "-r a.txt\n-rb.txt\n--requirement=c.txt # why\n -c  d.txt\n-e .\n--require-hashes\n"
    assert requirements.includes(text) == ["a.txt", "b.txt", "c.txt", "d.txt"]
    conda = "dependencies:\n  - numpy\n  - pip:\n    - -r a.txt\n    - '-r b.txt'\n    - -e .\n"
    assert requirements.includes(conda) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("code", "output", "words"),
    [
        (
            "build.requirements",
            "  File \"setup.py\", line 3\nModuleNotFoundError: No module named 'numpy'\nhint: x",
            "A package needs numpy to be built",
        ),
        ("build.package", "ModuleNotFoundError: No module named 'Cython'", "name Cython in"),
        (
            "build.requirements",
            "hint: Pre-releases are available for `x` in the requested range",
            "pre-release",
        ),
        ("build.requirements", "error: command 'gcc' failed: No such file", "wheel"),
        ("build.post-build", "./postBuild: line 2: sudo: command not found", "no root rights"),
        (
            "build.post-build",
            "Jupyter command `jupyter-nbextension` not found.",
            "have no nbextension command",
        ),
        (
            "build.post-build",
            "./postBuild: 1: conda: not found",
            "conda is not in this environment",
        ),
        (
            "build.post-build",
            "./postBuild: line 3: make: command not found",
            "make is not in this environment",
        ),
        ("build.post-build", "ERROR: Can not perform a '--user' install. User", "Leave out --user"),
        (
            "build.post-build",
            "PermissionError: [Errno 13] Permission denied: '/opt/env/lib/python3.11/x.py'",
            "share the files of JupyterLab",
        ),
        (
            "build.post-build",
            "./postBuild: line 2: /opt/env/lib/python3.11/x.py: Permission denied",
            "share the files of JupyterLab",
        ),
    ],
)
def test_output_of_a_known_kind_is_explained(code: str, output: str, words: str):
    assert words in hints.explain(code, output.splitlines(), {})


def test_only_mistakes_in_the_file_that_failed_explain_a_failure():
    mistakes = {"requirements.txt": "One.", "binder/postBuild": "Two."}
    assert hints.explain("build.requirements", [], mistakes) == "One."
    assert hints.explain("build.post-build", [], mistakes) == "Two."
    assert hints.explain("build.timeout", ["sudo: command not found"], mistakes) == ""
    missing = ["ModuleNotFoundError: No module named 'x'"]
    assert hints.explain("build.post-build", missing, {}) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/bash\nsudo pip install x\n", "binder/postBuild uses sudo"),
        ("set -e && sudo apt-get install x", "uses sudo"),
        ("apt-get update\napt-get -y install x\n", "installs Debian packages"),
        ("#!/bin/bash\n# sudo apt-get install x\necho $sudo_x\n", ""),
        ("pip install pseudo aptitude", ""),
    ],
)
def test_a_script_that_needs_root_is_told_about_apt_txt(text: str, words: str):
    found = hints.script_mistake("binder/postBuild", text)
    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("npm install -g x", True),
        ("cd ui && npx x", True),
        ("jupyter labextension install @x/y", True),
        ("jupyter lab build --minimize=False", True),
        ('_("jlpm", "install")', True),
        ('requires = ["hatchling", "hatch-jupyter-builder>=0.5"]', True),
        ("# npm install x\npip install npm-x nodejs", False),
        ("jupyter server extension disable --sys-prefix x", False),
        ("cat nodes/npm.txt", False),
    ],
)
def test_files_that_expect_node_are_known(text: str, node: bool):
    assert hints.expects_node(text) is node
