"""A drill (`bench.drill`): what it reports as a violation, and what it accepts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.drill import leftovers
from bench.drill.ledger import Promise
from bench.drill.promises import is_kept

POST_BUILD = {"state": "failed", "code": "build.post-build", "message": "postBuild failed."}
LOST = {"state": "failed", "code": "build.lost", "message": "The build was interrupted."}


@pytest.mark.parametrize(
    ("command", "repository", "shown", "kept"),
    [
        ("launch", "plain", {"state": "ready"}, True),
        ("launch", "plain", {"state": "spawning"}, False),
        ("start", "plain", POST_BUILD, False),
        ("rebuild", "drill/failing", POST_BUILD, True),
        ("rebuild", "drill/failing", {**POST_BUILD, "message": ""}, False),
        ("launch", "drill/failing", LOST, False),
        ("stop", "plain", {"state": "stopped"}, True),
        ("cancel", "plain", {"state": "ready"}, False),
        ("delete", "plain", {}, True),
        ("delete", "plain", {"state": "stopped"}, False),
        ("stop", "plain", {}, False),
    ],
)
def test_a_drill_knows_which_promises_were_kept(
    command: str, repository: str, shown: dict[str, str], kept: bool
) -> None:
    assert is_kept(Promise("plain-1", "ada", repository, command), shown) is kept


def test_leftover_and_missing_folders_are_named(tmp_path: Path) -> None:
    for name in ("run/server-1", "run/build-7", "environments/.image.7.partial", "projects/.old-1"):
        (tmp_path / name).mkdir(parents=True)
    assert list(leftovers.on_disk(tmp_path, live={1, 2})) == [
        "run/build-7 is left over",
        "run/server-2 is missing",
        "environments/.image.7.partial is left over",
        "projects/.old-1 is left over",
    ]


def test_an_orphaned_process_is_named_and_a_live_keeper_is_not(
    tmp_path: Path,
) -> None:
    alive, lost = tmp_path / "run/server-1", tmp_path / "run/server-2"
    keepers = [_holder(folder) for folder in (alive, lost)]
    try:
        found = list(leftovers.in_memory(tmp_path, supervisor=1, live={1}))
    finally:
        for keeper in keepers:
            keeper.communicate()  # they end with their input
    assert len(found) == 1
    assert f"process {keepers[1].pid} " in found[0]


def _holder(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that is known only by the lock of a run folder, which it holds on return."""
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=lock)
