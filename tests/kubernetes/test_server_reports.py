"""Reports of notebooks, read from their Secret and pod: where one is, what it waits for, how it
ended.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from sessions.backends import ServerReport
from sessions.backends.kubernetes.reports import Snapshot, reports
from sessions.backends.kubernetes.serverpod import BEGUN_LINE
from sessions.backends.messages import NO_GPU, NO_ROOM
from tests.kubernetes.things import BARE, FULL, Pod

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNS: Pod = {"running": {"startedAt": "2026-01-01T11:00:00Z"}}


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def about(number: int, age: float, **more: Any) -> Pod:
    labels = {"bindery/session": str(number), "bindery/project": f"project-{number}"}
    created = ago(age)
    return {
        "name": f"run-{number}",
        "uid": f"uid-{number}",
        "labels": labels,
        "creationTimestamp": created,
        **more,
    }


def secret(number: int = 9, *, told: str = "", age: float = 600) -> Pod:
    more = {"annotations": {"bindery/told": told}} if told else {}
    return {"metadata": about(number, age, **more)}


def pod(
    phase: str = "Running",
    state: Pod | None = None,
    *,
    number: int = 9,
    placed: bool = True,
    leaves: float | None = None,
    age: float = 500,
    **status: Any,
) -> Pod:
    gone = {} if leaves is None else {"deletionTimestamp": ago(leaves)}
    containers = [{"name": "notebook", "state": state}] if state else []
    return {
        "metadata": about(number, age, **gone),
        "spec": {"nodeName": "node"} if placed else {},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.1" if phase == "Running" else "",
            "containerStatuses": containers,
            **status,
        },
    }


def unplaced(reason: str, *, number: int = 9, age: float = 500) -> Pod:
    condition = {"type": "PodScheduled", "status": "False", "message": reason}
    return pod("Pending", number=number, placed=False, age=age, conditions=[condition])


def sight(secrets: list[Pod], pods: list[Pod], **more: Any) -> Snapshot:
    rest: dict[str, Any] = {"ready_uids": frozenset(), "warnings": {}, "had_pod": frozenset()}
    return Snapshot(
        secrets={each["metadata"]["name"]: each for each in secrets},
        pods={each["metadata"]["name"]: each for each in pods},
        now=NOW,
        **{**rest, **more},
    )


def seen(a_secret: Pod | None, a_pod: Pod | None, **more: Any) -> ServerReport | None:
    """Return the one report there is, or None."""
    view = sight([a_secret] if a_secret else [], [a_pod] if a_pod else [], **more)
    found = reports(view, BARE)
    assert len(found) <= 1
    return found[0] if found else None


def code(a_secret: Pod | None, a_pod: Pod | None, **more: Any) -> tuple[str, str]:
    found = seen(a_secret, a_pod, **more)
    assert found is not None
    return found.state, found.code


PHASES = ("Pending", "Running", "Succeeded", "Failed")
LIVE = ("Pending", "Running")


@pytest.mark.parametrize(
    ("has_secret", "told", "phase", "answers", "leaves"),
    list(product((True, False), ("", "stop"), (*PHASES, "none"), (True, False), (None, 5, 100))),
)
def test_every_combination_of_secret_and_pod_has_its_state(
    has_secret, told, phase, answers, leaves
):
    a_pod = None if phase == "none" else pod(phase, leaves=leaves)
    answering = frozenset({"uid-9"} if answers else ())
    found = seen(secret(told=told) if has_secret else None, a_pod, ready_uids=answering)
    state = found and found.state
    if not has_secret:
        assert state == (None if a_pod is None or leaves is not None else "starting")
    elif phase not in LIVE or leaves == 100:
        assert state == "gone"
    elif phase == "Running" and answers and leaves is None:
        assert state == "ready"
    else:
        assert state == "starting"
    if state == "gone" and told:
        assert found.code == ""
        assert bool(found.message) == (a_pod is not None and leaves == 100)


def test_a_notebook_that_answers_is_ready_with_address_and_node():
    found = seen(secret(), pod(state=RUNS), ready_uids=frozenset({"uid-9"}))
    address = "http://10.0.0.1:8888"
    assert found == ServerReport(9, "project-9", "ready", address, node="node", uid="uid-9")


def test_an_unscheduled_notebook_has_no_node():
    assert seen(secret(), pod("Pending", placed=False)).node == ""


def test_an_answer_from_an_earlier_pod_does_not_count():
    assert code(secret(), pod(), ready_uids=frozenset({"uid-of-another"})) == ("starting", "")


def test_a_secret_may_briefly_be_without_its_pod():
    assert code(secret(age=10), None) == ("starting", "")
    assert code(secret(age=40), None) == ("gone", "spawn.deleted")
    assert code(secret(age=10), None, had_pod=frozenset({"run-9"})) == ("gone", "spawn.deleted")
    assert code(secret(age=10, told="stop"), None) == ("gone", "")


def test_a_pod_without_a_secret_is_reported_until_it_terminates():
    assert code(None, pod()) == ("starting", "")
    assert seen(None, pod(leaves=1)) is None
    assert seen(None, None) is None


def test_a_pod_stuck_in_termination_means_a_lost_node():
    assert code(secret(), pod(leaves=59)) == ("starting", "")
    assert code(secret(), pod(leaves=61)) == ("gone", "spawn.node-lost")
    stopped = seen(secret(told="stop"), pod(leaves=61))
    assert (stopped.state, stopped.code) == ("gone", "")
    assert "does not answer" in stopped.message
    assert seen(secret(told="stop"), pod("Pending", placed=False, leaves=61)).message == ""
    assert code(secret(), pod("Failed", reason="NodeLost")) == ("gone", "spawn.node-lost")


GPU_OLD = "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) had taint {a: b}."
GPU_NEW = (
    "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 Insufficient cpu. preemption: 0/3 "
    "nodes are available: 3 No preemption victims found for incoming pod."
)
BOTH_NEW = (
    "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. preemption: 0/1 nodes "
    "are available: 1 No preemption victims found for incoming pod."
)
TAINT = (
    "0/2 nodes are available: 2 node(s) had taint {nvidia.com/gpu: present}, that the pod didn't "
    "tolerate."
)
VOLUME = "0/2 nodes are available: 2 node(s) had volume node affinity conflict."
CLAIM = "0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims."


@pytest.mark.parametrize("reason", [GPU_OLD, GPU_NEW])
def test_a_notebook_that_waits_for_a_gpu_shows_its_queue_position(reason):
    found = seen(secret(), unplaced(reason))
    assert (found.state, found.code) == ("starting", NO_GPU)
    assert found.message == (
        "No GPU is free right now. Your notebook is number 1 in the queue and starts by itself."
    )


def test_the_gpu_queue_is_ordered_by_age():
    ages = {1: 100, 2: 400, 3: 300}
    secrets = [secret(number) for number in (*ages, 4, 5)]
    pods = [unplaced(GPU_OLD, number=number, age=age) for number, age in ages.items()]
    others = [unplaced(TAINT, number=4, age=900), pod(number=5, age=900)]
    found = {each.id: each for each in reports(sight(secrets, [*pods, *others]), BARE)}
    places = {number: found[number].message.split("number ")[1].split()[0] for number in ages}
    assert places == {2: "1", 3: "2", 1: "3"}
    assert found[4].code == NO_ROOM


def test_each_type_of_gpu_has_a_queue_of_its_own():
    mig = "0/3 nodes are available: 3 Insufficient nvidia.com/mig-1g.5gb."
    pods = [unplaced(mig, number=1, age=100), unplaced(GPU_NEW, number=2, age=50),
            unplaced(mig, number=3, age=40)]  # fmt: skip
    for waiting in (pods[0], pods[2]):
        waiting["metadata"]["annotations"] = {"bindery/gpu-resource": "nvidia.com/mig-1g.5gb"}
    found = reports(sight([secret(1), secret(2), secret(3)], pods), BARE)
    assert [each.code for each in found] == [NO_GPU] * 3
    assert ["number 1 in" in each.message for each in found] == [True, True, False]


def test_a_resource_whose_name_begins_like_the_gpus_is_another():
    reason = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.shared."
    assert [each.code for each in reports(sight([secret()], [unplaced(reason)]), BARE)] == [NO_ROOM]


def test_a_gpu_is_recognized_by_the_sites_resource_name():
    reason = "0/1 nodes are available: 1 Insufficient example.org/gpu."
    view = sight([secret()], [unplaced(reason)])
    assert [each.code for each in reports(view, FULL)] == [NO_GPU]
    (found,) = reports(view, BARE)
    assert found.code == NO_ROOM
    assert "not enough example.org/gpu. It" in found.message


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("0/1 nodes are available: 1 Insufficient cpu.", "processors"),
        ("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
         "processors, memory"),
        (BOTH_NEW, "processors, memory"),
        ("0/2 nodes are available: 1 Insufficient memory, 1 Insufficient memory.", "memory"),
        ("0/1 nodes are available: 1 Insufficient ephemeral-storage.", "disk"),
        ("0/1 nodes are available: 1 Insufficient pods.", "pod slots"),
    ],
)  # fmt: skip
def test_an_unschedulable_notebook_names_the_resource_that_is_short(reason, short):
    found = seen(secret(), unplaced(reason))
    assert (found.state, found.code) == ("starting", NO_ROOM)
    assert found.message == (
        f"The cluster has no room for this notebook right now: not enough {short}. It starts by "
        "itself when there is; or cancel it and ask for less."
    )


@pytest.mark.parametrize("reason", [TAINT, VOLUME, "0/2 nodes are available: 2 Too many."])
def test_other_scheduling_problems_are_quoted_from_the_cluster(reason):
    found = seen(secret(), unplaced(reason))
    assert (found.state, found.code) == ("starting", NO_ROOM)
    assert found.message == f"No machine in the cluster can take this notebook right now: {reason}"


def test_an_unbound_claim_is_reported_as_waiting_for_the_folder():
    found = seen(secret(), unplaced(CLAIM))
    assert (found.state, found.code) == ("starting", "spawn.volume")
    assert found.message == "Your folder is being created; the notebook starts when it is ready."


def test_a_new_pod_has_no_waiting_reason_yet():
    assert code(secret(), pod("Pending", placed=False)) == ("starting", "")
    assert code(secret(), unplaced("")) == ("starting", "")
    assert code(secret(), pod("Pending")) == ("starting", "")


def pulling(message: str, reason: str = "ErrImagePull") -> Pod:
    return pod("Pending", {"waiting": {"reason": reason, "message": message}})


@pytest.mark.parametrize(
    "message",
    [
        'rpc error: code = Unknown desc = Get "https://r/v2/": dial tcp: connection refused',
        "net/http: request canceled while waiting for connection",
        "toomanyrequests: You have reached your pull rate limit.",
    ],
)
def test_a_pull_error_that_may_pass_leaves_the_notebook_starting(message):
    found = seen(secret(), pulling(message))
    assert (found.state, found.code) == ("starting", "spawn.image-pull")
    assert found.message.endswith(message)
    back_off = seen(secret(), pulling('Back-off pulling image "x"', "ImagePullBackOff"))
    assert (back_off.state, back_off.code) == ("starting", "spawn.image-pull")


@pytest.mark.parametrize(
    "message",
    [
        'rpc error: code = NotFound desc = failed to pull "r/x@sha256:d": not found',
        "manifest unknown: manifest unknown",
        "failed to authorize: 401 Unauthorized",
        "pull access denied for x, repository does not exist",
        "no match for platform in manifest",
    ],
)
def test_a_permanent_pull_error_ends_the_notebook(message):
    found = seen(secret(), pulling(message))
    assert (found.state, found.code) == ("gone", "spawn.image-pull")
    assert found.message.endswith(message)
    assert code(secret(told="stop"), pulling(message)) == ("starting", "spawn.image-pull")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("InvalidImageName", "spawn.image-pull"),
        ("CreateContainerConfigError", "spawn.container"),
        ("CreateContainerError", "spawn.container"),
        ("RunContainerError", "spawn.not-run"),
    ],
)
def test_a_container_that_cannot_be_created_ends_the_notebook(reason, expected):
    assert code(secret(), pulling("it cannot be done", reason)) == ("gone", expected)


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("CreateContainerError", "context deadline exceeded", "spawn.container"),
        ("CreateContainerError", 'the name "n_1" is reserved for "2"', "spawn.container"),
        (
            "CreateContainerConfigError",
            "failed to sync secret cache: timed out waiting for the condition",
            "spawn.container",
        ),
        ("RegistryUnavailable", "503", "spawn.image-pull"),
        ("SignatureValidationFailed", "no signature", "spawn.image-pull"),
        ("ImageInspectError", "rpc error", "spawn.image-pull"),
    ],
)
def test_what_may_pass_is_said_and_does_not_end_the_notebook(reason, message, expected):
    found = seen(secret(), pulling(message, reason))
    assert (found.state, found.code) == ("starting", expected)
    assert found.message.endswith(f"right now; trying again. {message}")


@pytest.mark.parametrize("event", ["FailedMount: timed out", "FailedAttachVolume: Multi-Attach"])
def test_a_volume_that_cannot_be_mounted_is_reported(event):
    waits = pod("Pending", {"waiting": {"reason": "ContainerCreating"}})
    found = seen(secret(), waits, warnings={"uid-9": event})
    assert (found.state, found.code) == ("starting", "spawn.volume")
    assert found.message.endswith(event)
    assert code(secret(), pod(state=RUNS), warnings={"uid-9": event}) == ("starting", "")
    assert code(secret(), waits, warnings={"uid-8": event}) == ("starting", "")


def crashed(message: str = "", status: int = 1, reason: str = "Error") -> Pod:
    last = {"exitCode": status, "reason": reason, "message": message}
    return pod("Succeeded" if status == 0 else "Failed", {"terminated": last})


def disrupted(reason: str) -> Pod:
    """Return a pod whose JupyterLab was told to end, and did so in time."""
    target = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    return pod("Succeeded", ended, conditions=[target], leaves=5)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (crashed(status=137, reason="OOMKilled"), "spawn.out-of-memory"),
        (crashed('{"code": "spawn.out-of-memory"}', 143), "spawn.out-of-memory"),
        (crashed('{"code": "spawn.no-jupyterlab"}'), "spawn.no-jupyterlab"),
        (crashed("could not be located", 137, "ContainerStatusUnknown"), "spawn.node-lost"),
        (crashed(f"{BEGUN_LINE}\nTraceback"), "spawn.crashed"),
        (crashed("exec: not found", 127), "spawn.entry-point"),
        (crashed('{"code": "spawn.deleted"}'), "spawn.entry-point"),
        (crashed("[]"), "spawn.entry-point"),
        (crashed('{"code": []}'), "spawn.entry-point"),
        (crashed(status=0, reason="Completed"), "spawn.crashed"),
        (disrupted("PreemptionByScheduler"), "spawn.preempted"),
        (disrupted("EvictionByEvictionAPI"), "spawn.drained"),
        (disrupted("DeletionByTaintManager"), "spawn.drained"),
        (disrupted("TerminationByKubelet"), "spawn.evicted"),
        (disrupted("DeletionByPodGC"), "spawn.node-lost"),
        (pod("Succeeded", {"terminated": {"exitCode": 0}}, leaves=5), "spawn.deleted"),
        (pod("Failed", {"terminated": {"exitCode": 143}}, leaves=5), "spawn.deleted"),
        (pod("Failed", reason="Evicted", message="The node was low."), "spawn.evicted"),
        (pod("Failed", reason="Terminated", message="imminent node shutdown"), "spawn.drained"),
        (pod("Failed", {"terminated": {"exitCode": 137}}, reason="NodeShutdown"), "spawn.drained"),
        (pod("Failed", reason="Preempting", message="for a critical pod"), "spawn.preempted"),
        (pod("Failed", reason="OutOfcpu", message="Node has not enough cpu"), "spawn.cluster"),
        (pod("Failed", reason="UnexpectedAdmissionError"), "spawn.cluster"),
        (
            pod("Failed", {"terminated": {"exitCode": 137}}, reason="DeadlineExceeded"),
            "spawn.cluster",
        ),
        (pod("Failed"), "spawn.deleted"),
    ],
)
def test_each_way_to_end_has_a_code_and_a_message(thing, expected):
    found = seen(secret(), thing)
    assert (found.state, found.code) == ("gone", expected)
    assert bool(found.message) == bool(expected)


def test_a_crash_is_reported_with_its_last_ten_lines():
    output = [BEGUN_LINE, *(f"line {number}" for number in range(20))]
    ready = frozenset({"uid-9"})
    found = seen(secret(), crashed("\n".join(output), 3), ready_uids=ready)
    first, *lines = found.message.splitlines()
    assert first == "JupyterLab exited by itself (status 3). Its last lines:"
    assert lines == [f"line {number}" for number in range(10, 20)]


def test_a_long_run_has_been_ready_although_this_watch_has_not_seen_it():
    times = {"startedAt": ago(900), "finishedAt": ago(10)}
    ended = {"exitCode": 1, "message": BEGUN_LINE, **times}
    found = seen(secret(), pod("Failed", {"terminated": ended}))
    assert found.message.startswith("JupyterLab exited by itself (status 1).")


def test_a_crash_after_a_stop_request_counts_as_stopped():
    assert code(secret(told="stop"), crashed("Traceback")) == ("gone", "")


@pytest.mark.parametrize(
    "found",
    [
        seen(secret(age=600), None),
        seen(secret(), pod(leaves=100)),
        seen(secret(), crashed(status=137, reason="OOMKilled")),
        seen(secret(), crashed('{"code": "spawn.no-jupyterlab"}')),
        seen(secret(), pod("Failed", reason="Evicted", message="The node was low.")),
        seen(secret(), unplaced(GPU_NEW)),
        seen(secret(), unplaced(BOTH_NEW)),
    ],
    ids=lambda found: found.code,
)
def test_each_message_ends_with_one_full_stop(found):
    assert found.message.endswith(".")
    assert ".." not in found.message


def test_reports_cover_all_runs_ordered_by_id():
    secrets = [secret(number) for number in (3, 1, 2)]
    view = replace(sight(secrets, [pod(number=4)]))
    assert [each.id for each in reports(view, BARE)] == [1, 2, 3, 4]


LOST = 'persistentvolumeclaim "ada-nfs-pvc" bound to non-existent persistentvolume "pv-1"'


@pytest.mark.parametrize(
    ("reason", "warning", "expected"),
    [
        ('persistentvolumeclaim "ada-nfs-pvc" not found', "", "spawn.volume-gone"),
        ('persistentvolumeclaim "ada-nfs-pvc" is being deleted', "", "spawn.volume-gone"),
        (LOST, "", "spawn.volume-lost"),
        (CLAIM, 'ProvisioningFailed: storageclass "fast" not found', "spawn.storage-class"),
        (CLAIM, "ProvisioningFailed: the backend is full", "spawn.volume"),
        (CLAIM, "ClaimLost: Bound claim has lost its PersistentVolume.", "spawn.volume-lost"),
    ],
)
def test_what_is_wrong_with_a_claim_is_said(reason, warning, expected):
    waits = unplaced(reason)
    waits["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "ada-nfs-pvc"}}]
    found = seen(secret(), waits, warnings={"claim ada-nfs-pvc": warning} if warning else {})
    assert (found.state, found.code) == ("starting", expected)
    assert (warning or reason).rstrip(".") in found.message


@pytest.mark.parametrize("what", ['secret "key" not found', 'configmap "authorities" not found'])
def test_an_object_that_a_notebook_waits_for_is_named(what):
    waits = pod("Pending", {"waiting": {"reason": "ContainerCreating"}})
    event = f'FailedMount: MountVolume.SetUp failed for volume "x" : {what}'
    found = seen(secret(), waits, warnings={"uid-9": event})
    assert (found.state, found.code) == ("starting", "cluster.missing-object")
    assert what in found.message
