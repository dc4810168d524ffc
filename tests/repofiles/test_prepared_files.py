"""Files are made plain for a build and come back as they were; the log says what became of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions.repofiles.configuration import summary
from sessions.repofiles.configuration.prepare import Prepared, prepare, restore

Files = dict[str, str | bytes]
Make = Callable[[Files], Prepared]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


@pytest.fixture
def prepared(tmp_path: Path, kept: Path, monkeypatch) -> Make:
    """Return a function that prepares a repository of these files, which is the current folder."""
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")

    def make(files: Files) -> Prepared:
        for name, content in files.items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return prepare(kept, "https://m.example/s")

    return make


def test_what_could_not_be_had_is_said_below_the_files_that_are_used():
    notes = [f"The submodule {number} is \x1b\udc80empty." for number in range(30)]
    heading, used, *said = summary.block(["Used: start"], [*notes, "x" * 5000])
    assert (heading, used) == (summary.HEADING, "Used: start")
    assert said[0] == "Note: The submodule 0 is \ufffd\ufffdempty."
    assert said[20:] == ["Note: … and 11 more lines like these"]
    assert summary.block([], ["x" * 5000])[1] == f"Note: {'x' * 994}"
    assert summary.block([], []) == []


FORMS: dict[str, tuple[str, bytes, bytes]] = {
    "requirements in UTF-16": (
        "requirements.txt", "numpy\r\n".encode("utf-16"), b"numpy\n"),
    "requirements with a mark": ("binder/requirements.txt", b"\xef\xbb\xbfnumpy\n", b"numpy\n"),
    "requirements that declare Latin-1": (
        "requirements.txt", "# coding: latin-1\n# ö\n".encode("latin-1"),
        "# coding: latin-1\n# ö\n".encode()),
    "environment.yml in UTF-16": (
        ".binder/environment.yml", "dependencies: []\n".encode("utf-16"), b"dependencies: []\n"),
    "Pipfile with a mark": ("Pipfile", b"\xef\xbb\xbf[packages]\n", b"[packages]\n"),
    "Pipfile.lock in UTF-16": ("Pipfile.lock", "{}".encode("utf-16"), b"{}"),
    "pyproject.toml with a mark": ("pyproject.toml", b"\xef\xbb\xbf[project]\n", b"[project]\n"),
    "Project.toml in UTF-16": ("Project.toml", "[deps]\n".encode("utf-16"), b"[deps]\n"),
    "setup.py in UTF-16": ("setup.py", "import x\n".encode("utf-16"), b"import x\n"),
    "install.R with a mark": ("install.R", b"\xef\xbb\xbfx <- 1\n", b"x <- 1\n"),
    "Dockerfile in UTF-16": ("Dockerfile", "FROM x\n".encode("utf-16"), b"FROM x\n"),
    "postBuild for Windows": ("postBuild", b"#!/bin/sh\r\nls\r\n", b"#!/bin/sh\nls\n"),
    "a list to ignore is left plain": (".dockerignore", "x\n".encode("utf-16"), b"x\n"),
    "start is left plain": ("start", b"\xef\xbb\xbf#!/bin/sh\r\n", b"#!/bin/sh\n"),
    "runtime.txt": ("runtime.txt", b"Python 3.11\r\n", b"python-3.11\n"),
    "apt.txt": ("apt.txt", b"apt-get install -y unp tree\n", b"tree\nunp\n"),
    "invisible characters": (
        "requirements.txt", "numpy\u200b\xa0>=1\n".encode(), b"numpy >=1\n"),
    "invisible characters in apt.txt": ("apt.txt", "tree\u200b\xa0unp\n".encode(), b"tree\nunp\n"),
    "a mirror": (
        "requirements.txt", b"-i https://pypi.org/simple\nx\n", b"-i https://m.example/s\nx\n"),
    "a mirror in a Pipfile": (
        "Pipfile", b'[[source]]\nurl = "https://pypi.org/simple"\n',
        b'[[source]]\nurl = "https://m.example/s"\n'),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "plain"), FORMS.values(), ids=FORMS)
def test_a_build_reads_a_plain_form_and_the_notebook_gets_the_original(
    prepared: Make, kept: Path, name: str, content: bytes, plain: bytes, request
):
    found = prepared({name: content})
    assert Path(name).read_bytes() == plain
    assert list(found.digests) == [name]
    restore(kept)
    assert Path(name).read_bytes() == (plain if "left plain" in request.node.name else content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("requirements.txt", "numpy\r\n# Größe\r\n".encode()),
        ("runtime.txt", b"python-3.11\n"),
        ("apt.txt", b"tree\nunp\n"),
        ("start", b"#!/bin/sh\nprintf 'a\\r\\n'\n"),
        ("setup.py", b"# coding: latin-1\r\n# \xf6\r\n"),
        ("DESCRIPTION", b"Encoding: latin1\nTitle: Gr\xf6\xdfe\n"),
        ("requirements.txt", b"x" * 6_000_000),
    ],
)
def test_a_usual_file_is_not_touched(prepared: Make, name: str, content: bytes):
    found = prepared({name: content})
    assert Path(name).read_bytes() == content
    assert (found.digests, found.faults) == ({}, {})


@pytest.mark.parametrize("name", ["runtime.txt", "apt.txt"])
def test_a_file_that_says_nothing_is_as_good_as_not_there(prepared: Make, kept: Path, name: str):
    prepared({name: "# nothing\n"})
    assert not Path(name).exists()
    restore(kept)
    assert Path(name).read_text() == "# nothing\n"


def test_files_that_requirements_include_are_read_too(prepared: Make, kept: Path):
    included = "pandas\n-r more/deeper.txt\n".encode("utf-16")
    prepared(
        {
            "binder/requirements.txt": "-r ../all.txt\n-r ../../outside.txt\n-r missing.txt\n",
            "all.txt": included,
            "more/deeper.txt": b"\xef\xbb\xbf-r ../all.txt\n",
        }
    )
    assert Path("all.txt").read_text() == "pandas\n-r more/deeper.txt\n"
    assert Path("more/deeper.txt").read_text() == "-r ../all.txt\n"
    restore(kept)
    assert Path("all.txt").read_bytes() == included


def test_a_file_that_the_build_changed_stays_changed(prepared: Make, kept: Path):
    prepared({"requirements.txt": "x".encode("utf-16"), "postBuild": b"ls\r\n"})
    Path("requirements.txt").write_text("changed")
    Path("postBuild").unlink()
    restore(kept)
    assert Path("requirements.txt").read_text() == "changed"
    assert not Path("postBuild").exists()


def test_a_link_comes_back_as_a_link_and_its_target_is_not_touched(prepared: Make, kept: Path):
    Path("deps.txt").write_bytes("x".encode("utf-16"))
    Path("requirements.txt").symlink_to("deps.txt")
    prepared({})
    assert Path("requirements.txt").read_text() == "x"
    assert Path("deps.txt").read_bytes() == "x".encode("utf-16")
    restore(kept)
    assert os.readlink("requirements.txt") == "deps.txt"


def test_files_keep_their_modes(prepared: Make, kept: Path):
    Path("postBuild").write_bytes(b"ls\r\n")
    Path("postBuild").chmod(0o755)
    prepared({})
    assert Path("postBuild").stat().st_mode & 0o777 == 0o755
    restore(kept)
    assert Path("postBuild").stat().st_mode & 0o777 == 0o755


def test_a_script_for_the_build_is_executable_only_there(prepared: Make, kept: Path):
    assert prepared({"postBuild": "#!/bin/sh\n"}).digests
    assert Path("postBuild").stat().st_mode & 0o777 == 0o755
    restore(kept)  # or the person's git would report a change that is not theirs
    assert Path("postBuild").stat().st_mode & 0o777 == 0o644


def test_beside_a_dockerfile_nothing_else_is_changed(prepared: Make):
    found = prepared({"Dockerfile": "FROM x", "start": b"#!/bin/sh\r\n", "apt.txt": b"Tree"})
    assert found.digests == {}
    assert Path("start").read_bytes() == b"#!/bin/sh\r\n"


CONFLICT = b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> theirs\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "requirements.txt",
            b"a\n# Gr\xf6\xdfe\n",
            "requirements.txt is not text in UTF-8 (line 2)",
        ),
        ("environment.yml", b"# \xf6", "Save it as UTF-8"),
        ("Pipfile", b"# \xf6", "Save it as UTF-8"),
        ("Pipfile", b"[packages", "Pipfile is not valid TOML"),
        ("pyproject.toml", b"x = " + b"[" * 100_000, "pyproject.toml is not valid TOML"),
        ("Pipfile.lock", b"[" * 100_000, "Pipfile.lock is not valid JSON"),
        ("apt.txt", b"tree\n$(x)\n", "line 2 of apt.txt"),
        ("runtime.txt", b"a-b-c", "runtime.txt says “a-b-c”"),
        ("requirements.txt", CONFLICT, "has the marks of a conflict (<<<<<<<, line 2)"),
        (
            ".binder/environment.yml",
            CONFLICT,
            ".binder/environment.yml has the marks of a conflict",
        ),
        ("Dockerfile", CONFLICT.replace(b"\n", b"\r\n"), "Decide on one of the two versions"),
    ],
)
def test_what_cannot_be_read_is_a_fault_and_stays(prepared: Make, name, content, words):
    found = prepared({name: content})
    assert words in found.faults[name]
    assert Path(name).read_bytes() == content


def test_two_folders_that_claim_to_describe_the_environment_are_refused(prepared: Make):
    with pytest.raises(ValueError, match=r"both a folder binder and a folder \.binder"):
        prepared({"binder/x": "", ".binder/x": ""})


def told(pack: str, found: Prepared, *, is_package: bool = False) -> list[str]:
    taken = summary.used(pack, found, is_package=is_package)
    return summary.lines(pack, found, taken)


PYTHON, CONDA = "PythonBuildPack", "CondaBuildPack"


@pytest.mark.parametrize(
    ("files", "pack", "lines"),
    [
        (["README"], PYTHON, ["Used: no file of the repository; the environment is a plain one"]),
        (["requirements.txt", "start"], PYTHON, ["Used: requirements.txt, start"]),
        (["setup.py", "pyproject.toml"], PYTHON, ["Used: setup.py, pyproject.toml"]),
        (
            ["environment.yml", "requirements.txt", "setup.py"],
            CONDA,
            [
                "Used: environment.yml",
                ("Not used: requirements.txt, because environment.yml is there; include it under "
                "pip:, as -r requirements.txt"),
                ("Not used: setup.py, because environment.yml is there; include it under pip:, as "
                "-e ."),
            ],
        ),
        (
            ["environment.yml", "environment.yaml"],
            CONDA,
            ["Not used: environment.yaml, because environment.yml decides"],
        ),
        (
            ["binder/.gitkeep", "Dockerfile"],
            PYTHON,
            [
                "Used: no file of the repository; the environment is a plain one",
                "Not used: Dockerfile, because the folder binder is there",
            ],
        ),
        (
            [".binder/requirements.txt", "requirements.txt", "setup.py"],
            PYTHON,
            [
                "Used: .binder/requirements.txt",
                "Not used: requirements.txt, because the folder .binder is there",
                "Not used: setup.py, because the folder .binder is there",
            ],
        ),
        (
            ["Dockerfile", "environment.yml"],
            "DockerBuildPack",
            ["Not used: environment.yml, because the Dockerfile describes the whole environment"],
        ),
        (["install.R"], PYTHON, [("Not used: install.R, because R needs a runtime.txt, such as "
                                 "r-4.4-2025-03-01")]),
        (["Pipfile", "requirements.txt"], "PipfileBuildPack",
         ["Not used: requirements.txt, because Pipfile decides"]),
        (["binder"], PYTHON, ["Not used: binder, because it is a file and not a folder"]),
        (["Binder/x"], PYTHON, ["Not used: the folder Binder. Did you mean binder?"]),
        (["postBuild/x", "start/x"], PYTHON,
         ["Not used: postBuild, because it is a folder and not a file",
          "Not used: start, because it is a folder and not a file"]),
        (["Requirements.txt"], PYTHON,
         ["Not used: Requirements.txt. Did you mean requirements.txt?"]),
        (["requirement.txt"], PYTHON,
         ["Not used: requirement.txt. Did you mean requirements.txt?"]),
        (["enviroment.yml"], PYTHON, ["Not used: enviroment.yml. Did you mean environment.yml?"]),
        (["postbuild.sh"], PYTHON, ["Not used: postbuild.sh. Did you mean postBuild?"]),
        (["apt.txt.txt"], PYTHON, ["Not used: apt.txt.txt. Did you mean apt.txt?"]),
        (["install.r"], PYTHON, ["Not used: install.r. Did you mean install.R?"]),
        (["resources.txt"], PYTHON, ["Not used: resources.txt. Did you mean .resources?"]),
        (["uv.lock"], PYTHON, ["Not used: uv.lock. Describe this in requirements.txt."]),
        (["binder/Containerfile"], PYTHON,
         ["Not used: binder/Containerfile. Describe this in Dockerfile."]),
    ],
)  # fmt: skip
def test_the_log_says_what_is_used_what_not_and_why(prepared: Make, files, pack, lines):
    found = told(pack, prepared(dict.fromkeys(files, "")), is_package=True)
    assert set(lines) <= set(found), found


@pytest.mark.parametrize(
    "name",
    ["requirements-dev.txt", "environment-dev.yml", "README.md", "LICENSE", "index.ipynb",
     "setup.cfg", "test.txt", "Makefile", "stats", "runtime.py", "x" * 255],
)  # fmt: skip
def test_a_name_of_its_own_is_not_remarked_on(prepared: Make, name: str):
    assert len(told(PYTHON, prepared({name: ""}))) == 2


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("[project]\nname = 'x'\ndependencies = ['six']\n", "build-system"),
        ("[tool.poetry.dependencies]\nsix = '*'\n", "build-system"),
        ("[tool.poetry]\nname = 'x'\n[build-system]\nrequires = []\n", "project"),
        ("[tool.ruff]\nline-length = 100\n", ""),
        ("[project]\nname = 'x'\n[build-system]\nrequires = []\n", ""),
        ("tool = 1\n", ""),
    ],
)
def test_a_project_that_cannot_be_installed_as_it_is_is_told(prepared: Make, text, missing):
    found = told(PYTHON, prepared({"pyproject.toml": text}), is_package=False)
    said = [line for line in found if line.startswith("Not used: pyproject.toml")]
    assert len(said) == bool(missing)
    assert not missing or f"it has no [{missing}]" in said[0]


def test_a_proper_file_silences_guesses_about_names_like_its_own(prepared: Make):
    lines = told(PYTHON, prepared({"requirements.txt": "", "requirements2.txt": "", "uv.lock": ""}))
    assert lines == ["Build pack: Python", "Used: requirements.txt"]


def test_what_was_understood_in_another_way_is_said(prepared: Make):
    found = prepared(
        {
            "runtime.txt": "Python 3.11",
            "requirements.txt": "numpy -U\n".encode("utf-16"),
            "postBuild": b"ls\r\n",
        }
    )
    assert told(PYTHON, found)[2:] == [
        "requirements.txt was converted to UTF-8 with usual line ends for the build.",
        "runtime.txt was understood as: python-3.11",
        (
            "postBuild was saved for Windows (line ends, or a byte order mark), and runs as if it "
            "had been saved for Linux."
        ),
        (
            "Note: Line 1 of requirements.txt has the option --upgrade, which a requirements file "
            "cannot have. Remove it: the environment is new, so packages are as new as the file "
            "allows."
        ),
    ]


def test_a_link_to_nothing_is_said_not_to_be_used(prepared: Make):
    Path("postBuild").symlink_to("nowhere")
    lines = told(PYTHON, prepared({}))
    assert "Not used: postBuild, because it is a link to something that is not there" in lines


def test_names_cannot_write_to_the_readers_terminal(prepared: Make):
    lines = told(PYTHON, prepared({"\x1b[31m/x": "", "requirement\u202e.txt": ""}))
    assert all(line.isprintable() for line in lines)
