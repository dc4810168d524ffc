"""Messages of containers about kept folders, read as untrusted input."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessions.backends import FilesReport
from sessions.backends.kubernetes import problems
from sessions.backends.kubernetes.homes import helper_pods

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MERGE = {"state": "merged", "commit": "c0ffee1234" * 4, "updated": 1}


def pod(said: Any, *, code: int = 0, name: str = "bindery-files", **more: Any) -> dict[str, Any]:
    message = said if isinstance(said, str) else json.dumps(said)
    ended = {"exitCode": code, "message": message, **more}
    statuses = [{"name": name, "state": {"terminated": ended}}]
    return {"status": {"phase": "Failed" if code else "Running", "initContainerStatuses": statuses}}


@pytest.mark.parametrize(
    ("said", "code", "words_of_it"),
    [
        ({"code": "spawn.home-blocked", "path": ".bindery"}, "", "“.bindery” in your own folder"),
        ({"code": "spawn.volume-full", "why": "x"}, "", "Your volume is full"),
        ({"code": "spawn.volume-read-only", "why": "EACCES"}, "", "check its storage: EACCES"),
        ({"code": "spawn.no-python"}, "", "has no Python 3.8"),
        ({"code": "spawn.no-jupyterlab"}, "", "has no JupyterLab"),
        ({"code": "spawn.home-failed", "why": "EIO"}, "", "or tell the staff: EIO"),
        ({"code": "quota.odd"}, "spawn.home-failed", "could not be copied"),
        ("Traceback …", "spawn.home-failed", "tell the staff: Traceback …"),
        ("", "spawn.home-failed", "could not be copied"),
        ([1], "spawn.home-failed", "could not be copied"),
        ({"code": ["spawn.volume-full"]}, "spawn.home-failed", "could not be copied"),
        ("[" * 4000, "spawn.home-failed", "could not be copied"),
        ({"code": "spawn.home-blocked", "path": "\ud800\0" * 900}, "", "in your own folder"),
    ],
)
def test_a_failed_init_container_is_reported_with_code_and_message(said, code, words_of_it):
    found, message = problems.why_ended(pod(said, code=1))
    assert found == (code or said["code"])
    assert words_of_it in message
    assert len(message) < 700
    message.encode()
    assert "\0" not in message


def test_an_init_container_that_ran_out_of_memory_is_reported():
    found, message = problems.why_ended(pod("", code=137, reason="OOMKilled"))
    assert found == "spawn.home-failed"
    assert "more memory than the notebook has" in message


def test_the_result_of_the_merge_becomes_a_files_report():
    report = helper_pods.files_report_of(pod({"merge": MERGE, "size": 5_000}))
    said = "Your files were updated to commit c0ffee1 of the repository: 1 updated."
    assert report == FilesReport(said, 5_000)


def test_a_failed_merge_is_reported():
    full = helper_pods.files_report_of(pod({"left": "spawn.volume-full", "why": "x", "size": 5}))
    assert full
    assert full.message.startswith(
        "Your volume is full, so changes from the repository were not merged"
    )
    other = helper_pods.files_report_of(
        pod({"left": "spawn.home-failed", "why": "EIO", "size": None})
    )
    assert other == FilesReport(
        "Changes from the repository were not merged; your files are unchanged: EIO The next "
        "start tries again."
    )


ROOM = {"free": 5000, "largest": [["thesis", 2**31], ["~/a\u202eb", 1024], ["x"], ["y", 10**400]]}
IN_WORDS = (
    "Your volume has only 4.9\xa0KB left. "
    "Largest in it: thesis (2.0\xa0GB), ~/a\ufffdb (1.0\xa0KB)."
)


@pytest.mark.parametrize("said", [{}, {"merge": MERGE}, {"left": "spawn.volume-full"}], ids=str)
def test_a_report_says_what_takes_the_room_in_the_volume(said):
    report = helper_pods.files_report_of(pod({**said, "room": ROOM}))
    assert report and report.message.endswith(IN_WORDS)
    without = helper_pods.files_report_of(pod(said))
    assert without and report.message == f"{without.message} {IN_WORDS}".strip()


def test_a_start_that_fails_on_a_full_volume_says_what_takes_the_room():
    _code, message = problems.why_ended(pod({"code": "spawn.volume-full", "room": ROOM}, code=1))
    assert message.startswith("Your volume is full") and message.endswith(IN_WORDS)


@pytest.mark.parametrize("room", [7, [], {}, {"largest": 7}, {"free": "x", "largest": [[1, "y"]]}])
def test_a_malformed_room_does_no_harm(room):
    report = helper_pods.files_report_of(pod({"room": room}))
    assert report and report.message in {
        "",
        "Your volume has only 0\xa0bytes left. Largest in it: ?.",
    }


@pytest.mark.parametrize(
    "said",
    ["", "no JSON", "[]", {"merge": 7, "size": "5"}, {"size": True}, {"size": 2**70}],
    ids=str,
)
def test_a_malformed_message_yields_an_empty_report(said):
    assert helper_pods.files_report_of(pod(said)) == FilesReport()


def test_a_pod_without_our_init_container_has_no_files_report():
    assert helper_pods.files_report_of(pod({"size": 5}, name="owner")) is None
    assert helper_pods.files_report_of({}) is None


def filling(seconds: float, name: str = "bindery-files") -> tuple[str, str] | None:
    begun = (NOW - timedelta(seconds=seconds)).isoformat()
    running = {"name": name, "state": {"running": {"startedAt": begun}}}
    return helper_pods.filling_status({"status": {"initContainerStatuses": [running]}}, NOW)


def test_a_slow_fill_is_reported_as_the_reason_for_waiting():
    assert filling(1) is None
    found = filling(10)
    assert found
    assert found[0] == "spawn.files"
    assert filling(10, "owner") is None


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"size": 5}, {"size": 5}),
        ({"code": "spawn.home-blocked", "path": "x"}, {"code": "spawn.home-blocked", "path": "x"}),
        ("Traceback …", {"code": "home.failed", "why": "Traceback …"}),
    ],
)
def test_a_helper_result_is_parsed_and_an_unreadable_one_is_a_failure(said, found):
    assert helper_pods.helper_result(pod(said, name="helper")) == found


def test_a_helper_that_exceeded_its_deadline_has_failed():
    ended = {"status": {"phase": "Failed", "message": "active longer than specified deadline"}}
    assert helper_pods.helper_result(ended)["code"] == "home.failed"
