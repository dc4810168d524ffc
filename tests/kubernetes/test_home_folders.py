"""Programs that pods run on kept folders, tried on this machine's folders: where they go and where
not.
"""

from __future__ import annotations

import ast
import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sessions.backends.kubernetes.homes import folders, helper, prepare, program
from sessions.repofiles.merge import MergeFailed, merge
from tests.tightdisk import tight_disk

NAME = "ada-flowers-lrkajvgx"
COMMIT = "c0ffee" * 6 + "cafe"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A person's volume with a file of theirs."""
    there = tmp_path / "volume"
    (there / "thesis").mkdir(parents=True)
    (there / "thesis/chapter.txt").write_text("mine")
    return there


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Make the files that an image has in /home/jovyan."""
    there = tmp_path / "image"
    (there / "data").mkdir(parents=True)
    (there / "index.ipynb").write_text("{}")
    (there / "data/table.csv").write_text("1,2")
    return there


def merging(source: str, target: str, record: str, commit: str) -> dict[str, Any]:
    try:
        return merge(source, target, record, commit)
    except MergeFailed as failed:
        return {"error": {"code": failed.code, "message": failed.message}}


def settled(image: Path, volume: Path, name: str = NAME, commit: str = COMMIT) -> dict[str, Any]:
    return prepare.prepare_home(name, commit, merging, str(image), str(volume))


def home(volume: Path, name: str = NAME) -> Path:
    return volume / ".bindery/projects" / name


def test_a_folder_that_its_owner_has_closed_is_opened_again(image, volume):
    settled(image, volume)
    for closed in (home(volume), home(volume).parent):
        closed.chmod(0o000)
    assert settled(image, volume)["merge"]["again"]
    for opened in (home(volume).parent, home(volume)):
        assert stat.S_IMODE(opened.stat().st_mode) == stat.S_IRWXU


def test_only_the_first_start_fills_the_folder(image, volume):
    told = settled(image, volume)
    assert told["merge"]["state"] == "filled"
    assert told["size"] > 0
    assert (home(volume) / "data/table.csv").read_text() == "1,2"
    (home(volume) / "mine.txt").write_text("mine")
    (home(volume) / "index.ipynb").unlink()
    assert settled(image, volume)["merge"]["again"]
    assert (home(volume) / "mine.txt").read_text() == "mine"
    assert not (home(volume) / "index.ipynb").exists()
    assert (volume / "thesis/chapter.txt").read_text() == "mine"


def test_a_new_commit_is_merged_and_conflicts_are_saved_next_to_files(image, volume):
    settled(image, volume)
    (home(volume) / "index.ipynb").write_text("edited")
    (image / "index.ipynb").write_text("new")
    (image / "data/table.csv").write_text("3,4")
    told = settled(image, volume, commit="f00d" * 10)
    assert told["merge"]["conflict_names"] == [["index.ipynb", "index.from-f00df00.ipynb"]]
    assert (home(volume) / "index.ipynb").read_text() == "edited"
    assert (home(volume) / "index.from-f00df00.ipynb").read_text() == "new"
    assert (home(volume) / "data/table.csv").read_text() == "3,4"


def test_each_project_has_its_own_folder(image, volume):
    settled(image, volume)
    settled(image, volume, "ada-trees-lrkajvgx")
    (home(volume) / "index.ipynb").write_text("edited")
    assert (home(volume, "ada-trees-lrkajvgx") / "index.ipynb").read_text() == "{}"


def test_an_image_with_a_missing_or_empty_home_yields_an_empty_folder(tmp_path, volume):
    (tmp_path / "empty").mkdir()
    for number, source in enumerate((tmp_path / "none", tmp_path / "empty")):
        assert "code" not in settled(source, volume, f"project-{number}")
        assert os.listdir(home(volume, f"project-{number}")) == [".ssh"]


@pytest.mark.parametrize("path", [".bindery", ".bindery/projects", f".bindery/projects/{NAME}"])
@pytest.mark.parametrize("kind", ["link", "file", "dangling"])
def test_a_link_or_file_in_place_of_a_folder_is_refused(image, volume, path, kind):
    stranger = volume / "elsewhere"
    stranger.mkdir()
    place = volume / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(stranger if kind == "link" else volume / "nothing")
    assert settled(image, volume) == {"code": "spawn.home-blocked", "path": path}
    assert os.listdir(stranger) == []
    assert not (volume / "nothing").exists()


def test_a_link_in_place_of_the_records_folder_is_refused(image, volume, tmp_path):
    (volume / ".bindery").mkdir()
    (volume / ".bindery/records").symlink_to(tmp_path)
    told = settled(image, volume)
    assert told == {"code": "spawn.home-blocked", "path": ".bindery/records"}


def test_the_ssh_mount_point_exists_and_what_was_there_is_kept(image, volume):
    settled(image, volume)
    assert (home(volume) / ".ssh").is_dir()
    (home(volume) / ".ssh").rmdir()
    (home(volume) / ".ssh").symlink_to(volume / "thesis")
    settled(image, volume)
    assert (home(volume) / ".ssh").is_dir()
    assert not (home(volume) / ".ssh").is_symlink()
    [kept] = home(volume).glob(".ssh.kept-*")
    assert kept.readlink() == volume / "thesis"


@pytest.mark.parametrize(
    ("working", "is_made"), [("{}/notes/deep", True), ("{}", False), ("/srv/app", False)]
)
def test_the_working_folder_is_created_if_it_is_inside_the_project(volume, working, is_made):
    folder = folders.open_path(str(volume), ("project",), make=True)
    prepare.ensure_working_folder(folder, "/home/jovyan", working.format("/home/jovyan"))
    os.close(folder)
    assert (volume / "project/notes/deep").is_dir() == is_made


def test_a_linked_working_folder_is_not_followed(volume):
    folder = folders.open_path(str(volume), ("project",), make=True)
    (volume / "project/work").symlink_to(volume / "thesis")
    prepare.ensure_working_folder(folder, "/home/jovyan", "/home/jovyan/notes/deep")
    os.close(folder)
    assert os.listdir(volume / "thesis") == ["chapter.txt"]


def failing(code: str) -> Any:
    return lambda *_words: {"error": {"code": code, "message": "Why."}}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("merge.full", "spawn.volume-full"),
        ("merge.refused", "spawn.volume-read-only"),
        ("merge.failed", "spawn.home-failed"),
    ],
)
def test_a_failed_fill_gives_the_reason_and_a_failed_merge_keeps_files(image, volume, code, said):
    first = prepare.prepare_home(NAME, COMMIT, failing(code), str(image), str(volume))
    assert (first["code"], first["why"]) == (said, "Why.")
    settled(image, volume)
    again = prepare.prepare_home(NAME, "f00d" * 10, failing(code), str(image), str(volume))
    assert (again["left"], "code" in again) == (said, False)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "spawn.volume-full"),
        (errno.EDQUOT, "spawn.volume-full"),
        (errno.EACCES, "spawn.volume-read-only"),
        (errno.EROFS, "spawn.volume-read-only"),
        (errno.EIO, "spawn.home-failed"),
    ],
)
def test_an_unusable_volume_is_reported_with_the_reason(image, volume, number, said):
    def fails(*_words: str) -> dict[str, Any]:
        raise OSError(number, os.strerror(number))

    told = prepare.prepare_home(NAME, COMMIT, fails, str(image), str(volume))
    room = told.pop("room", None)
    assert told == {"code": said, "why": f"[Errno {number}] {os.strerror(number)}"}
    assert (room is not None) == (said == "spawn.volume-full")


def test_the_result_fits_into_a_termination_message():
    names = [["n" * 200, "m" * 200] for _each in range(20)]
    told = {"merge": {"state": "merged", "conflicts": 20, "conflict_names": names}, "size": 5}
    short = json.loads(prepare.bounded_json(told))
    assert len(json.dumps(short)) <= prepare.MAX_MESSAGE_BYTES
    assert (short["merge"]["conflicts"], short["size"]) == (20, 5)
    assert 0 < len(short["merge"]["conflict_names"]) < 20
    assert json.loads(prepare.bounded_json({"why": "x" * 9000})) == {"size": None}


def run(volume: Path, task: str, name: str = NAME) -> dict[str, Any]:
    words = volume.parent / "last-words"
    helper.main([task, name], str(volume), str(words))
    found: dict[str, Any] = json.loads(words.read_text())
    return found


def test_a_helper_measures_the_disk_usage_of_the_folder(image, volume):
    assert run(volume, "measure") == {"size": 0}
    settled(image, volume)
    (home(volume) / "large").write_bytes(b"x" * 300_000)
    os.link(home(volume) / "large", home(volume) / "the-same")
    (home(volume) / "out").symlink_to("/usr")
    assert 300_000 <= run(volume, "measure")["size"] < 400_000


def test_a_measurement_that_takes_too_long_is_abandoned(volume):
    folder = folders.open_path(str(volume), (), make=False)
    assert folders.size(folder, 0.0) is None
    os.close(folder)


def test_a_helper_removes_only_the_projects_folder_and_record(image, volume):
    settled(image, volume)
    settled(image, volume, "ada-trees-lrkajvgx")
    (home(volume) / "closed/inside").mkdir(parents=True)
    (home(volume) / "closed/inside").chmod(0)
    (home(volume) / "closed").chmod(0)
    (home(volume) / "out").symlink_to(volume / "thesis")
    for _time in range(2):
        assert run(volume, "drop") == {"size": 0}
    assert os.listdir(volume / ".bindery/projects") == ["ada-trees-lrkajvgx"]
    assert os.listdir(volume / ".bindery/records") == ["ada-trees-lrkajvgx"]
    assert (volume / "thesis/chapter.txt").read_text() == "mine"


def test_a_helper_removes_a_link_but_not_its_target(volume):
    home(volume).parent.mkdir(parents=True)
    home(volume).symlink_to(volume / "thesis")
    assert run(volume, "drop") == {"size": 0}
    assert (volume / "thesis/chapter.txt").read_text() == "mine"
    assert not home(volume).is_symlink()


@pytest.mark.parametrize("task", ["measure", "drop"])
def test_a_helper_refuses_a_link_in_its_path(volume, tmp_path, task):
    (tmp_path / "else/projects" / NAME).mkdir(parents=True)
    (volume / ".bindery").symlink_to(tmp_path / "else")
    assert run(volume, task) == {"code": "spawn.home-blocked", "path": ".bindery"}
    assert (tmp_path / "else/projects" / NAME).is_dir()


def test_a_failed_removal_raises(volume):
    home(volume).parent.mkdir(parents=True)
    (volume / ".bindery/records").mkdir()
    folder = folders.open_path(str(volume), folders.HOMES, make=False)
    with pytest.raises(OSError, match="refusing to remove"):
        folders.remove(folder, ".")
    os.close(folder)


@pytest.mark.parametrize("name", sorted(program.file_texts()))
def test_each_program_parses_on_the_oldest_supported_python(name):
    ast.parse(program.file_texts()[name], feature_version=(3, 8))


def test_the_programs_run_from_the_files_in_the_config_map_alone(image, volume, tmp_path):
    (tmp_path / "homes").mkdir()
    for name, text in program.file_texts().items():
        (tmp_path / "homes" / name).write_text(text)
    script = """
