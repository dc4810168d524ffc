"""A notebook's second repository on Kubernetes: the pod's parts compared whole, and its merge."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keys.keypairs import SshIdentity
from sessions.backends import ContentSpec
from sessions.backends.kubernetes import problems, serverpod
from sessions.backends.kubernetes.homes import helper_pods, pods, prepare, program
from sessions.repofiles.merge import MergeFailed, merge
from tests.kubernetes.things import BARE, FULL, SERVER, containers
from tests.repofiles.folders import write

CONTENT = ContentSpec("https://git.example.org/ada/course", "d" * 40, "main", "course")
SPEC = replace(SERVER, content=CONTENT)
CLONE = {"name": "content", "mountPath": "/run/bindery/content"}


def test_the_container_that_clones_has_the_builders_image_and_only_git_to_run():
    assert pods.content_container(SPEC, CONTENT, BARE) == {
        "name": "bindery-content",
        "image": "builder:1",
        "command": ["bindery-build", "content"],
        "env": [
            {"name": "BUILD_URL", "value": CONTENT.url},
            {"name": "BUILD_COMMIT", "value": CONTENT.commit},
            {"name": "BUILD_REF", "value": "main"},
            {"name": "BUILD_IMAGE", "value": ""},
            {"name": "BUILD_REPOSITORY_LIMIT", "value": "2000000000"},
            {"name": "BUILD_LOG_LIMIT", "value": "10000000"},
            {"name": "BUILD_PLAIN_HTTP", "value": ""},
            {"name": "BUILD_CA", "value": ""},
            {"name": "BUILD_SECONDS", "value": "300"},
        ],
        "resources": BARE.container_resources(replace(SERVER.resources, gpu=0)),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "content", "mountPath": "/build"}],
    }


def test_only_a_private_contents_container_has_the_key_and_the_sites_authorities():
    private = replace(CONTENT, url="ssh://git@git.example.org/ada/course")
    mounts = pods.content_container(SPEC, private, FULL)["volumeMounts"]
    assert [each["mountPath"] for each in mounts[1:]] == [
        "/run/bindery/ca", "/run/bindery/key",
    ]  # fmt: skip
    spec = replace(SPEC, content=private, identity=SshIdentity("private", "public", "known"))
    names = {volume["name"] for volume in serverpod.pod(spec, FULL, "uid-1")["spec"]["volumes"]}
    assert {each["name"] for each in mounts} <= names


def test_the_clone_is_merged_before_the_notebook_starts_which_does_not_see_it():
    plain, pod = (serverpod.pod(spec, BARE, "uid-1") for spec in (SERVER, SPEC))
    first, second = pod["spec"]["initContainers"]
    assert first == pods.content_container(SPEC, CONTENT, BARE)
    words = [*program.PREPARE_COMMAND, SERVER.name, SERVER.commit, "course", CONTENT.commit, ""]
    before = containers(plain)["bindery-files"]
    assert second == {
        **before, "command": words, "volumeMounts": [*before["volumeMounts"], CLONE],
    }  # fmt: skip
    volume = {"name": "content", "emptyDir": {"sizeLimit": "4000000000"}}
    assert [each for each in pod["spec"]["volumes"] if each not in plain["spec"]["volumes"]] == [
        volume
    ]
    assert containers(pod)["notebook"] == containers(plain)["notebook"]
    optional = replace(SPEC, content=replace(CONTENT, unless_puller=True))
    assert pods.prepare_container(optional, BARE)["command"][-1] == "1"


def test_without_kept_folders_the_clone_is_the_folder_itself():
    site = replace(BARE, keep_homes=False)
    pod = serverpod.pod(SPEC, site, "uid-1")
    (first,) = pod["spec"]["initContainers"]
    assert first["command"] == ["bindery-build", "fetch"]
    mount = {"name": "content", "mountPath": "/home/jovyan/course", "subPath": "repository"}
    assert mount in containers(pod)["notebook"]["volumeMounts"]


FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Return a function that prepares the folder with a clone, or with none and the reason."""
    for name in ("image", "volume", "content"):
        (tmp_path / name).mkdir()
    write(tmp_path / "image", {"env.txt": b"env"})

    def started(commit: str, clone: dict[str, bytes] | None, mode: str = "") -> dict[str, Any]:
        content = tmp_path / "content"
        (content / "failed.json").write_text(json.dumps({"message": "No such repository."}))
        if clone is not None:
            write(content / "repository", clone)
        message = prepare.prepare_home(
            SERVER.name,
            SERVER.commit,
            merging,
            str(tmp_path / "image"),
            str(tmp_path / "volume"),
            content=["course", commit, mode],
            clones=str(content),
        )
        assert not (content / "repository").exists()
        return message

    return started


