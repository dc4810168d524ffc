"""The methods of `Cluster`, and which of our errors each failure becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sessions.backends.kubernetes import refusals
from sessions.backends.kubernetes.cluster import MAX_LINE_BYTES, Cluster, Expired
from sessions.backends.messages import UNREACHABLE
from sessions.disclosure import PUBLIC_CODES
from sessions.errors import BackendAway, BackendRefuses, InternalError, NoRoom, TemporaryError
from tests.kubernetes.apiserver import BREAK, END

pytestmark = pytest.mark.servers

POD = {"metadata": {"name": "run-9", "labels": {"bindery/kind": "server"}}}


def message(text: str) -> bytes:
    return json.dumps({"kind": "Status", "message": text}).encode()


def test_creating_an_object_twice_creates_one(api, cluster):
    assert cluster.create("pods", POD) is True
    assert cluster.create("pods", POD) is False
    assert list(api.things["pods"]) == ["run-9"]


def test_a_missing_object_is_not_an_error(cluster):
    assert cluster.get("pods", "none") is None
    assert cluster.patch("pods", "none", {"spec": {}}) is False
    cluster.delete("pods", "none")


def test_a_patch_is_merged_into_the_object(api, cluster):
    cluster.create("pods", POD)
    assert cluster.patch("pods", "run-9", {"metadata": {"annotations": {"bindery/told": "stop"}}})
    about = cluster.get("pods", "run-9")["metadata"]
    assert about["annotations"] == {"bindery/told": "stop"}
    assert about["labels"] == {"bindery/kind": "server"}
    cluster.delete("pods", "run-9")
    assert api.things["pods"] == {}


def test_a_list_has_the_selected_objects_and_a_resource_version(api, cluster):
    last = [api.put("pods", {"metadata": {"name": name}}) for name in ("a", "b")][-1]
    cluster.create("pods", POD)
    listing = cluster.list("pods", {"labelSelector": "bindery/kind=server"})
    assert [item["metadata"]["name"] for item in listing.items] == ["run-9"]
    assert int(listing.version) == int(last["metadata"]["resourceVersion"]) + 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, message("no"), InternalError, "cluster.refused"),
        (401, message("Unauthorized"), BackendRefuses, "cluster.forbidden"),
        (403, message('pods is forbidden: User "x" cannot'), BackendRefuses, "cluster.forbidden"),
        (403, message("exceeded quota: small, requested: cpu=8"), NoRoom, "cluster.quota"),
        (
            500,
            message('Internal error occurred: failed calling webhook "x": no endpoints available'),
            NoRoom,
            "cluster.webhook",
        ),
        (
            403,
            message(
                'pods "x" is forbidden: [maximum memory usage per Container is 4Gi, but limit is '
                "8Gi, cpu max limit to request ratio per Container is 2]"
            ),
            InternalError,
            "cluster.limit-range",
        ),
        (
            403,
            message(
                'persistentvolumeclaims "x" is forbidden: minimum storage usage per '
                "PersistentVolumeClaim is 20Gi, but request is 10Gi"
            ),
            InternalError,
            "cluster.limit-range",
        ),
        (
            400,
            message('admission webhook "x" denied the request: no'),
            InternalError,
            "cluster.policy",
        ),
        (403, message('violates PodSecurity "restricted:latest"'), InternalError, "cluster.policy"),
        (404, message('namespaces "bindery" not found'), BackendRefuses, "cluster.namespace"),
        (404, message("the server could not find it"), InternalError, "cluster.refused"),
        (409, message("conflict"), InternalError, "cluster.refused"),
        (422, message("Invalid value"), InternalError, "cluster.refused"),
        (429, message("too many requests"), BackendAway, "cluster.unreachable"),
        (500, message("etcdserver: timed out"), BackendAway, "cluster.unreachable"),
        (503, b"<h1>Unavailable</h1>", BackendAway, "cluster.unreachable"),
        (502, b"\xff", BackendAway, "cluster.unreachable"),
        (400, b'["no status"]', InternalError, "cluster.refused"),
    ],
)
def test_each_api_error_becomes_our_own_with_the_clusters_message(
    api, cluster, status, body, kind, code
):
    api.fail(status, body)
    with pytest.raises(kind) as raised:
        cluster.list("pods", {})
    assert raised.value.code == code
    try:
        assert json.loads(body)["message"] in raised.value.message
    except (ValueError, TypeError):
        assert raised.value.message
    assert cluster.list("pods", {}).items == []


@pytest.mark.parametrize("status", [403, 429, 500])
def test_a_refused_stream_raises_the_same_errors(api, cluster, status):
    for stream in (cluster.watch("pods", {}, "0"), cluster.log("build-7", "fetch")):
        api.fail(status, message("no"))
        with pytest.raises(BackendRefuses if status == 403 else BackendAway):
            next(stream)


def test_a_silent_api_server_times_out(api):
    impatient = Cluster("test", api.kubeconfig, read_timeout=0.1, stream_timeout=0.1)
    api.hang()
    with pytest.raises(TemporaryError, match="it does not answer") as raised:
        impatient.get("pods", "run-9")
    assert raised.value.code == "cluster.unreachable"
    with pytest.raises(TemporaryError, match="it does not answer"):
        next(impatient.watch("pods", {}, "100"))


def test_a_stopped_api_server_is_unreachable(api, tmp_path):
    config = tmp_path / "away"
    config.write_text(json.dumps({
        **json.loads((tmp_path / "kubeconfig").read_text()),
        "clusters": [{"name": "test", "cluster": {"server": "http://127.0.0.1:9"}}],
    }))  # fmt: skip
    with pytest.raises(TemporaryError) as raised:
        Cluster("test", str(config)).list("pods", {})
    assert raised.value.code == "cluster.unreachable"


def test_a_missing_kubeconfig_says_that_no_cluster_is_configured(tmp_path):
    with pytest.raises(TemporaryError, match="No cluster is configured") as raised:
        Cluster("test", str(tmp_path / "none")).list("pods", {})
    assert raised.value.code == "cluster.unreachable"


def test_a_watch_yields_events_after_its_resource_version(api, cluster):
    api.put("pods", {"metadata": {"name": "before"}})
    version = cluster.list("pods", {}).version
    api.put("pods", {"metadata": {"name": "a"}})
    api.put("secrets", {"metadata": {"name": "other"}})
    api.put("pods", {"metadata": {"name": "a", "labels": {"x": "y"}}})
    api.tell("pods", {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "105"}}})
    api.drop("pods", "a")
    watch = cluster.watch("pods", {}, version)
    told = [next(watch) for _time in range(4)]
    assert [what for what, _thing in told] == ["ADDED", "MODIFIED", "BOOKMARK", "DELETED"]
    assert told[1][1]["metadata"]["labels"] == {"x": "y"}
    api.hang_up()
    assert list(watch) == []


def test_a_compacted_history_raises_expired_in_both_forms(api, cluster):
    version = cluster.list("pods", {}).version
    watch = cluster.watch("pods", {}, version)
    api.tell("pods", {"type": "ERROR", "object": {"code": 410, "message": "too old"}})
    with pytest.raises(Expired, match="too old"):
        next(watch)
    api.compact()
    with pytest.raises(Expired):
        next(cluster.watch("pods", {}, version))


def test_a_watch_that_breaks_off_in_a_line_yields_no_partial_event(api, cluster):
    version = cluster.list("pods", {}).version
    watch = cluster.watch("pods", {}, version)
    api.put("pods", POD)
    assert next(watch)[0] == "ADDED"
    api.tell("pods", b'{"type": "ADDED", "obj\\')
    api.hang_up(well=False)
    with pytest.raises(TemporaryError):
        next(watch)


def test_a_watch_that_ends_in_a_line_yields_no_partial_event(api, cluster):
    watch = cluster.watch("pods", {}, cluster.list("pods", {}).version)
    api.put("pods", POD)
    assert next(watch)[0] == "ADDED"
    api.tell("pods", b'{"type": "ADDED", "obj\\')
    api.hang_up()
    assert list(watch) == []


def test_a_log_is_read_line_by_line(api, cluster):
    api.log("build-7", "fetch", b"2026-01-01T12:00:00Z 1 one", b"2026-01-01T12:00:01Z 2 two", END)
    lines = list(cluster.log("build-7", "fetch"))
    assert lines == [b"2026-01-01T12:00:00Z 1 one", b"2026-01-01T12:00:01Z 2 two"]
    assert list(cluster.log("build-7", "fetch", since="2026-01-01T12:00:01Z")) == lines[1:]


def test_the_since_time_is_sent_with_its_time_zone(api, cluster):
    api.log("build-7", "fetch", END)
    list(cluster.log("build-7", "fetch", since="2026-01-01T12:00:00+02:00"))
    assert api.since == ["2026-01-01T12:00:00+02:00"]


def test_a_container_that_has_not_started_or_is_gone_has_no_lines(api, cluster):
    assert list(cluster.log("build-7", "plan")) == []
    api.fail(404, message("pods “build-7” not found"))
    assert list(cluster.log("build-7", "plan", follow=True)) == []


def test_a_followed_log_yields_lines_as_they_arrive_until_it_ends(api, cluster):
    api.log("build-7", "fetch", b"one")
    lines = cluster.log("build-7", "fetch", follow=True)
    assert next(lines) == b"one"
    api.log("build-7", "fetch", b"two", END)
    assert list(lines) == [b"two"]


def test_a_followed_log_that_breaks_off_raises(api, cluster):
    api.log("build-7", "fetch", b"one", b"hal\\", BREAK)
    lines = cluster.log("build-7", "fetch", follow=True)
    assert next(lines) == b"one"
    with pytest.raises(TemporaryError):
        next(lines)


def test_an_endless_line_is_dropped(api, cluster):
    api.log("build-7", "fetch", b"x" * (MAX_LINE_BYTES + 1) + b"\\", b"rest", b"next", END)
    assert list(cluster.log("build-7", "fetch")) == [b"rest", b"next"]


def with_token(api, token: str) -> None:
    config = json.loads(Path(api.kubeconfig).read_text())
    config["users"][0]["user"]["token"] = token
    Path(api.kubeconfig).write_text(json.dumps(config))


def test_credentials_are_read_again_once_the_old_ones_are_refused(api, cluster):
    assert cluster.list("pods", {}).items == []
    with_token(api, "another token")
    api.token = "another token"
    assert cluster.list("pods", {}).items == []
    assert cluster.create("pods", POD)


def test_a_stream_uses_new_credentials_the_next_time(api, cluster):
    version = cluster.list("pods", {}).version
    with_token(api, "another token")
    api.token = "another token"
    with pytest.raises(BackendRefuses):
        next(cluster.watch("pods", {}, version))
    watch = cluster.watch("pods", {}, version)
    api.put("pods", POD)
    assert next(watch)[0] == "ADDED"


def test_rights_are_asked_for_in_one_request(api, cluster):
    api.denied = {"create pods", "get pods/log"}
    granted = cluster.rights()
    assert (granted("create", "pods"), granted("list", "pods")) == (False, True)
    assert granted("get", "pods/log") is False
    assert len(api.asked) == 1


def test_each_code_is_documented_and_may_be_read_by_staff():
    codes = {code for _pattern, _kind, code, _sentence in refusals._REFUSALS}
    codes |= {code for _pattern, code, _sentence in refusals._WARNINGS}
    documented = (Path(__file__).parents[2] / "docs/kubernetes.md").read_text()
    codes |= {refusals.FORBIDDEN, UNREACHABLE}
    assert [code for code in sorted(codes) if f"| `{code}` |" not in documented] == []
    assert codes <= PUBLIC_CODES
