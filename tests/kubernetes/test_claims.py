"""A person's volume claim: made once, and theirs by the portal's labels or by decision of staff."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sessions.errors import NoRoom, UserError
from tests.kubernetes.things import SERVER

CLAIMS = "persistentvolumeclaims"
RUN = "ada-flowers-lrkajvgx-9"


def test_a_claim_is_created_once_and_never_patched(api, backend):
    for _again in range(2):
        backend.ensure_server(SERVER)
    assert api.asked.count(f"POST {CLAIMS}") == 1
    assert f"PATCH {CLAIMS}/ada-nfs-pvc" not in api.asked


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {"app": "jupyterhub"},
        {"app.kubernetes.io/managed-by": "bindery", "bindery/kind": "volume"},
        {
            "app.kubernetes.io/managed-by": "bindery",
            "bindery/kind": "volume",
            "bindery/owner": "bob",
        },
    ],
)
def test_an_unlabelled_claim_is_refused_until_it_is_adopted(api, backend, labels):
    named = {"name": "ada-nfs-pvc", **({"labels": labels} if labels else {})}
    api.put(CLAIMS, {"metadata": named})
    with pytest.raises(UserError) as refused:
        backend.ensure_server(SERVER)
    assert refused.value.code == "spawn.volume-unknown"
    assert "“ada-nfs-pvc”" in refused.value.message
    assert RUN not in api.things["secrets"]

    assert backend.adopt_volume("ada", 1)
    assert not backend.adopt_volume("ada", 1)
    backend.ensure_server(SERVER)
    assert RUN in api.things["pods"]


def test_a_claim_created_concurrently_by_somebody_else_is_refused(api, backend):
    api.put(CLAIMS, {"metadata": {"name": "ada-nfs-pvc"}})
    api.fail(404, times=1)
    with pytest.raises(UserError, match="did not create"):
        backend.ensure_server(SERVER)


def test_adopting_without_a_claim_does_nothing(backend):
    assert not backend.adopt_volume("ada", 1)


def test_a_renamed_person_keeps_claim_keys_node_and_both_home_paths(api, backend):
    backend.ensure_server(SERVER)
    later = replace(SERVER, id=10, owner="countess", former_names=("ada",))
    backend.ensure_server(later)
    assert list(api.things[CLAIMS]) == ["ada-nfs-pvc"]
    pod = api.things["pods"]["ada-flowers-lrkajvgx-10"]
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts if mount["name"] == "home"] == [
        "/home/countess-nfs-pvc",
        "/home/ada-nfs-pvc",
        "/home/jovyan",
    ]
    assert {"name": "JUPYTERHUB_USER", "value": "countess"} in pod["spec"]["containers"][0]["env"]
    labels = {each["metadata"]["labels"]["bindery/owner"] for each in api.things["pods"].values()}
    assert labels == {"ada"}  # by which all notebooks of a person find to one node


def test_a_pod_that_the_cluster_has_no_room_for_leaves_no_run(api, backend, volume):
    """Its Secret alone would be a notebook that somebody has removed."""
    backend.ensure_server(replace(SERVER, id=8))  # makes what all runs share
    said = b'{"message": "pods is forbidden: exceeded quota: small, requested: pods=1"}'
    api.refused["POST pods"] = (403, said)
    with pytest.raises(NoRoom):
        backend.ensure_server(SERVER)
    assert RUN not in api.things["secrets"]
    del api.refused["POST pods"]
    backend.ensure_server(SERVER)
    assert RUN in api.things["pods"]


def test_a_claim_that_exists_is_not_asked_for_again_however_full_the_quota_is(api, backend, volume):
    api.refused[f"POST {CLAIMS}"] = (403, b'{"message": "exceeded quota: storage"}')
    backend.ensure_server(SERVER)
    assert RUN in api.things["pods"]
