"""People's files as a pod serves them: the volume is hostile, and so may be what answers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from portal.lib.zipping import REST
from sessions.backends.kubernetes.homes import folders, program, remote, serve
from sessions.backends.kubernetes.homes.remote import RemoteFiles, Turns
from sessions.backends.personfiles import FilesHere
from sessions.errors import NotYet, TemporaryError
from sessions.repofiles import browse
from tests.kubernetes.files_server import ADDRESS, serving
from tests.pauses import looked
from tests.threadserver import ThreadServer

NAME = "ada-flowers-lrkajvgx"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Ada's volume, with two projects and much that leads out of it."""
    volume, secret = tmp_path / "volume", tmp_path / "secret"
    mine, other = (volume / ".bindery/projects" / name for name in (NAME, "other"))
    for folder in (mine / "data", other, secret, volume / "thesis"):
        folder.mkdir(parents=True)
    (secret / "key").write_text("private")
    (mine / "data/ü.csv").write_text("1,2")
    (mine / "out").symlink_to(secret)
    (mine / "out.txt").symlink_to(secret / "key")
    (mine / "a\nb\x1b[31m").write_text("odd")
    os.mkfifo(mine / "pipe")
    (mine / os.fsdecode(b"\xff.txt")).write_text("not UTF-8")
    (volume / "thesis/chapter.txt").write_text("mine")
    return volume


@pytest.fixture
def rejected() -> list[str]:
    return []


@pytest.fixture
def files(volume: Path, rejected: list[str]) -> Iterator[RemoteFiles]:
    with serving(volume):
        yield asking(rejected)


def asking(rejected: list[str], token: str = "token", project: str = NAME) -> RemoteFiles:
    return RemoteFiles(ADDRESS, token, project, "ada", lambda: rejected.append(token))


def paths(files: RemoteFiles, path: str) -> list[tuple[str | None, str]]:
    return [(each.path, each.kind) for each in files.entries(path)]


def unzipped(files: RemoteFiles, path: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(files.archive(path)))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_folders_are_listed_and_files_sent_and_deleted(files, volume):
    assert paths(files, "") == [("project", "folder"), ("volume", "folder")]
    assert files.kind("project/data") == "folder"
    assert files.kind("volume/thesis/chapter.txt") == "file"
    assert b"".join(files.content("volume/thesis/chapter.txt")) == b"mine"
    assert unzipped(files, "project/data") == {"ü.csv": b"1,2"}
    assert files.delete("volume/thesis") is True
    assert not (volume / "thesis").exists()


def test_a_large_file_is_sent_whole_in_pieces(files, volume):
    text = os.urandom(3_000_000)
    (volume / "large").write_bytes(text)
    pieces = list(files.content("volume/large"))
    assert b"".join(pieces) == text
    assert len(pieces) > 30


def test_nothing_outside_of_the_volume_is_shown_or_waited_for(files, volume):
    kinds = dict(paths(files, "project"))
    assert kinds["project/out"] == kinds["project/out.txt"] == "link"
    assert kinds["project/pipe"] == "other"
    assert kinds["project/a\nb\x1b[31m"] == "file" and kinds[None] == "file"
    for path in ("project/out/key", "project/out.txt", "project/pipe", "project/../../x", "etc"):
        with pytest.raises(FileNotFoundError):
            files.content(path)
    found = unzipped(files, "project")
    told = found.pop(REST).decode()
    assert "out (a link to /" in told and "pipe (neither a file nor a folder)" in told
    assert sorted(found.values()) == [b"1,2", b"not UTF-8", b"odd"]
    files.delete("project/out")
    assert (volume.parent / "secret/key").read_text() == "private"


def test_other_projects_folders_are_not_shown(files, volume):
    assert paths(files, "volume") == [("volume/thesis", "folder")]
    assert set(unzipped(files, "volume")) == {"thesis/chapter.txt"}
    for path in ("volume/.bindery", "volume/.bindery/projects/other"):
        for call in (files.kind, files.entries, files.content, files.archive, files.delete):
            with pytest.raises(FileNotFoundError):
                call(path)
    assert (volume / ".bindery/projects/other").is_dir()


