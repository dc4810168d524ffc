"""A person's files as they are listed, sent and deleted, whatever their names and links are."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from sessions.repofiles.browse import (
    FILE,
    FOLDER,
    LINK,
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_PATH_LENGTH,
    MAX_SORTED,
    OTHER,
    Browser,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "data" / "deep").mkdir(parents=True)
    (home / "data" / "deep" / "a.csv").write_text("1,2")
    (home / "note.txt").write_text("hello")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("private")
    (home / "out").symlink_to(tmp_path / "secret")
    (home / "out.txt").symlink_to(tmp_path / "secret" / "key")
    os.mkfifo(home / "pipe")
    return home


@pytest.fixture
def browser(home: Path) -> Browser:
    def discard(folder: int, name: str) -> None:
        path = f"/proc/self/fd/{folder}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(name, dir_fd=folder)

    return Browser({"project": str(home), "volume": str(home / "missing")}, discard)


def test_the_places_that_exist_are_listed_first(browser: Browser):
    assert [(each.path, each.kind) for each in browser.entries("")] == [("project", FOLDER)]


def test_folders_come_before_files_and_links_are_named(browser: Browser):
    found = [(each.name, each.kind) for each in browser.entries("project")]
    assert found == [
        ("data", FOLDER), ("note.txt", FILE), ("out", LINK), ("out.txt", LINK), ("pipe", OTHER),
    ]  # fmt: skip


def test_a_file_is_read_and_a_folder_is_walked(browser: Browser):
    with browser.open("project/data/deep/a.csv") as file:
        assert file.read() == b"1,2"
    found = {name: file.read() for name, file in browser.files("project")}
    assert found == {"data/deep/a.csv": b"1,2", "note.txt": b"hello"}


def test_what_is_left_out_of_a_walk_is_told_with_its_reason(browser: Browser, home: Path, tmp_path):
    left_out: dict[str, str] = {}
    folder = home / "data" / "deep"
    for _depth in range(MAX_DEPTH):
        folder /= "d"
        folder.mkdir()
    list(browser.files("project", left_out.__setitem__))
    assert left_out == {
        "out": f"a link to {tmp_path}/secret",
        "out.txt": f"a link to {tmp_path}/secret/key",
        "pipe": "neither a file nor a folder",
        f"data/deep{'/d' * (MAX_DEPTH - 1)}": "too many folders above it",
    }


def test_hidden_entries_take_no_room_in_a_long_list(home: Path):
    (home / "many").mkdir()
    for number in range(MAX_ENTRIES + 1):
        os.mknod(home / "many" / f"{number}")
    browser = Browser({"x": str(home / "many")}, lambda _folder, _name: None, ["x/0"])
    assert len(browser.entries("x")) == MAX_ENTRIES


def test_a_folder_with_very_many_files_is_walked_to_its_end(home: Path, browser: Browser):
    (home / "many").mkdir()
    names = {str(number) for number in range(MAX_SORTED + 5)}
    for name in names:
        os.mknod(home / "many" / name)
    assert {name for name, _file in browser.files("project/many")} == names


@pytest.mark.parametrize(
    "path",
    [
        "nowhere", "project/../secret/key", "project/out/key", "project/out.txt", "project/pipe",
        "project/.", "project/none", "project/note.txt/x", "/etc/passwd", "project/\0",
        "project/\udc80", "volume", "project//..//secret",
    ],
)  # fmt: skip
def test_what_is_not_a_persons_own_file_does_not_exist(browser: Browser, path: str):
    with pytest.raises(FileNotFoundError):
        browser.open(path).close()
    with pytest.raises(FileNotFoundError):
        browser.entries(path)
    with pytest.raises((FileNotFoundError, PermissionError)):
        browser.delete(f"{path}/x")


def test_names_that_are_no_text_are_shown_and_come_with_their_folder(browser: Browser, home: Path):
    Path(os.fsdecode(os.fsencode(home) + b"/data/b\xffd")).write_text("odd")
    odd = next(each for each in browser.entries("project/data") if each.kind == FILE)
    assert (odd.name, odd.path) == ("b\N{REPLACEMENT CHARACTER}d", None)
    assert {name for name, _file in browser.files("project/data")} == {
        "b\N{REPLACEMENT CHARACTER}d", "deep/a.csv",
    }  # fmt: skip


def test_what_is_too_deep_to_be_named_comes_with_a_folder_above_it(browser: Browser, home: Path):
    folder, path = home, "project"
    while len(path) + 201 <= MAX_PATH_LENGTH:
        folder, path = folder / ("d" * 200), f"{path}/{'d' * 200}"
        folder.mkdir()
    name = "n" * 200
    (folder / name).write_text("deep")
    assert [each.path for each in browser.entries(path)] == [None]
    with pytest.raises(FileNotFoundError):
        browser.open(f"{path}/{name}").close()
    assert {found: file.read() for found, file in browser.files(path)} == {name: b"deep"}


def test_hidden_entries_do_not_exist_in_any_way(home: Path):
    deleted: list[str] = []
    browser = Browser({"x": str(home)}, lambda _folder, name: deleted.append(name), ["x/data"])
    assert "x/data" not in {each.path for each in browser.entries("x")}
    assert {name for name, _file in browser.files("x")} == {"note.txt"}
    for path in ("x/data", "/x//data/deep", "x/data/deep/a.csv"):
        for call in (browser.kind, browser.entries, browser.open, browser.delete):
            with pytest.raises(FileNotFoundError):
                call(path)
    browser.delete("x/note.txt")
    assert deleted == ["note.txt"]


def test_files_links_and_folders_are_deleted_but_nothing_behind_a_link(
    browser: Browser, home: Path, tmp_path: Path
):
    for name in ("note.txt", "out", "out.txt", "pipe", "data"):
        browser.delete(f"project/{name}")
    assert list(home.iterdir()) == []
    assert (tmp_path / "secret" / "key").read_text() == "private"


def test_a_place_itself_cannot_be_deleted(browser: Browser, home: Path):
    for path in ("", "project", "/project/"):
        with pytest.raises(PermissionError):
            browser.delete(path)
    assert home.exists()


def test_a_socket_and_an_endless_chain_of_links_are_left_out(browser: Browser, home: Path):
    (home / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home / "socket"))
        assert {name for name, _file in browser.files("project")} == {
            "note.txt", "data/deep/a.csv",
        }  # fmt: skip
