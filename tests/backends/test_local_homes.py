"""A project's files on one machine: kept, merged, taken over from earlier versions, on any disk."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sessions.backends.local.keeper import home
from sessions.backends.local.keeper.jobs import Bounds, BuildJob, Content, ServerJob, Site
from sessions.backends.local.keeper.log import Log
from sessions.backends.local.keeper.server import prepare_content
from sessions.backends.local.keeper.status import JobFailed
from sessions.backends.messages import files_report
from sessions.repofiles.merge import merge
from tests.repofiles.folders import read, write
from tests.tightdisk import tight_disk

FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def job(tmp_path: Path) -> ServerJob:
    """A project at its first commit, not started yet."""
    for name in ("environments", "projects/ada-flowers", "homes/ada"):
        (tmp_path / name).mkdir(parents=True)
    job = ServerJob(
        name="ada-flowers",
        owner="ada",
        environment="",
        project=str(tmp_path / "projects/ada-flowers"),
        volume=str(tmp_path / "homes/ada"),
        commit=FIRST,
        url="https://example.org/ada/flowers.git",
        token="",
        cpus=1,
        bounds=Bounds(10**9, 64),
        site=Site(""),
        trusted=[],
    )
    return at(job, FIRST, {"a": b"1", "b": b"1"})


def at(job: ServerJob, commit: str, files: dict[str, object]) -> ServerJob:
    """Return the job for the project at a commit whose build has these files."""
    top = Path(job.project).parents[1] / "environments" / f"flowers-{commit[:12]}-abcdef"
    top.mkdir()
    write(top / "home", {**files, ".git": git(commit)})
    return replace(job, environment=str(top), commit=commit)


def git(commit: str) -> dict[str, object]:
    """Return as much of a git folder as is needed to tell its commit."""
    return {"HEAD": commit.encode() + b"\n", "objects": {}, "refs": {}}


def files(job: ServerJob) -> dict[str, object]:
    """Return the project's files as the person sees them, without git's."""
    found = read(Path(job.project, "home"))
    found.pop(".git", None)
    return found


def test_a_home_is_filled_once_and_merged_afterwards(job: ServerJob):
    there, report = home.prepare_home(job)
    assert (there, report["state"]) == (Path(job.project, "home"), "filled")
    write(there / "a", b"mine")
    assert home.prepare_home(job)[1]["again"]
    second = at(job, SECOND, {"a": b"1", "b": b"2"})
    assert home.prepare_home(second)[1]["updated"] == 1
    assert files(second) == {"a": b"mine", "b": b"2"}
    assert read(Path(job.volume)) == {}


def test_a_legacy_folder_is_adopted_at_its_commit(job: ServerJob):
    write(Path(job.project, f"home-{FIRST}"), {"a": b"mine", "b": b"1", "own": b"mine"})
    assert home.prepare_home(job)[1]["state"] == "adopted"
    assert files(job) == {"a": b"mine", "b": b"1", "own": b"mine"}
    second = at(job, SECOND, {"a": b"1", "b": b"2"})
    assert home.prepare_home(second)[1]["conflicts"] == 0
    assert files(second) == {"a": b"mine", "b": b"2", "own": b"mine"}


def test_a_legacy_folder_is_merged_against_its_old_image(job: ServerJob):
    write(Path(job.project, f"home-{FIRST}"), {"a": b"mine", "b": b"1"})
    second = at(job, SECOND, {"a": b"1", "b": b"2"})
    assert home.prepare_home(second)[1]["conflicts"] == 0
    assert files(second) == {"a": b"mine", "b": b"2"}


def test_a_legacy_folder_of_unknown_origin_is_all_treated_as_edited(job: ServerJob):
    write(Path(job.project, f"home-{FIRST}"), {"a": b"mine", "b": b"1"})
    second = at(job, SECOND, {"a": b"1", "b": b"2"})
    write(Path(job.environment), None)
    assert home.prepare_home(second)[1]["conflicts"] == 2
    assert files(second) == {
        "a": b"mine", "a.from-2222222": b"1", "b": b"1", "b.from-2222222": b"2",
    }  # fmt: skip


def test_none_of_several_legacy_folders_is_lost(job: ServerJob):
    write(Path(job.project, f"home-{FIRST}"), {"a": b"mine", "b": b"1"})
    write(Path(job.project, f"home-{SECOND}"), {"old": b"mine"})
    write(Path(job.project, "draft"), {"half": b"1"})
    home.prepare_home(job)
    assert files(job) == {"a": b"mine", "b": b"1", "files-of-2222222": {"old": b"mine"}}
    assert sorted(path.name for path in Path(job.project).iterdir()) == [
        "home", "record", "record.lock",
    ]  # fmt: skip


def test_an_interrupted_adoption_is_resumed(job: ServerJob):
    """Between the record and the new name."""
    write(Path(job.project, f"home-{FIRST}"), {"a": b"mine", "b": b"1"})
    second = at(job, SECOND, {"a": b"1", "b": b"2"})
    former = Path(job.project, f"home-{FIRST}")
    built = Path(job.environment, "home")
    merge(str(built), str(former), str(Path(job.project, "record")), FIRST, adopt=True)
    assert home.prepare_home(second)[1]["conflicts"] == 0
    assert files(second) == {"a": b"mine", "b": b"2"}


@pytest.mark.parametrize("is_taken_over", [True, False])
@pytest.mark.parametrize("which", ["projects/ada-flowers", "homes/ada", "environments"])
def test_each_folder_may_be_on_its_own_disk(
    job: ServerJob, tmp_path: Path, which: str, is_taken_over: bool
):
    """At a new commit, also where an earlier version was the last that started the project."""
    before = read(tmp_path / which)
    with tight_disk(tmp_path / which, 2) as disk:
        write_inside(disk.seen, before)
        paths = {
            name: getattr(job, name).replace(str(tmp_path / which), str(disk.seen))
            for name in ("project", "volume", "environment")
        }
        here = replace(job, **paths)
        write(Path(here.project, f"home-{FIRST}"), {"a": b"mine", "b": b"1"})
        if is_taken_over:
            home.prepare_home(here)
        second = Path(here.environment).parent / f"flowers-{SECOND[:12]}-abcdef"
        second.mkdir()
        write(second / "home", {"a": b"1", "b": b"2", ".git": git(SECOND)})
        home.prepare_home(replace(here, environment=str(second), commit=SECOND))
        assert files(here) == {"a": b"mine", "b": b"2"}


def write_inside(folder: Path, value: dict[str, object]) -> None:
    for name, inside in value.items():
        write(folder / name, inside)


def test_a_read_only_disk_fails_with_a_code(job: ServerJob, tmp_path: Path):
    with tight_disk(tmp_path / "projects/ada-flowers", 2) as disk:
        here = replace(job, project=str(disk.seen))
        home.prepare_home(here)
        second = replace(at(job, SECOND, {"a": b"2"}), project=str(disk.seen))
        disk.let_write(write=False)
        with pytest.raises(JobFailed) as ended:
            home.prepare_home(second)
        assert ended.value.code == "spawn.disk-read-only"
        disk.let_write(write=True)
        home.prepare_home(second)
        assert files(here) == {"a": b"2"}


def test_a_full_disk_leaves_the_files_as_they_were_and_names_the_largest(
    job: ServerJob, tmp_path: Path
):
    with tight_disk(tmp_path / "projects/ada-flowers", 3) as disk:
        here = replace(job, project=str(disk.seen))
        there, _report = home.prepare_home(here)
        (there / "large").write_bytes(b"x" * 1_000_000)
        before = files(here)
        second = replace(at(job, SECOND, {"a": b"2" * 100_000}), project=str(disk.seen))
        while disk.free():
            disk.fill()
        report = home.prepare_home(second)[1]
        assert report["left"] == "merge.full"
        assert report["room"]["free"] == 0
        assert report["room"]["largest"][0][0] == "large"
        assert files(here) == before
        home.link_keys(there)  # which needs room, too
        said = files_report(json.loads(json.dumps(report))).message
        assert said.startswith("The disk is full, so changes from the repository were not merged")
        assert "large (9" in said
        disk.make_room()
        assert "left" not in home.prepare_home(second)[1]


def test_a_filled_home_is_synced_once_the_notebook_runs(job: ServerJob):
    home.prepare_home(job)
    mark = Path(job.project, "record.unsynced")
    assert mark.exists()
    home.sync(job)
    assert not mark.exists()


def test_content_is_left_to_nbgitpuller_where_the_environment_has_it(
    job: ServerJob, tmp_path: Path
):
    fetch = BuildJob(
        *("https://git.example.org/course", SECOND, "main", "", str(tmp_path / "clone"), "", {}, 0),
        *(job.bounds, job.site, [], []),
    )
    packages = Path(job.environment, "env/lib/python3.12/site-packages/nbgitpuller")
    packages.mkdir(parents=True)
    optional = replace(job, content=Content(fetch, "course", unless_puller=True))
    given = (tmp_path, Path(job.project, "home"), Log(tmp_path, 0), None, None)
    assert asyncio.run(prepare_content(optional, *given)) == {}
    assert asyncio.run(prepare_content(replace(job, content=None), *given)) == {}