def test_what_is_in_the_place_of_projects_folders_can_be_deleted(files, volume):
    (volume / ".bindery").rename(volume / "kept")
    (volume / ".bindery").symlink_to(volume.parent / "secret")
    assert paths(files, "") == [("volume", "folder")]
    assert ("volume/.bindery", "link") in paths(files, "volume")
    assert files.delete("volume/.bindery") is True
    assert (volume.parent / "secret/key").exists()


def test_a_link_in_the_place_of_the_project_is_not_followed(files, volume):
    home = volume / ".bindery/projects" / NAME
    home.rename(volume / "moved")
    home.symlink_to(volume.parent / "secret")
    assert paths(files, "") == [("volume", "folder")]
    with pytest.raises(FileNotFoundError):
        files.entries("project")


def test_errors_of_files_arrive_as_what_they_are(files):
    with pytest.raises(FileNotFoundError):
        files.kind("volume/none")
    with pytest.raises(PermissionError):
        files.delete("volume")
    with pytest.raises(FileNotFoundError):
        files.archive("")


def test_a_folder_with_very_many_entries_is_cut(files, volume):
    for number in range(browse.MAX_ENTRIES + 50):
        (volume / "thesis" / ("\x01" * 250 + f"{number:05}")).touch()
    assert len(files.entries("volume/thesis")) == browse.MAX_ENTRIES


