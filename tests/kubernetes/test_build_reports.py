"""Reports of builds: how a build's pod is read at every stage of its life."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sessions.backends import BuildReport
from sessions.backends.kubernetes.buildpod import STAGES
from sessions.backends.kubernetes.reports import (
    build_report,
    orphaned_keys,
)
from tests.kubernetes.things import Pod

DIGEST = "sha256:" + "d" * 64
RUNS = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
WAITS = {"waiting": {"reason": "PodInitializing"}}


def ended(said: object = None, **more: Any) -> Pod:
    """Return the state of an ended container; ``said`` is its termination message."""
    message = said if isinstance(said, str) else json.dumps(said) if said else None
    about = {"message": message} if message else {}
    return {"terminated": {"exitCode": 0, "reason": "Completed", **about, **more}}


def pod(phase: str, *states: Pod, told: str = "", placed: bool = True, **status: Any) -> Pod:
    """Return a pod whose containers, from the first on, are in these states."""
    named = [{"name": name, "state": state} for name, state in zip(STAGES, states, strict=False)]
    return {
        "metadata": {
            "name": "build-7",
            "labels": {"bindery/build": "7"},
            "annotations": {"bindery/told": told} if told else {},
        },
        "spec": {"activeDeadlineSeconds": 1800, **({"nodeName": "node"} if placed else {})},
        "status": {
            "phase": phase,
            "initContainerStatuses": named[:4],
            "containerStatuses": named[4:],
            **status,
        },
    }


def removed(thing: Pod) -> Pod:
    at = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    return {**thing, "metadata": {**thing["metadata"], **at}}


DONE = ended()
PLANNED = ended({"pack": "Python", "resources": "gpu: 1\n"})
FAILED = ended({"code": "build.requirements", "message": "It cannot be installed."}, exitCode=1)


@pytest.mark.parametrize(
    "thing",
    [
        pod("Pending", placed=False),
        {"metadata": {"labels": {"bindery/build": "7"}}, "spec": {}},
        pod("Pending", WAITS),
        pod("Pending", RUNS),
        pod("Pending", DONE, PLANNED, RUNS),
        pod("Pending", DONE, PLANNED, DONE, DONE, WAITS),
        pod("Running", DONE, PLANNED, DONE, DONE, RUNS),
        pod("Running", DONE, PLANNED, DONE, DONE, ended({"digest": DIGEST})),
        pod("Pending", RUNS, told="cancel"),
        pod("Running", DONE, PLANNED, DONE, DONE, RUNS, told="cancel"),
        pod("Pending", FAILED),
        pod("Pending", {}),
    ],
)
def test_an_unfinished_build_is_not_reported_as_finished(thing):
    assert build_report(thing) == BuildReport(7)


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"])
def test_a_build_that_waits_for_the_builders_image_says_so(reason: str):
    waiting = {"reason": reason, "message": "connection refused"}
    found = build_report(pod("Pending", {"waiting": waiting}))
    assert (found.finished, found.code) == (False, "build.builder")
    assert found.message.endswith("trying again. connection refused")


def test_an_unschedulable_build_waits_and_gives_the_reason():
    refused = {"type": "PodScheduled", "status": "False", "message": "1 Insufficient cpu"}
    found = build_report(pod("Pending", placed=False, conditions=[refused]))
    assert (found.finished, found.code) == (False, "build.no-room")
    assert "1 Insufficient cpu" in found.message


def test_a_key_secret_without_a_pod_is_orphaned_once_it_is_old():
    def key(number: int, minute: int) -> Pod:
        about = {"name": f"build-{number}-key", "labels": {"bindery/build": str(number)}}
        return {"metadata": {**about, "creationTimestamp": f"2026-01-01T11:{minute}:00Z"}}

    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    keys = [key(7, 10), key(8, 10), key(9, 59)]
    assert orphaned_keys(keys, [pod("Running")], now) == ["build-8-key"]


def test_a_build_is_done_when_its_pod_leaves_a_digest():
    thing = pod("Succeeded", DONE, PLANNED, DONE, DONE, ended({"digest": DIGEST}))
    done = BuildReport(7, True, buildpack="Python", digest=DIGEST, resources="gpu: 1\n")
    assert build_report(thing) == done
    assert build_report(removed(thing)) == done


def test_a_build_that_finished_before_its_cancellation_is_done():
    states = (DONE, PLANNED, DONE, DONE, ended({"digest": DIGEST}))
    assert build_report(pod("Succeeded", *states, told="cancel")).digest == DIGEST


@pytest.mark.parametrize("stage", range(5))
def test_each_container_can_report_why_it_failed(stage):
    before = [DONE, PLANNED, DONE, DONE][:stage]
    found = build_report(pod("Failed", *before, FAILED))
    assert (found.finished, found.code) == (True, "build.requirements")
    assert found.message == "It cannot be installed."
    assert found.digest == ""
    assert found.buildpack == ("Python" if stage > 1 else "")


@pytest.mark.parametrize(
    "said",
    ["", "{", "null", "[]", '"text"', '{"code": 1}', '{"code": ""}', '{"digest": "x"}',
     '{"code": "spawn.deleted"}', f'{{"code": "build.{"x" * 60}"}}', '{"code": "build.a\\n"}'],
)  # fmt: skip
def test_a_malformed_result_is_ignored_and_the_exit_status_reported(said):
    found = build_report(
        pod("Failed", DONE, PLANNED, DONE, ended(said, exitCode=1, reason="Error"))
    )
    assert found.code == "build.failed"
    assert found.message == "The build exited with status 1. Its log shows what it did last."
    assert found.digest == ""


def test_a_message_contains_no_nul_characters():
    failed = ended({"code": "build.fetch", "message": "a\0b"}, exitCode=1)
    assert build_report(pod("Failed", failed)).message == "ab"


@pytest.mark.parametrize("last", [ended(), ended("garbage"), ended({"digest": ""}), {}])
def test_a_succeeded_pod_without_a_digest_is_a_lost_build(last):
    found = build_report(pod("Succeeded", DONE, PLANNED, DONE, DONE, last))
    assert (found.finished, found.code, found.digest) == (True, "build.lost", "")


def test_only_the_push_container_can_report_the_digest():
    forged = ended({"digest": DIGEST})
    found = build_report(pod("Succeeded", DONE, PLANNED, DONE, forged, ended()))
    assert (found.code, found.digest) == ("build.lost", "")


ROOM = "The build was stopped because its machine ran out of room: "
OUT_OF_SERVICE = (
    "The build was interrupted because its machine in the cluster was taken out of service. Start "
    "it again."
)
GONE = "The build was interrupted because its machine in the cluster is gone. Start it again."
FULL = (
    "The build wrote more than it is allowed to. Have it write less, or ask the staff for more "
    "room."
)
LATE = (
    "The build was stopped because it took longer than 30 minutes. Shorten it, or ask the staff "
    "for more time."
)
LOW_DISK = (
    "The node was low on resource: ephemeral-storage. Container build was using 3Gi, request 0."
)
LOW_MEMORY = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi."
BY_POD = [
    ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline",
     "build.timeout", LATE),
    ("Evicted", 'Usage of EmptyDir volume "work" exceeds the limit "10G". ',
     "build.disk-full", FULL),
    ("Evicted", 'Container build exceeded its local ephemeral storage limit "10G". ',
     "build.disk-full", FULL),
    ("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 50G. ",
     "build.disk-full", FULL),
    ("Evicted", LOW_DISK, "build.lost", f"{ROOM}{LOW_DISK}"),
    ("Evicted", LOW_MEMORY, "build.lost", f"{ROOM}{LOW_MEMORY}"),
    ("Shutdown", "Node is shutting, evicting pods", "build.lost", OUT_OF_SERVICE),
    ("OutOfmemory", "Node has not enough memory", "build.lost", GONE),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "message", "code", "sentence"), BY_POD)
def test_each_reason_why_the_cluster_ends_a_pod_has_a_code(reason, message, code, sentence):
    found = build_report(pod("Failed", DONE, reason=reason, message=message))
    assert (found.finished, found.code, found.message) == (True, code, sentence)


@pytest.mark.parametrize(
    "last",
    [ended(exitCode=137, reason="OOMKilled"), ended(exitCode=1, reason="OOMKilled")],
)
def test_a_killed_container_is_reported_as_out_of_memory(last):
    found = build_report(pod("Failed", DONE, PLANNED, DONE, last))
    assert found.code == "build.out-of-memory"
    assert found.buildpack == "Python"


def test_a_container_that_its_machine_has_forgotten_is_a_lost_build():
    last = ended(exitCode=137, reason="ContainerStatusUnknown")
    found = build_report(pod("Failed", DONE, PLANNED, DONE, last))
    assert found.code == "build.lost"
    assert "its machine in the cluster is gone" in found.message


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("PreemptionByScheduler", "something more important"),
        ("EvictionByEvictionAPI", "taken out of service"),
        ("DeletionByTaintManager", "taken out of service"),
        ("DeletionByPodGC", "is gone"),
        ("", "someone other than the portal ended it"),
    ],
)
def test_a_build_that_is_taken_away_is_lost_and_says_how(reason: str, words: str):
    target = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    conditions = [target] if reason else []
    killed = ended(exitCode=137, reason="Error")
    found = build_report(pod("Failed", DONE, PLANNED, DONE, killed, conditions=conditions))
    assert found.code == "build.lost"
    assert words in found.message


def test_the_builders_result_takes_precedence_over_the_exit_code():
    said = ended({"code": "build.disk-full", "message": "Full."}, exitCode=137)
    assert build_report(pod("Failed", DONE, PLANNED, DONE, said)).code == "build.disk-full"


@pytest.mark.parametrize(
    "thing",
    [
        pod("Failed", DONE, told="cancel", reason="DeadlineExceeded"),
        pod("Failed", FAILED, told="cancel"),
        pod("Succeeded", DONE, PLANNED, DONE, DONE, ended(), told="cancel"),
        pod("Unknown", RUNS, told="cancel"),
        pod("Pending", told="cancel", placed=False),
    ],
)
def test_a_cancelled_build_is_finished_once_nothing_runs(thing):
    found = build_report(thing)
    assert (found.finished, found.code) == (True, "build.cancelled")
    assert found.message == "The build was cancelled."


@pytest.mark.parametrize("thing", [pod("Pending", RUNS), pod("Running", RUNS), pod("Unknown")])
def test_a_build_whose_pod_somebody_else_deletes_is_lost(thing):
    assert build_report(removed(thing)).code == "build.lost"


@pytest.mark.parametrize(
    "waiting",
    [
        {"reason": "InvalidImageName", "message": "couldn't parse image reference"},
        {"reason": "ErrImagePull", "message": "manifest for builder:1 not found"},
        {"reason": "ImagePullBackOff", "message": "pull access denied for builder"},
    ],
)
def test_a_builder_image_that_cannot_be_pulled_fails_the_build(waiting):
    found = build_report(pod("Pending", {"waiting": waiting}))
    assert (found.finished, found.code) == (True, "build.builder")
    assert found.message.endswith(waiting["message"])


@pytest.mark.parametrize("said", ["[" * 4000, '{"a":' * 800, "[" * 2000 + "]" * 2000])
def test_a_deeply_nested_result_is_reported_as_a_failed_build(said):
    """A step may leave what it wants: the build is told to have failed all the same."""
    found = build_report(pod("Failed", DONE, ended(said, exitCode=1)))
    assert (found.finished, found.code) == (True, "build.failed")


def test_an_object_that_a_build_waits_for_is_named():
    waits = pod("Pending", WAITS)
    waits["metadata"]["uid"] = "uid-7"
    what = 'secret "registry-push" not found'
    warnings = {"uid-7": f'FailedMount: MountVolume.SetUp failed for volume "push" : {what}'}
    found = build_report(waits, warnings)
    assert (found.finished, found.code) == (False, "cluster.missing-object")
    assert what in found.message
    begun = pod("Running", RUNS)
    begun["metadata"]["uid"] = "uid-7"
    assert build_report(begun, warnings).code == ""