import json, sys
sys.path.insert(0, sys.argv[1])
from homes import helper, prepare
print(json.dumps(prepare.prepare_home(*sys.argv[2:4], prepare.run_merge, *sys.argv[4:])))
"""
    words = [sys.executable, "-IS", "-c", script, tmp_path, NAME, COMMIT, image, volume]
    told = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    assert told["merge"]["state"] == "filled"
    assert (home(volume) / "data/table.csv").read_text() == "1,2"


def test_a_full_volume_is_reported_and_loses_no_files(image, volume):
    with tight_disk(volume, 4) as disk:
        there = disk.seen
        settled(image, there)
        (home(there) / "mine.txt").write_text("mine")
        (image / "index.ipynb").write_text("new" * 50_000)
        disk.fill()
        assert "code" not in settled(image, there), "nothing has to be written"
        told = settled(image, there, commit="f00d" * 10)
        assert (told["left"], "code" in told) == ("spawn.volume-full", False)
        assert told["room"]["largest"][0][0] == ".filler"
        assert (home(there) / "mine.txt").read_text() == "mine"
        assert (home(there) / "index.ipynb").read_text() == "{}"
        assert settled(image, there, "ada-trees-lrkajvgx")["code"] == "spawn.volume-full"
        disk.make_room()
        assert settled(image, there, commit="f00d" * 10)["merge"]["updated"] == 1
        assert settled(image, there, "ada-trees-lrkajvgx")["merge"]["state"] == "filled"


def test_a_start_on_a_nearly_full_volume_says_what_is_largest_in_it(image, volume):
    with tight_disk(volume, 4) as disk:
        (disk.seen / "thesis").mkdir()
        (disk.seen / "thesis/data").write_bytes(b"x" * 1_000_000)
        settled(image, disk.seen, "ada-trees-lrkajvgx")
        (home(disk.seen, "ada-trees-lrkajvgx") / "trees").write_bytes(b"x" * 500_000)
        settled(image, disk.seen)
        (home(disk.seen) / "mine").write_bytes(b"x" * 300_000)
        told = settled(image, disk.seen)
    assert "code" not in told and 0 < told["room"]["free"] < prepare.NEARLY_FULL
    names = [name for name, _size in told["room"]["largest"]]
    assert names[:3] == ["thesis", ".bindery/projects/ada-trees-lrkajvgx", "~/mine"]
    assert "~/index.ipynb" in names and ".bindery" not in names


def test_what_is_largest_is_measured_for_a_bounded_time_and_no_link_is_followed(volume, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/large").write_bytes(b"x" * 500_000)
    (volume / "out").symlink_to(tmp_path / "elsewhere")
    (volume / ".bindery").symlink_to(tmp_path / "elsewhere")
    found = dict(folders.largest_entries(str(volume), NAME, 5.0))
    assert found.keys() == {"thesis", "out"} and found["out"] < 5000
    assert folders.largest_entries(str(volume), NAME, 0.0) == []


def test_a_volume_with_room_is_not_measured(image, volume):
    assert "room" not in settled(image, volume)


def test_a_read_only_volume_is_reported(image, volume):
    with tight_disk(volume, 4) as disk:
        there = disk.seen
        disk.let_write(write=False)
        assert settled(image, there)["code"] == "spawn.volume-read-only"
        disk.let_write(write=True)
        assert "code" not in settled(image, there)


START = '#!/bin/sh\necho built\nexec "$@"\n'


@pytest.mark.parametrize(("script", "said"), [(START, "built\nlab\n"), (None, "lab\n")])
def test_the_start_script_is_kept_as_it_was_built(tmp_path: Path, script, said):
    built, kept = tmp_path / "image-start", tmp_path / "kept"
    if script:
        built.write_text(script)
    prepare.keep_start(str(built), str(kept))  # an ordinary start has no such folder
    assert not kept.exists()
    kept.mkdir()
    prepare.keep_start(str(built) if script else "", str(kept))
    words = [str(kept / "start"), "echo", "lab"]
    assert subprocess.run(words, capture_output=True, text=True).stdout == said