def test_a_wrong_token_shows_nothing_and_ends_the_pod(files, rejected):
    wrong = asking(rejected, "other")
    for call in (wrong.entries, wrong.content):
        with pytest.raises(NotYet) as early:
            call("volume")
        assert early.value.code == "files.starting"
    assert rejected == ["other", "other"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"[" * 90_000, b'{"do": "kind", "path": "volume"}', b"\xff" * 100,
        b'{"do": "open_files", "project": "", "path": ""}',
        b'{"do": ["kind"], "project": "", "path": ""}',
        b'{"do": "kind", "project": "../../..", "path": "project"}',
        b'{"do": "kind", "project": "..", "path": "project"}',
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_refused(files, body):
    connection = HTTPConnection(ADDRESS, serve.PORT, timeout=5)
    connection.request("POST", "/", body, {"Authorization": "token"})
    assert connection.getresponse().status == 400
    connection.close()


def test_no_pod_is_a_pod_that_starts(rejected):
    with pytest.raises(NotYet) as early:
        asking(rejected).entries("")
    assert early.value.code == "files.starting"


class Imposter(BaseHTTPRequestHandler):
    """Whatever may have got the pod's address after it."""

    answer = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(self.answer)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def said(text: str, status: int = 200) -> bytes:
    head = f"HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {len(text)}"
    return f"{head}\r\n\r\n{text}".encode()


CHUNKED = b"HTTP/1.1 200 x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


ENTRY = {"name": "x", "path": True, "kind": "file", "size": 1, "modified": 1.0}


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 x\r\n", said("{"), said("[" * 90_000),
        said("3"), said("[3]"), said(json.dumps([{**ENTRY, "size": float("inf")}])),
        said(json.dumps([{**ENTRY, "kind": "<b>"}])), said(json.dumps([{**ENTRY, "size": "x"}])),
        said("{}", 422), said('{"errno": "x", "why": 1}', 422),
        CHUNKED + b"2\r\n[]\r\n", b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n[]",
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_an_error_that_passes(answer, rejected):
    handler = type("Saying", (Imposter,), {"answer": answer})
    with ThreadServer(handler, ADDRESS, serve.PORT), pytest.raises(TemporaryError) as error:
        asking(rejected).entries("volume")
    assert error.value.code == "files.unreachable"


def test_an_answer_without_end_is_given_up(rejected, monkeypatch):
    monkeypatch.setattr(remote, "MAX_ANSWER_BYTES", 100_000)
    handler = type("Saying", (Imposter,), {"answer": said("[" + " " * 300_000)})
    with ThreadServer(handler, ADDRESS, serve.PORT), pytest.raises(TemporaryError):
        asking(rejected).entries("volume")


def test_a_download_that_was_cut_is_not_taken_for_a_whole_one(rejected):
    handler = type("Saying", (Imposter,), {"answer": CHUNKED + b"4\r\nhalf\r\n"})
    with ThreadServer(handler, ADDRESS, serve.PORT):
        pieces = asking(rejected).content("volume/x")
        assert next(pieces) == b"half"
        with pytest.raises(TemporaryError):
            next(pieces)


def test_whoever_leaves_a_download_holds_up_nobody(files, volume):
    (volume / "large").write_bytes(bytes(30_000_000))

    def begin() -> Iterator[bytes] | None:
        with suppress(NotYet):
            return files.content("volume/large")
        return None

    for _each in range(2 * serve.MAX_JOBS):
        pieces = looked(begin, 5)
        assert pieces and next(pieces)
        del pieces


def test_one_persons_downloads_at_once_are_limited(files, volume):
    (volume / "large").write_bytes(bytes(30_000_000))
    open_ones = [files.content("volume/large") for _each in range(serve.MAX_JOBS)]
    with pytest.raises(NotYet) as early:
        files.entries("volume")
    assert early.value.code == "files.busy"
    open_ones.clear()
    assert looked(lambda: is_answered(files), 5)


def is_answered(files: RemoteFiles) -> bool:
    with suppress(NotYet):
        return bool(files.entries("volume"))
    return False


def test_one_person_does_not_use_up_all_turns():
    turns = Turns(3, 2)
    with ExitStack() as stack:
        for volume in ("ada", "ada", "bob"):
            stack.enter_context(turns.take(volume))
        for volume in ("ada", "carl"):
            with pytest.raises(NotYet):
                stack.enter_context(turns.take(volume))
    with turns.take("ada"), turns.take("ada"), pytest.raises(NotYet), turns.take("ada"):
        pass


def test_a_deletion_that_takes_long_goes_on_after_the_answer(volume, rejected, monkeypatch):
    monkeypatch.setattr(serve, "DELETE_SECONDS", 0.05)
    going = threading.Event()

    def slow(folder: int, name: str) -> None:
        going.wait(10)
        folders.remove(folder, name)

    def open_files(_project: str, _stack: ExitStack) -> FilesHere:
        return FilesHere(browse.Browser({"volume": str(volume)}, slow))

    with serving(volume, open_files=open_files):
        assert asking(rejected).delete("volume/thesis") is False
        assert (volume / "thesis").exists()
        going.set()
        assert looked(lambda: not (volume / "thesis").exists(), 5)


def test_the_server_ends_when_nobody_asks_but_not_during_a_job(volume):
    listener = serve.listen(ADDRESS, serve.PORT)
    with serve.Server(listener, "", partial(serve.open_files, str(volume))) as server:
        waiting = threading.Thread(target=server.serve_until_idle, args=(0.0,))
        with server.job(NAME):
            waiting.start()
            waiting.join(1.2 * server.timeout)
            assert waiting.is_alive()
        waiting.join(5)
        assert not waiting.is_alive()


def test_the_program_runs_from_the_files_in_the_config_map_alone(volume, tmp_path):
    spec: dict[str, Any] = program.serve_volume()["configMap"]
    for item in spec["items"]:
        file = tmp_path / "programs/homes" / item["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(program.file_texts()[item["key"]])
    script = """
import sys
sys.path[:0] = [sys.argv[1] + "/homes", sys.argv[1]]
from contextlib import ExitStack
from homes import serve
with ExitStack() as stack:
    files = serve.open_files(sys.argv[2], sys.argv[3], stack)
    list(files.archive("project"))
    print([each.name for each in files.entries("volume")])
"""
    words = [sys.executable, "-IS", "-c", script, tmp_path / "programs", volume, NAME]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert told == "['thesis']\n"
