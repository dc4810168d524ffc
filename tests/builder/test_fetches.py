"""The fetch stage, with a real git server; and what is read from the repository it fetched."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest
from bindery_builder import fetch, links, plan
from bindery_builder.buildspec import BuildSpec
from bindery_builder.output import Output
from bindery_builder.result import BuildFailed

from sessions.repofiles.configuration import summary
from tests.githttp import GitServer
from tests.lfs import ATTRIBUTES, pointer
from tests.replica import Replica, moved

FILES: dict[str, str | bytes] = {
    "README": "hello",
    "big": random.Random(1).randbytes(100_000),
    ".resources": "gpu 1\n",
}


@pytest.fixture
def log() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def commit(git_server: GitServer) -> str:
    git_server.repository("ada/flowers", FILES)
    return git_server.commit("ada/flowers")


def make_spec(
    git: GitServer, work: Path, commit: str, limit: int = 10**9, plain: bool = True
) -> BuildSpec:
    return BuildSpec(
        url=git.url("ada/flowers"),
        commit=commit,
        image="r.example/a:1",
        ref="main",
        repository_limit=limit,
        plain_http=plain,
        work=work,
    )


def code(spec: BuildSpec, log: io.BytesIO) -> str:
    with pytest.raises(BuildFailed) as failed:
        fetch.stage(spec, Output(log, 10_000))
    return failed.value.code


def test_the_repository_is_checked_out_at_its_commit(git_server, commit, tmp_path, log):
    spec = make_spec(git_server, tmp_path, commit)
    assert fetch.stage(spec, Output(log, 10_000)) == {}
    assert (spec.repository / "README").read_text() == "hello"
    assert log.getvalue().decode().startswith(f"1 ── Fetching {spec.url} at {commit}\n2 ")
    assert links.resources(spec.repository) == "gpu 1\n"


def test_a_missing_commit_fails_the_fetch(git_server, commit, tmp_path, log):
    assert code(make_spec(git_server, tmp_path, "d" * 40), log) == "build.fetch"


def test_a_repository_that_is_too_large_is_refused(git_server, commit, tmp_path, log):
    limited = make_spec(git_server, tmp_path, commit, limit=50_000)
    assert code(limited, log) == "build.repository-too-large"


def test_plain_http_is_refused_unless_allowed(git_server, commit, tmp_path, log):
    assert code(make_spec(git_server, tmp_path, commit, plain=False), log) == "build.fetch"
    assert "transport 'http' not allowed" in log.getvalue().decode()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("requirements.txt", "/etc/passwd"),
        ("binder", "/etc"),
        (".binder/postBuild", "../../outside"),
        ("Dockerfile", "nowhere/../../outside"),
    ],
)
def test_a_build_file_that_links_out_of_the_repository_is_refused(link, target, tmp_path):
    repository = tmp_path / "repository"
    (repository / link).parent.mkdir(parents=True)
    (repository / link).symlink_to(target)
    with pytest.raises(BuildFailed, match="points outside the repository") as failed:
        links.check_links(repository)
    assert failed.value.code == "build.symlink-outside"
    assert link in failed.value.message


def test_other_links_are_left_alone(tmp_path):
    (tmp_path / "deps.txt").write_text("")
    (tmp_path / "requirements.txt").symlink_to("deps.txt")
    (tmp_path / "data").symlink_to("/etc")
    links.check_links(tmp_path)


@pytest.mark.parametrize("raw", [b"x" * 2001, b"\xff", "\u20ac".encode() * 1999, None])
def test_a_missing_or_malformed_resources_file_is_ignored(raw, tmp_path):
    if raw:
        (tmp_path / ".resources").write_bytes(raw)
    assert links.resources(tmp_path) is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_resources_are_read_in_each_encoding_that_marks_itself(encoding, tmp_path):
    (tmp_path / ".resources").write_bytes("gpu=1\r\n".encode(encoding))
    assert links.resources(tmp_path) == "gpu=1\n"


def test_resources_are_not_read_through_a_link(tmp_path):
    (tmp_path / "other").write_text("gpu 1")
    (tmp_path / ".resources").symlink_to("other")
    assert links.resources(tmp_path) is None


def test_contents_in_git_lfs_and_submodules_are_fetched(git_server, tmp_path, log):
    modules = '[submodule "part"]\n\tpath = part\n\turl = git@127.0.0.1:ada/part.git\n'
    files = {".gitattributes": ATTRIBUTES, ".gitmodules": modules}
    files["data.bin"] = git_server.lfs.add(b"data" * 1000)
    git_server.repository("ada/part", {"part.txt": "of the whole"})
    git_server.repository("ada/flowers", files)
    whole = git_server.submodule("ada/flowers", "part", git_server.commit("ada/part"))
    spec = make_spec(git_server, tmp_path, whole)
    assert fetch.stage(spec, Output(log, 10_000)) == {}
    assert (spec.repository / "data.bin").read_bytes() == b"data" * 1000
    assert (spec.repository / "part/part.txt").read_text() == "of the whole"


def test_what_cannot_be_had_is_in_the_log(git_server, tmp_path, log):
    files = {".gitattributes": ATTRIBUTES, "data.bin": pointer(b"nobody has it")}
    git_server.repository("ada/flowers", files)
    spec = make_spec(git_server, tmp_path, git_server.commit("ada/flowers"))
    assert fetch.stage(spec, Output(log, 10_000)) == {}
    assert "data.bin" in json.loads(spec.fetched.read_text())["notes"][0]
    for found in ({"report": ["Used: x"]}, {"error": "build.configuration"}):
        log.truncate(0)
        plan._write_block(spec, found, Output(log, 10_000))
        lines = [line.partition(" ")[2] for line in log.getvalue().decode().splitlines()]
        assert lines[:-1] == [summary.HEADING, *found.get("report", [])]
        assert lines[-1].startswith("Note: In Git LFS, but not fetched")


def test_contents_in_git_lfs_count_against_the_limit(git_server, tmp_path, log):
    files = {".gitattributes": ATTRIBUTES, "data.bin": git_server.lfs.add(b"data" * 100_000)}
    git_server.repository("ada/flowers", files)
    spec = make_spec(git_server, tmp_path, git_server.commit("ada/flowers"), limit=300_000)
    assert code(spec, log) == "build.repository-too-large"


def test_a_notebooks_content_is_cloned_or_what_kept_it_away_is_written_down(
    git_server, commit, tmp_path, log
):
    spec = make_spec(git_server, tmp_path, commit)
    assert fetch.content_stage(spec, Output(log, 10_000)) == {}
    assert (spec.repository / "README").read_text() == "hello"
    (tmp_path / "second").mkdir()
    missing = make_spec(git_server, tmp_path / "second", "d" * 40)
    assert fetch.content_stage(missing, Output(log, 10_000)) == {}
    assert not missing.repository.exists()
    assert "could not be fetched" in json.loads(missing.failed.read_text())["message"]


def archive_spec(replica: Replica, work: Path) -> BuildSpec:
    return BuildSpec(
        url="https://zenodo.org/records/80",
        commit="80",
        image="r.example/a:1",
        archive="zenodo",
        archive_hosts=replica.hosts,
        archive_trusted=frozenset({replica.address}),
        work=work,
    )


def test_what_an_archive_keeps_is_fetched_through_the_pods_own_proxy(replica, tmp_path, log):
    replica.zenodo("80", FILES)
    spec = archive_spec(replica, tmp_path)
    assert fetch.stage(spec, Output(log, 10_000)) == {}
    assert (spec.repository / "README").read_text() == "hello"
    assert (spec.repository / ".git/refs/heads/main").exists()
    assert not (tmp_path / "download").exists()


def test_a_pod_is_not_led_to_its_own_loopback(replica, git_server, tmp_path, log):
    replica.zenodo("80", FILES)
    private = f"http://{git_server.host}/secret"
    replica.put("zenodo.org/api/records/80/files/README/content", moved(private))
    assert code(archive_spec(replica, tmp_path), log) == "archive.address-private"
    assert "/secret" not in git_server.requests
