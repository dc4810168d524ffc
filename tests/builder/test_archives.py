"""Archives that misbehave: each ends with a sentence and a code, and reaches nothing private."""

from __future__ import annotations

import base64
import io
import json
import os
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from bindery_builder import fetch as fetch_stage

from sessions.repofiles import archives, gitclone
from tests.replica import PAGE, Replica, Reply, data, moved, tarred, zipped

pytestmark = [pytest.mark.servers, pytest.mark.slow("a process for each archive", seconds=60)]

URL, API = "https://zenodo.org/records/1", "zenodo.org/api/records/1"
FILE = f"{API}/files/a.zip/content"
NOISE = Random(1).randbytes(4_000_000)
HEX, SHA = "b8f6eae9d89241cf8b5904033460af61", "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def replica() -> Iterator[Replica]:
    with Replica() as replica:
        yield replica


@pytest.fixture
def way_out(replica) -> Iterator[str]:
    """The proxy that fetchers have, which lets them reach the replica and nothing else here."""
    with fetch_stage.way_out(frozenset({replica.address})) as address:
        yield address


Fetch = Callable[..., dict[str, Any]]


@pytest.fixture
def fetch(replica, way_out, tmp_path) -> Fetch:
    """Return a function that fetches a version of an archive, and returns the answer."""

    def run(
        kind: str = "zenodo", url: str = URL, version: str = "1", **more: Any
    ) -> dict[str, Any]:
        home, answer, scratch = tmp_path / "home", tmp_path / "answer", tmp_path / "scratch"
        for folder in (home, scratch):
            folder.mkdir(exist_ok=True)
        wish = {"mode": "fetch", "kind": kind, "url": url, "version": version,
                "hosts": replica.hosts, "answer": str(answer), "scratch": str(scratch),
                "limit": 5_000_000, "seconds": 20, "stall": 1, "wait": 2, **more}  # fmt: skip
        words = [sys.executable, "-I", "-S", "-c", archives.PROGRAM, json.dumps(wish)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "http_proxy": way_out}
        environment |= gitclone.environment(plain_http=False)
        done = subprocess.run(
            words, cwd=home, env=environment, capture_output=True, text=True, check=False
        )
        told: dict[str, Any] = json.loads(answer.read_text())
        assert done.returncode == ("code" in told)
        return told | {"log": done.stderr}

    return run