def merging(source: str, target: str, record: str, commit: str) -> dict[str, Any]:
    try:
        return merge(source, target, record, commit)
    except MergeFailed as failed:
        return {"error": {"code": failed.code, "message": failed.message}}


def course(tmp_path: Path) -> Path:
    return tmp_path / "volume/.bindery/projects" / SERVER.name / "course"


def test_edits_stay_and_the_new_commit_comes(start, tmp_path):
    assert start(FIRST, {"a": b"1", "b": b"1"})["content"]["state"] == "filled"
    assert (course(tmp_path).parent / "env.txt").read_text() == "env"
    (course(tmp_path) / "a").write_text("mine")
    report = start(SECOND, {"a": b"1", "b": b"2"})["content"]
    assert (report["state"], report["updated"], report["folder"]) == ("merged", 1, "course")
    assert [(course(tmp_path) / name).read_text() for name in "ab"] == ["mine", "2"]
    assert start(SECOND, None)["content"]["again"], "the same commit needs no clone"


def test_without_a_clone_the_folder_stays_as_it_was_or_the_start_fails(start, tmp_path):
    message = start(FIRST, None)
    assert message["code"] == "spawn.content"
    ended = {"exitCode": 1, "message": json.dumps(message)}
    code, sentence = helper_pods.prepare_problem(ended)
    assert (code, sentence) == (
        "spawn.content",
        "The content could not be fetched, so the notebook was not started: No such repository.",
    )
    start(FIRST, {"a": b"1"})
    left = start(SECOND, None)["content"]
    assert left["left"] == "No such repository."
    assert (course(tmp_path) / "a").read_text() == "1"


def test_where_nbgitpuller_is_nothing_is_merged(start, tmp_path):
    assert start(FIRST, {"a": b"1"}, "1")["content"]["state"] == "filled"
    (tmp_path / "python/lib/python3.12/site-packages/nbgitpuller").mkdir(parents=True)
    folders = (str(tmp_path / "volume"), str(tmp_path / "content"), str(tmp_path / "python"))
    content = ["course", SECOND, "1"]
    assert prepare.merge_content(SERVER.name, content, merging, *folders) == {}
    assert (course(tmp_path) / "a").read_text() == "1"


def test_the_merge_program_of_the_pod_knows_a_commit_without_its_clone(tmp_path):
    program_file = tmp_path / prepare.MERGE_PROGRAM
    program_file.write_text(program.file_texts()[prepare.MERGE_PROGRAM])
    write(tmp_path / "clone", {"a": b"1"})

    def run(source: str, commit: str) -> dict[str, Any]:
        words = (source, str(tmp_path / "course"), str(tmp_path / "record"), commit)
        done = subprocess.run([sys.executable, "-IS", program_file, *words], capture_output=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    assert run("", FIRST)["error"]["code"] == prepare.NO_SOURCE
    assert run(str(tmp_path / "clone"), FIRST)["state"] == "filled"
    assert run("", FIRST)["again"]
    assert run("", SECOND)["error"]["code"] == prepare.NO_SOURCE


def pod_with(**states: dict[str, Any]) -> dict[str, Any]:
    names = {"content": "bindery-content", "files": "bindery-files"}
    statuses = [{"name": names[each], "state": state} for each, state in states.items()]
    return {"status": {"initContainerStatuses": statuses}}


def test_the_report_has_the_content_in_words():
    home = {"state": "merged", "commit": "a" * 40, "again": True, "updated": 1}
    content = {"state": "merged", "folder": "course", "commit": "d" * 40, "updated": 2}
    message = json.dumps({"merge": home, "content": content, "size": 5})
    found = helper_pods.files_report_of(pod_with(files={"terminated": {"message": message}}))
    assert found
    assert (
        found.message == "The folder course was updated to the content’s commit ddddddd: 2 updated."
    )
    assert (found.size, found.is_repeated, found.has_content) == (5, False, True)


def test_a_clone_that_takes_long_or_fails_is_named():
    long_ago = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert helper_pods.filling_status(pod_with(content=long_ago), now) == (
        "spawn.files",
        "Fetching the content.",
    )
    said = json.dumps({"code": "build.repository-too-large", "message": "Too large."})
    ended = {"terminated": {"exitCode": 1, "message": said}}
    assert problems.why_ended(pod_with(content=ended)) == (
        "spawn.content",
        "The content could not be fetched, so the notebook was not started: Too large.",
    )
