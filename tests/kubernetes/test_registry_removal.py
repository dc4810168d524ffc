"""The sizes of images in a registry, and having the registry remove them."""

from __future__ import annotations

import base64
import json

import pytest

from sessions.backends.kubernetes.registry import Registry
from sessions.errors import NotAllowed, TemporaryError
from tests.kubernetes.registryserver import PERSON, RegistryServer, Scripted

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(scope="module")
def deleting():
    with RegistryServer(login=True, deletes=True) as registry:
        yield registry


@pytest.fixture
def registry(deleting) -> Registry:
    entry = {"auth": base64.b64encode(PERSON.encode()).decode()}
    auth = json.dumps({"auths": {deleting.address: entry}})
    return Registry(deleting.address, plain_http=True, auth=auth)


def test_removing_an_image_keeps_the_others(deleting, registry):
    deleting.image("bindery/flowers", "built")
    deleting.image("bindery/trees", "built")
    for _time in range(2):
        registry.remove("bindery/flowers", "built")
    assert registry.digest("bindery/flowers", "built") is None
    assert registry.digest("bindery/trees", "built") is not None


def test_removing_a_missing_image_is_no_error(registry):
    registry.remove("bindery/nowhere", "built")


def test_an_image_has_a_size_and_a_missing_one_has_none(deleting, registry):
    deleting.image("bindery/sized", "built")
    config = {"os": "linux", "architecture": "amd64", "name": "built", "config": {}}
    assert registry.size("bindery/sized", "built") == len(json.dumps(config))
    assert registry.size("bindery/nowhere", "built") is None


def test_the_size_includes_config_and_layers():
    layers = [{"size": 20}, {"size": 300}]
    manifest = json.dumps({"config": {"size": 1}, "layers": layers}).encode()
    with Scripted(lambda asked: asked.answer(200, manifest)) as server:
        assert Registry(server.address, plain_http=True).size("a", "v1") == 321


def test_a_registry_without_deletion_is_reported_with_its_address():
    with RegistryServer() as server:
        server.image("bindery/flowers", "built")
        registry = Registry(server.address, plain_http=True)
        with pytest.raises(NotAllowed) as refused:
            registry.remove("bindery/flowers", "built")
        assert refused.value.code == "registry.keeps-images"
        assert server.address in refused.value.message
        assert registry.digest("bindery/flowers", "built")


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (403, NotAllowed, "registry.keeps-images"),
        (400, NotAllowed, "registry.keeps-images"),
        (503, TemporaryError, "registry.unreachable"),
        (404, TemporaryError, "registry.unreachable"),  # whose it is, nobody knows
    ],
)
def test_each_refusal_of_a_deletion_has_an_error_code(status, error, code):
    def script(asked) -> None:
        is_look = asked.command != "DELETE"
        asked.answer(200, Docker_Content_Digest=DIGEST) if is_look else asked.answer(status)

    with Scripted(script) as server, pytest.raises(error) as raised:
        Registry(server.address, plain_http=True).remove("a", "v1")
    assert raised.value.code == code
    assert server.requests[-1] == f"DELETE /v2/a/manifests/{DIGEST}"


def test_the_delete_scope_is_requested_if_the_challenge_names_none():
    def script(asked) -> None:
        if asked.path.startswith("/token?"):
            asked.answer(200, b'{"token": "good"}')
        elif asked.command == "DELETE" and asked.authorization() != "Bearer good":
            asked.answer(401, WWW_Authenticate=f'Bearer realm="http://{server.address}/token"')
        elif asked.command == "DELETE":
            asked.answer(202)
        else:
            asked.answer(200, Docker_Content_Digest=DIGEST)

    with Scripted(script) as server:
        Registry(server.address, plain_http=True).remove("a", "v1")
        assert "GET /token?scope=repository%3Aa%3Adelete" in server.requests