def files(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    found = [each for each in home.rglob("*") if each.is_file() and ".git" not in each.parts]
    return {str(each.relative_to(home)): each.read_text() for each in found}


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return whole.getvalue()


def with_bad(method: int) -> bytes:
    """Return a ZIP whose one file, compressed in this way, is not what it says."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as archive:
        archive.writestr("a", NOISE[:5000])
    content = bytearray(whole.getvalue())
    content[60:200] = bytes(140)
    return bytes(content)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, (mode | 0o644) << 16
    return member


def with_password() -> bytes:
    """Return a ZIP whose one file says that it is encrypted."""
    whole = bytearray(packed(("a", b"x")))
    whole[6] |= 1
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(whole)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda: packed(("../../x", b"")), "archive.name-outside"),
        (lambda: packed(("/etc/x", b"")), "archive.name-outside"),
        (lambda: packed(("n" * 300, b"")), "archive.name-too-long"),
        (lambda: packed((special("l", stat.S_IFLNK), b"/etc/x")), "archive.link"),
        (lambda: packed((special("d", stat.S_IFCHR), b"")), "archive.special-file"),
        (lambda: packed(("bomb", bytes(12_000_000))), "archive.bad-package"),
        (lambda: packed(("a", NOISE), ("b", bytes(2_000_000))), "archive.too-large"),
        (lambda: packed(*((str(n), b"") for n in range(60_000))), "archive.too-many-files"),
        (lambda: packed(("a", b""), ("a/b", b"")), "archive.same-names"),
        (lambda: packed(("a", b"1"), (special("a", stat.S_IFREG), b"2")), "archive.same-names"),
        (with_password, "archive.password"),
        (lambda: b"no ZIP at all", "archive.bad-package"),
        (lambda: zipped({"a": "x" * 1000})[:-30], "archive.bad-package"),
        (packed, "archive.no-files"),
        (lambda: with_bad(zipfile.ZIP_BZIP2), "archive.bad-package"),
        (lambda: with_bad(zipfile.ZIP_LZMA), "archive.bad-package"),
    ],
    ids=["above", "absolute", "long", "link", "device", "bomb", "large", "many", "folder", "equal",
         "password", "text", "cut", "empty", "bzip2", "lzma"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_bad_zip_is_refused_and_nothing_is_written_outside(
    replica, fetch, tmp_path, content, code
):
    replica.zenodo("1", {"a.zip": content()})
    told = fetch(limit=20_000_000 if code == "archive.too-many-files" else 5_000_000)
    assert told["code"] == code, told
    assert told["message"].endswith(".")
    assert {each.name for each in tmp_path.iterdir()} <= {"home", "answer", "scratch"}


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "n" * 300, "a//b", "a/./b", "x\ny"])
def test_a_bad_name_in_a_list_is_refused(replica, fetch, tmp_path, name):
    replica.zenodo("1", {"good.txt": "1"})
    entry = {"key": name, "size": 1, "links": {"content": f"https://{API}/files/good.txt/content"}}
    replica.put(f"{API}/files", data({"entries": [entry]}))
    assert fetch()["code"] in {"archive.name-outside", "archive.name-too-long"}
    assert files(tmp_path) == {}


def test_two_files_of_one_name_are_refused_but_at_ckan_both_are_kept(replica, fetch, tmp_path):
    entry = {"key": "a", "links": {"content": f"https://{API}/files/a/content"}}
    replica.zenodo("1", {"a": "1"})
    replica.put(f"{API}/files", data({"entries": [entry, entry]}))
    assert fetch()["code"] == "archive.same-names"


def test_ckan_keeps_files_of_equal_names(replica, fetch, tmp_path):
    listed = [(n, f"https://demo.ckan.org/{n}/x.csv", n.encode()) for n in ("one", "two")]
    replica.ckan("sample", "2021-03-04T05:06:07", listed)
    told = fetch("ckan", "https://demo.ckan.org/dataset/sample", "sample.v1614834367")
    assert told["notes"] == []
    assert files(tmp_path) == {"x.csv": "one", "x-2.csv": "two"}


def test_the_same_files_give_the_same_commit_and_no_git_folder_of_theirs(replica, fetch, tmp_path):
    program = "[core]\n\tfsmonitor = touch /tmp/owned\n"
    replica.zenodo("1", {"a.zip": packed(("t/a", b"1"), ("t/.git/config", program.encode()))})
    assert "1 files" in fetch()["notes"][0]
    assert "fsmonitor" not in (tmp_path / "home/.git/config").read_text()
    (tmp_path / "home").rename(tmp_path / "first")
    time.sleep(1.1)  # a commit's time is in seconds
    fetch()
    head = ".git/refs/heads/main"
    assert (tmp_path / "home" / head).read_text() == (tmp_path / "first" / head).read_text()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (moved("http://127.0.0.1:9/secret"), "archive.address-private"),
        (moved("https://169.254.169.254/latest"), "archive.address-private"),
        (moved("file:///etc/passwd"), "archive.redirects"),
        (moved(f"https://{FILE}"), "archive.redirects"),
        (moved("https://[bad/x"), "archive.redirects"),
        (data({"message": "Permission denied."}, 403), "archive.private"),
        (data({"status": 410, "tombstone": {"note": "Retracted"}}, 410), "archive.withdrawn"),
        (data({}, 404), "archive.not-found"),
        (data({}, 451), "archive.refused"),
        (Reply(zipped({"a": "1"}), length=10_000), "archive.incomplete"),
        (Reply(zipped({"a": "1"}), length=20), "archive.damaged"),
        (Reply(zipped({"a": "2"})), "archive.damaged"),
        (Reply(zipped({"a": "1"}), drip=10), "archive.slow"),
        (data({}, 429, **{"Retry-After": "3600"}), "archive.busy"),
        (data({}, 429, **{"Retry-After": "nan"}), "archive.busy"),
    ],
)
def test_a_bad_download_ends_with_a_code(replica, fetch, tmp_path, reply, code):
    replica.zenodo("1", {"a.zip": zipped({"a": "1"})})
    replica.put(FILE, reply)
    told = fetch()
    assert told["code"] == code, told
    assert told["message"].endswith(".")
    assert files(tmp_path) == {}


def test_what_is_busy_is_asked_again_and_the_log_says_so(replica, fetch, tmp_path):
    content = zipped({"a": "1"})
    replica.zenodo("1", {"a.zip": content})
    busy = data({}, 429, **{"Retry-After": "1"})
    replica.put(FILE, busy, data({}, 500), data({}, 500), Reply(content))
    told = fetch(seconds=30)
    assert "zenodo.org is busy (429). Waiting 1 s" in told["log"]
    assert files(tmp_path) == {"a": "1"}


def test_an_address_that_works_once_is_asked_for_again(replica, fetch, tmp_path):
    content = zipped({"a": "1"})
    replica.zenodo("1", {"a.zip": content})
    replica.put(FILE, Reply(content, length=10_000), data({}, 410), Reply(content))
    fetch()
    assert files(tmp_path) == {"a": "1"}
    assert replica.asked.count(f"{API}/files") == 3


@pytest.mark.parametrize(
    ("address", "reply", "code"),
    [
        (API, PAGE, "archive.not-json"),
        (f"{API}/files", PAGE, "archive.not-json"),
        (f"{API}/files", data({"entries": []}), "archive.no-files"),
        (f"{API}/files", data({"entries": [{"key": "a"}]}), "archive.not-json"),
        (f"{API}/files", data([1, None]), "archive.no-files"),
        (API, data({"links": {"files": "file:///etc/passwd"}}), "archive.not-json"),
        (API, data({"links": {"files": "https://[bad/x"}}), "archive.not-json"),
        (API, data({"links": {"files": "https://zenodo.org/\ud800"}}), "archive.not-json"),
    ],
)
def test_a_bad_list_ends_with_a_code(replica, fetch, address, reply, code):
    replica.zenodo("1", {"a": "1"})
    replica.put(address, reply)
    assert fetch()["code"] == code


@pytest.mark.parametrize("checksum", ["sha256:0a", "multipart:0a-5", "", None, 5])
def test_a_checksum_of_another_kind_counts_for_nothing(replica, fetch, tmp_path, checksum):
    replica.zenodo("1", {"a": "1"})
    links = {"content": f"https://{API}/files/a/content"}
    entry = {"key": "a", "size": 1, "checksum": checksum, "links": links}
    replica.put(f"{API}/files", data({"entries": [entry]}))
    assert "code" not in fetch()
    assert files(tmp_path) == {"a": "1"}


def test_a_bad_package_is_refused_when_only_its_resources_are_read(replica, fetch):
    replica.software("a" * 40, SHA, {"a": "1"})
    raw = f"archive.softwareheritage.org/api/1/vault/flat/swh:1:dir:{SHA}/raw/"
    replica.put(raw, Reply(b"no tar file"))
    told = fetch("swh", f"https://archive.softwareheritage.org/swh:1:dir:{SHA}", SHA, mode="read")
    assert told["code"] == "archive.bad-package", told


def test_a_server_with_senseless_parts_gives_the_whole_file(replica, fetch, tmp_path):
    replica.zenodo("1", {"a.zip": zipped({".resources": "memr 2\n"})})
    senseless = {"Content-Range": f"bytes 0-0/{'9' * 5000}"}
    whole = Reply(zipped({".resources": "memr 2\n"}), parts=False)
    replica.put(FILE, Reply(b"P", 206, headers=senseless, parts=False), whole)
    assert base64.b64decode(fetch(mode="read")["content"]) == b"memr 2\n"


def test_waiting_for_hydroshare_is_bounded_and_in_the_log(replica, fetch, tmp_path):
    url, version = f"https://www.hydroshare.org/resource/{HEX}", f"{HEX}.v1569430757"
    replica.hydroshare(HEX, "2019-09-25T16:59:17Z", {"a": "1"}, waits=2)
    told = fetch("hydroshare", url, version)
    assert told["log"].count("HydroShare is preparing the files. Waiting 0.5 s") == 2
    assert files(tmp_path) == {"a": "1"}
    replica.hydroshare(HEX, "2019-09-25T16:59:17Z", {"a": "1"}, waits=100)
    assert fetch("hydroshare", url, version)["code"] == "archive.preparing"
    replica.hydroshare(HEX, "2020-09-25T16:59:17Z", {"a": "1"})
    assert fetch("hydroshare", url, version)["code"] == "archive.changed"


def test_links_of_software_heritage_stay_inside(replica, fetch, tmp_path):
    url = f"https://archive.softwareheritage.org/swh:1:dir:{SHA}"
    replica.software("a" * 40, SHA, {"a": "1"}, waits=1, link="a")
    fetch("swh", url, SHA)
    assert (tmp_path / "home/link").readlink() == Path("a")
    raw = f"archive.softwareheritage.org/api/1/vault/flat/swh:1:dir:{SHA}/raw/"
    replica.put(raw, Reply(tarred({"b": "1"}, "top", {"out": "../../etc/passwd"})))
    assert fetch("swh", url, SHA)["code"] == "archive.link"
    failed = data({"status": "failed"})
    replica.put(f"archive.softwareheritage.org/api/1/vault/flat/swh:1:dir:{SHA}/", failed)
    assert fetch("swh", url, SHA)["code"] == "archive.busy"
