"""How a run's objects are deleted from the cluster, as the API server sees it."""

from __future__ import annotations

from dataclasses import replace

from keys.keypairs import SshIdentity
from tests.kubernetes.things import BUILD, SERVER

RUN = "ada-flowers-lrkajvgx-9"


def test_killing_a_notebook_deletes_at_once_and_records_the_request(api, backend):
    backend.ensure_server(SERVER)
    backend.kill_server(SERVER.id)
    backend.kill_server(SERVER.id)
    assert api.things["pods"] == {}
    assert api.things["secrets"][RUN]["metadata"]["annotations"]["bindery/told"] == "stop"
    assert api.bodies[f"DELETE pods/{RUN}"] == {"gracePeriodSeconds": 0}
    backend.ensure_server(SERVER)
    assert api.things["pods"] == {}


def test_stopping_a_notebook_uses_the_grace_period(api, backend):
    backend.ensure_server(SERVER)
    backend.remove_server(SERVER.id)
    assert api.bodies[f"DELETE pods/{RUN}"] == {}


def test_the_sweep_removes_a_key_whose_build_is_gone(api, backend):
    private = replace(
        BUILD, identity=SshIdentity("the private key", "ssh-ed25519 AAAAada", "known")
    )
    backend.ensure_build(private)
    assert backend.sweep() == []
    api.drop("pods", "build-7")
    assert backend.sweep() == ["build-7-key"]
    assert api.things["secrets"] == {}
