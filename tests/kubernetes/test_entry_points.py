"""Images whose entry point, shell or PATH keeps JupyterLab from starting: the cause in words."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sessions.backends.kubernetes import entrypoint, problems, serverpod
from tests.kubernetes.things import BARE, SERVER, Pod

RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
    "create failed: unable to start container process: "
)
REFUSALS = [
    ('exec: "sh": executable file not found in $PATH: unknown', "spawn.no-shell", "no shell"),
    ('exec: "/bin/sh": stat /bin/sh: no such file or directory', "spawn.no-shell", "no shell"),
    ("executable file `sh` not found in $PATH: No such file", "spawn.no-shell", "no shell"),
    ('exec: "/x.sh": stat /x.sh: no such file or directory', "", "“/x.sh” does not exist in"),
    ('exec: "go": executable file not found in $PATH: unknown', "", "“go” does not exist in"),
    ('exec: "jupyter lab": executable file not found in $PATH', "", "“jupyter lab” does not exist"),
    ("executable file `/x` not found: No such file", "", "“/x” does not exist"),
    ('exec: "/x.sh": permission denied: unknown', "", "“/x.sh” cannot be executed by uid 1000"),
    ('exec: "/x": is a directory: unknown', "", "“/x” cannot be executed by uid 1000"),
    ("open executable: Permission denied", "", "cannot be executed by uid 1000"),
    ("exec /x.sh: no such file or directory", "", "Windows line ends"),
    ("exec /x.sh: exec format error", "", "not a program for this machine"),
    ("exec /x: exec format error", "", "architecture (such as amd64 or arm64)"),
    ("standard_init_linux.go:228: exec user process caused: exec format error", "", "#!/bin/sh"),
    (
        'chdir to cwd ("/root/w") set in config.json failed: permission denied: unknown',
        "spawn.work-folder",
        "WORKDIR “/root/w” does not exist or is closed",
    ),
]


def ended(message: str, status: int = 1, reason: str = "Error", *, init: bool = False) -> Pod:
    """Return a pod whose notebook, or whose init container, has ended."""
    state = {"terminated": {"exitCode": status, "reason": reason, "message": message}}
    name = "bindery-files" if init else "notebook"
    key = "initContainerStatuses" if init else "containerStatuses"
    found = {"phase": "Failed", key: [{"name": name, "state": state}]}
    return {**serverpod.pod(SERVER, BARE, "uid"), "status": found}


@pytest.mark.parametrize(("message", "code", "words"), REFUSALS)
def test_a_container_that_cannot_be_started_has_a_reason(message: str, code: str, words: str):
    for init in (False, True):
        pod = ended(RUNC + message, 128, "StartError", init=init)
        found, sentence = problems.why_ended(pod)
        assert found == (code or "spawn.entry-point")
        assert words in sentence
        assert "Start it again" not in sentence


@pytest.mark.parametrize(("message", "code", "words"), REFUSALS)
def test_a_container_that_waits_for_its_start_has_the_same_reason(message, code, words):
    waits = {"waiting": {"reason": "RunContainerError", "message": RUNC + message}}
    pod = {"status": {"containerStatuses": [{"name": "notebook", "state": waits}]}}
    found = problems.permanent_problem(pod)
    assert found is not None
    assert found[0] == (code or "spawn.entry-point")
    assert words in found[1]


@pytest.mark.parametrize("message", ["", "it cannot be done", "exec", "x" * 5_000, "[" * 5_000])
def test_an_unknown_reason_is_quoted(message: str):
    assert problems.why_ended(ended(message, 128, "StartError"))[0] in {
        "spawn.crashed", "spawn.entry-point"
    }  # fmt: skip
    assert entrypoint.start_refusal(message) is None


@pytest.mark.parametrize(
    "line", ["exec /x.sh: no such file or directory", "exec /x: exec format error"]
)
def test_a_refusal_in_the_last_line_of_the_log_counts(line: str):
    assert problems.why_ended(ended(f"a line\n{line}\n", 255))[0] == "spawn.entry-point"
    assert "ENTRYPOINT “/x" in problems.why_ended(ended(line, 255))[1]


def test_a_notebook_without_memory_is_not_blamed_on_its_entry_point():
    assert problems.why_ended(ended("", 137, "OOMKilled"))[0] == "spawn.out-of-memory"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"at": "/opt/conda/bin", "classic": False}, 'ENV PATH="/opt/conda/bin:$PATH"'),
        ({"at": "", "classic": True}, "the classic Jupyter Notebook, but no JupyterLab"),
        ({"at": "", "classic": False}, "has no JupyterLab"),
        ({}, "has no JupyterLab"),
        ({"at": ["/x"], "classic": "yes"}, "has no JupyterLab"),
        ({"at": "/\0\u202e" + "x" * 900}, "not on its PATH"),
    ],
)
def test_an_image_without_jupyterlab_on_path_is_told_where_it_is(said: dict[str, Any], words: str):
    code, sentence = problems.why_ended(ended(json.dumps({"code": "spawn.no-jupyterlab", **said})))
    assert code == ("spawn.not-on-path" if "PATH" in sentence else "spawn.no-jupyterlab")
    assert words in sentence
    assert len(sentence) < 700
    assert "\0" not in sentence


def found_in(opt: Path, *before: str) -> dict[str, Any]:
    """Return what the script prints in a system whose /opt is this folder."""
    inside = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--bind", str(opt), "/opt"]
    text = entrypoint.FIND_SCRIPT.replace("/dev/termination-log", "/dev/stdout")
    script = [*inside, "sh", "-c", "".join(before) + text]
    done = subprocess.run(script, capture_output=True, text=True, check=True, env={"PATH": "/bin"})
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_the_script_finds_jupyterlab_beside_the_path(tmp_path: Path):
    assert found_in(tmp_path) == {"code": "spawn.no-jupyterlab", "at": "", "classic": False}
    program(tmp_path / 'odd"name/bin/jupyter-lab')
    assert found_in(tmp_path)["at"] == ""
    program(tmp_path / "conda/bin/jupyter-lab")
    assert found_in(tmp_path)["at"] == "/opt/conda/bin"


def test_the_script_finds_the_classic_notebook(tmp_path: Path):
    program(tmp_path / "x/bin/jupyter-notebook")
    assert found_in(tmp_path, "PATH=/opt/x/bin:$PATH\n")["classic"] is True


def test_the_script_is_valid_in_every_shell_that_images_have():
    given = serverpod.pod(SERVER, BARE, "uid")["spec"]["containers"][0]["args"][2]
    subprocess.run(["sh", "-n", "-c", given.replace("$$", "$")], check=True)
    subprocess.run(["bash", "-n", "-c", given.replace("$$", "$")], check=True)
