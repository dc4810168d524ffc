"""One file at a commit, read from real git servers: large, small, old and bad ones."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions.errors import BinderyError, TemporaryError, UserError
from sessions.git import process, read_file
from sessions.git.read_file import TreeEntry, read_entry
from tests.githttp import GitServer

pytestmark = pytest.mark.servers

NAME = ".resources"
MOST = 1000
SERVERS: dict[str, dict[str, Any]] = {
    "a forge": {},
    "one that leaves no files out": {"filters": False},
    "one of protocol 0": {"protocol": 0},
    "one of protocol 0 that gives nothing by its id": {"protocol": 0, "by_id": False},
    "one that can do nothing": {"protocol": 0, "by_id": False, "filters": False},
}
# Only those that do not give a commit by its id are asked for a ref; a forge stands for the others.
ASKED_BY_REF = [
    "a forge",
    "one of protocol 0 that gives nothing by its id",
    "one that can do nothing",
]
ODD_NAMES = ["--help", "-z", "*", "[a]", ":(glob)*", ":", "a b", "ü", "a:b", "$HOME", "a\tb", "@"]
FILES = {NAME: "gpu=1\n", "empty": "", "long": "x" * 5000, "just": "y" * MOST, "folder/a": "1"}


def read(*where: Any, **how: Any) -> TreeEntry | None:
    return read_entry(*where, **how).entry


@pytest.fixture(scope="module")
def server() -> Iterator[GitServer]:
    with GitServer() as server:
        yield server


@pytest.fixture(autouse=True)
def trusted(server: GitServer, settings):
    settings.PORTAL_TRUSTED_GIT_HOSTS = [server.host]


@pytest.fixture(params=SERVERS)
def flowers(server: GitServer, request) -> str:
    """A repository with some history, on each kind of server; its name there."""
    name = f"ada/{request.param.replace(' ', '-')}"
    if not server.folder(name).exists():
        server.repository(name, FILES)
        server.tag(name, "v1", annotated=True)
        server.branch(name, "first")
        server.repository(name, {NAME: "gpu=2\n"})
        server.repository(name, {NAME: "gpu=3\n"})
        server.branch(name, "blue", {NAME: "gpu=4\n"})
    server.restrict(name, **SERVERS[request.param])
    return name


def refusal(
    url: str, commit: str, name: str = NAME, seconds: float = read_file.DEADLINE_SECONDS
) -> BinderyError:
    with pytest.raises(BinderyError) as refused:
        read(url, commit, name, MOST, seconds=seconds)
    return refused.value


@pytest.mark.parametrize("name", [NAME, "empty", "folder/a"])
def test_a_file_is_read(server, flowers, name):
    found = read(server.url(flowers), server.commit(flowers, "first"), name, MOST, "first")
    assert found == TreeEntry("file", FILES[name].encode())


@pytest.mark.parametrize("flowers", ["a forge", "one that can do nothing"], indirect=True)
@pytest.mark.parametrize("name", ["absent", "folder/absent", "empty/a", "folder/"])
def test_a_missing_file_is_none(server, flowers, name):
    assert read(server.url(flowers), server.commit(flowers, "first"), name, MOST) is None


def test_a_long_file_is_cut_one_byte_past_the_maximum(server, flowers):
    url, commit = server.url(flowers), server.commit(flowers, "first")
    assert read(url, commit, "long", MOST) == TreeEntry("file", b"x" * (MOST + 1))
    assert read(url, commit, "just", MOST) == TreeEntry("file", b"y" * MOST)


def test_a_folder_is_reported_as_a_folder(server, flowers):
    url = server.url(flowers)
    assert read(url, server.commit(flowers, "first"), "folder", MOST) == TreeEntry("folder")


@pytest.mark.parametrize("flowers", ASKED_BY_REF, indirect=True)
@pytest.mark.parametrize("ref", ["v1", "v1-typed-in-another-way", ""])
def test_a_file_is_read_at_an_annotated_tag(server, flowers, ref):
    server.tag(flowers, f"of-{ref}", start="main", annotated=True)
    found = read(server.url(flowers), server.commit(flowers, "v1"), NAME, MOST, ref)
    assert found.content == b"gpu=1\n"


@pytest.mark.parametrize("flowers", ASKED_BY_REF, indirect=True)
@pytest.mark.parametrize("ref", ["main", "blue", "gone", ""])
def test_a_file_is_read_at_a_commit_that_is_no_branch_tip(server, flowers, ref):
    found = read(server.url(flowers), server.commit(flowers, "main~1"), NAME, MOST, ref)
    assert found.content == b"gpu=2\n"


@pytest.mark.parametrize("commit", ["0" * 39 + "1", "a" * 64, "main", "--help", ""])
def test_a_missing_commit_is_ref_not_found(server, flowers, commit):
    error = refusal(server.url(flowers), commit)
    assert (type(error), error.code) == (UserError, "launch.ref-not-found")


def test_a_tag_of_a_tree_is_no_commit(server):
    server.repository("ada/of-tree", FILES)
    folder = f"--git-dir={server.folder('ada/of-tree')}"
    words = ["git", folder, "rev-parse", "HEAD^{tree}"]
    tree = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["git", folder, "update-ref", "refs/tags/tree", tree], check=True)
    assert refusal(server.url("ada/of-tree"), tree).code == "launch.ref-not-found"


def test_a_symlink_is_reported_as_a_link(server):
    url = server.repository("ada/link", {"a": "1"})
    commit = server.symlink("ada/link", NAME, "/etc/passwd")
    assert read(url, commit, NAME, MOST) == TreeEntry("link")


def test_a_submodule_is_reported_as_a_folder(server):
    url = server.repository("ada/parts", {"a": "1"})
    commit = server.submodule("ada/parts", NAME, server.commit("ada/parts"))
    assert read(url, commit, NAME, MOST) == TreeEntry("folder")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_file_names_are_taken_literally(server, name):
    url = server.repository("ada/names", {each: f"this is {each}" for each in ["a", *ODD_NAMES]})
    found = read(url, server.commit("ada/names"), name, MOST)
    assert found == TreeEntry("file", f"this is {name}".encode())


@pytest.mark.parametrize("name", ["*.txt", "[ab]", "?", ":(icase)A", "c"])
def test_glob_patterns_in_a_file_name_match_nothing(server, name):
    url = server.repository("ada/plain", {"a": "1", "b": "2", "x.txt": "3"})
    assert read(url, server.commit("ada/plain"), name, MOST) is None


def rest(server: GitServer, name: str, ref: str = "HEAD") -> str:
    return read_entry(server.url(name), server.commit(name, ref), NAME, MOST).rest_digest


def test_the_digest_of_other_files_ignores_the_file_itself(server, flowers):
    assert rest(server, flowers, "main") == rest(server, flowers, "main~1") != ""


def test_the_digest_of_other_files_changes_with_any_of_them(server):
    files = {"a": "1", "folder/b": "2", f"folder/{NAME}": "gpu=1\n"}
    server.repository("ada/rests", files)
    changes = [{"a": "2"}, {"folder/b": "3"}, {f"folder/{NAME}": "gpu=2\n"}, {"c": ""}]
    for number, change in enumerate(changes):
        server.branch("ada/rests", f"{number}", {**files, **change}, start="main")
    server.branch("ada/rests", "moved", {**files, NAME: "gpu=1\n"}, start="0")
    refs = ["main", *(f"{number}" for number in range(len(changes)))]
    assert len({rest(server, "ada/rests", ref) for ref in refs}) == len(refs)
    assert rest(server, "ada/rests", "moved") == rest(server, "ada/rests", "main")


def test_the_digest_of_other_files_changes_with_a_submodules_commit(server):
    for name in ("ada/one", "ada/other"):
        server.repository(name, {"a": name})
        server.repository(f"{name}-whole", {"a": "1"})
        server.submodule(f"{name}-whole", "part", server.commit(name))
    assert rest(server, "ada/one-whole") != rest(server, "ada/other-whole")


def test_large_files_beside_it_are_not_downloaded(server):
    noise = random.Random(1).randbytes
    files = {f"data/{number}": noise(500_000) for number in range(20)}
    url = server.repository("ada/large", {**files, NAME: "gpu=1\n"})
    sent = server.sent
    assert read(url, server.commit("ada/large"), NAME, MOST).content == b"gpu=1\n"
    assert server.sent - sent < 20_000


def test_only_the_requested_commit_of_a_long_history_is_downloaded(server):
    for number in range(30):
        text = random.Random(number).randbytes(20_000)
        url = server.repository("ada/long", {NAME: "gpu=1\n", "notes": text})
    server.restrict("ada/long", filters=False)
    sent = server.sent
    assert read(url, server.commit("ada/long"), NAME, MOST).content == b"gpu=1\n"
    assert server.sent - sent < 30_000


@pytest.mark.parametrize("kind", SERVERS)
def test_a_repository_with_sha256_hashes_is_read(server, kind):
    name = f"ada/newer-{kind.replace(' ', '-')}"
    server.empty(name, hashes="sha256")
    server.repository(name, {NAME: "gpu=1\n"})
    url, commit = server.restrict(name, **SERVERS[kind]), server.commit(name)
    assert len(commit) == 64
    assert read(url, commit, NAME, MOST).content == b"gpu=1\n"
    assert refusal(url, "1" * 40).code == "launch.ref-not-found"


def test_no_temporary_files_are_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    read(server.repository("ada/tidy", FILES), server.commit("ada/tidy"), NAME, MOST)
    refusal(server.url("ada/tidy"), "1" * 40)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_repository_and_a_private_one_look_the_same(server):
    for url in (server.url("no/such"), server.lock("ada/secret")):
        error = refusal(url, "1" * 40)
        assert (type(error), error.code) == (UserError, "launch.repository-not-found")


def test_a_huge_file_that_compresses_well_is_cut(server, monkeypatch):
    monkeypatch.setattr(process, "MAX_MEMORY_BYTES", 96 * 2**20)
    url = server.repository("ada/zeros", {NAME: bytes(2**27)})
    assert read(url, server.commit("ada/zeros"), NAME, MOST) == TreeEntry("file", bytes(MOST + 1))


def test_a_repository_that_is_too_large_is_refused(server, settings):
    settings.PORTAL_REPOSITORY_LIMIT_MB = 1
    noise = random.Random(2).randbytes(3_000_000)
    url = server.repository("ada/huge", {NAME: "gpu=1\n", "data": noise})
    server.restrict("ada/huge", filters=False)
    error = refusal(url, server.commit("ada/huge"))
    assert (type(error), error.code) == (UserError, "launch.repository-too-large")


def test_many_small_files_that_are_too_large_together_are_refused(server, settings):
    settings.PORTAL_REPOSITORY_LIMIT_MB = 1
    noise = random.Random(3).randbytes
    url = server.repository("ada/heap", {f"{number}": noise(30_000) for number in range(60)})
    server.restrict("ada/heap", filters=False)
    assert refusal(url, server.commit("ada/heap")).code == "launch.repository-too-large"


def test_an_endless_response_is_too_large(server, settings):
    settings.PORTAL_REPOSITORY_LIMIT_MB = 5
    server.repository("ada/river", FILES)
    error = refusal(server.pour("ada/river"), server.commit("ada/river"))
    assert (type(error), error.code) == (UserError, "launch.repository-too-large")


def test_an_endless_response_times_out(server):
    server.repository("ada/stream", FILES)
    error = refusal(server.pour("ada/stream"), server.commit("ada/stream"), seconds=1)
    assert (type(error), error.code) == (TemporaryError, "launch.host-timeout")


@pytest.mark.parametrize("kind", ["hang", "flood"])
def test_a_slow_host_times_out(server, kind):
    error = refusal(getattr(server, kind)(f"ada/{kind}"), "1" * 40, seconds=1)
    assert (type(error), error.code) == (TemporaryError, "launch.host-timeout")


def test_git_fails_when_it_exceeds_its_memory_limit(server, monkeypatch):
    monkeypatch.setattr(process, "MAX_MEMORY_BYTES", 2**20)
    url = server.repository("ada/modest", FILES)
    assert isinstance(refusal(url, server.commit("ada/modest")), UserError)


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:{port}/ada/a.git", "https://169.254.169.254/latest/meta-data"]
)
def test_a_redirect_into_a_private_network_is_refused(server, target):
    url = server.redirect("ada/lure", target.format(port=server.port))
    error = refusal(url, "1" * 40)
    assert (type(error), error.code) == (UserError, "launch.address-private")


def test_an_unknown_host_is_a_temporary_error():
    error = refusal("https://nowhere.invalid/a", "1" * 40)
    assert (type(error), error.code) == (TemporaryError, "launch.host-unreachable")


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% {mark}", "file://{folder}", "{folder}", "--upload-pack=touch {mark}",
     "ssh://-oProxyCommand=touch%20{mark}/x", "-c", ""],
)  # fmt: skip
def test_git_refuses_dangerous_urls_even_without_our_parser(server, tmp_path: Path, url):
    server.repository("ada/near", FILES)
    mark = tmp_path / "mark"
    url = url.format(mark=mark, folder=server.folder("ada/near"))
    assert isinstance(refusal(url, server.commit("ada/near")), BinderyError)
    assert not mark.exists()


@pytest.mark.parametrize("flowers", ASKED_BY_REF, indirect=True)
@pytest.mark.parametrize("ref", ["--upload-pack=x", "+x:y", "^x", "*", "a b", "\n", "tag", "é"])
def test_odd_refs_are_taken_literally(server, flowers, ref):
    found = read(server.url(flowers), server.commit(flowers, "main~1"), NAME, MOST, ref)
    assert found.content == b"gpu=2\n"
