"""Pods of strangers with the portal's labels, and messages of any bytes, hide no other pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.backends import unreadable
from sessions.backends.kubernetes.changes import latest_warnings
from sessions.backends.kubernetes.reports import Snapshot, build_reports, reports
from tests.kubernetes import test_build_reports as builds
from tests.kubernetes import test_server_reports as servers
from tests.kubernetes.things import BARE, Pod
from tests.strategies import ANYTHING, JUNK

NUMBERS = ["abc", "", "-1", "1.5", "٣", "9" * 30, "7; DROP"]


def snapshot(*pods: Pod, secrets: tuple[Pod, ...] = ()) -> Snapshot:
    return Snapshot(
        secrets={each["metadata"]["name"]: each for each in secrets},
        pods={each["metadata"]["name"]: each for each in pods},
        ready_uids=frozenset(),
        warnings={},
        had_pod=frozenset(),
        now=servers.NOW,
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_pod_with_a_number_that_is_none_is_passed_over(number, caplog):
    unreadable._reference.cache_clear()  # what cannot be read is logged once
    strange = builds.pod("Running", builds.RUNS)
    strange["metadata"]["labels"]["bindery/build"] = number
    assert [report.id for report in build_reports([strange, builds.pod("Running")])] == [7]
    alien: Any = servers.pod(number=1)
    alien["metadata"] |= {"name": "alien", "labels": {"bindery/session": number}}
    found = reports(snapshot(alien, servers.pod(), secrets=(servers.secret(),)), BARE)
    assert [report.id for report in found] == [9]
    assert "cannot be read" in caplog.text


def test_pod_that_is_not_as_pods_are_ends_its_own_run():
    broken = builds.pod("Running", builds.RUNS)
    broken["status"]["initContainerStatuses"] = [{"name": "fetch", "state": "running"}]
    other = builds.pod("Running", builds.RUNS)
    other["metadata"]["labels"]["bindery/build"] = "8"
    first, second = build_reports([broken, other])
    assert (first.id, first.finished, first.code) == (7, True, "internal")
    assert (second.id, second.finished) == (8, False)


@given(
    st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    JUNK,
    JUNK,
    ANYTHING,
)
def test_any_message_of_a_pod_can_be_reported_and_stored(phase, reason, message, said):
    state = builds.ended(said, exitCode=3, reason=reason)
    words = {"reason": reason, "message": message}
    made: list[Any] = list(build_reports([builds.pod(phase, state, **words)]))
    state = {"terminated": {"exitCode": 1, "message": message, "reason": reason}}
    there = servers.pod(phase, state, **words)
    made += reports(snapshot(there, secrets=(servers.secret(),)), BARE)
    assert [report.id for report in made] == [7, 9]
    for report in made:
        text = report.code + report.message
        text.encode()
        assert "\0" not in text
        assert len(report.code) <= 64


@given(st.lists(st.tuples(JUNK | st.none(), JUNK, JUNK), max_size=5))
def test_any_events_of_the_cluster_can_be_read(events):
    latest_warnings(
        [
            {"lastTimestamp": at, "involvedObject": {"uid": uid}, "reason": uid, "message": said}
            for at, uid, said in events
        ]
    )
