"""Whether a registry has an image: yes, no, or unknown."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import socket
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sessions.backends.kubernetes import registry as module
from sessions.backends.kubernetes.registry import MAX_BODY_BYTES, Registry
from sessions.errors import TemporaryError
from tests.kubernetes.registryserver import PERSON, RegistryServer, Scripted

pytestmark = pytest.mark.servers

DIGEST = "sha256:" + "a" * 64
ENCODED = base64.b64encode(PERSON.encode()).decode()


def config(address: str) -> str:
    return json.dumps({"auths": {address: {"auth": ENCODED}}})


def failure(registry: Registry) -> TemporaryError:
    with pytest.raises(TemporaryError) as raised:
        registry.digest("a/b", "v1")
    return raised.value


@pytest.fixture(scope="module")
def open_registry():
    with RegistryServer() as registry:
        yield registry


@pytest.fixture(scope="module")
def closed_registry():
    with RegistryServer(login=True) as registry:
        yield registry


@pytest.fixture
def scripted():
    servers = []

    def start(script, certificate=None) -> Scripted:
        servers.append(Scripted(script, certificate).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


def test_an_image_is_found_by_its_tag_and_by_its_digest(open_registry):
    digest = open_registry.image("bindery/flowers", "v1")
    registry = Registry(open_registry.address, plain_http=True)
    assert registry.digest("bindery/flowers", "v1") == digest
    assert registry.digest("bindery/flowers", digest) == digest


def test_a_missing_tag_digest_or_repository_is_absent(open_registry):
    open_registry.image("bindery/trees", "v1")
    registry = Registry(open_registry.address, plain_http=True)
    assert registry.digest("bindery/trees", "v2") is None
    assert registry.digest("bindery/trees", DIGEST) is None
    assert registry.digest("bindery/nowhere", "v1") is None


def test_credentials_from_a_docker_config_are_used(closed_registry):
    digest = closed_registry.image("bindery/flowers", "v1")
    auth = config(closed_registry.address)
    registry = Registry(closed_registry.address, plain_http=True, auth=auth)
    assert registry.digest("bindery/flowers", "v1") == digest
    assert registry.digest("bindery/flowers", "v2") is None


@pytest.mark.parametrize("credentials", [None, "bindery:wrong", "nobody:bindery"])
def test_missing_or_wrong_credentials_are_refused_not_absent(closed_registry, credentials):
    encoded = base64.b64encode(credentials.encode()).decode() if credentials else ""
    auth = json.dumps({"auths": {closed_registry.address: {"auth": encoded}}})
    error = failure(Registry(closed_registry.address, plain_http=True, auth=auth))
    assert error.code == "registry.refused"
    assert closed_registry.address in error.message
    assert "wrong" not in error.message


def with_tokens(asked) -> None:
    """Answer as a registry that requires tokens, and as the realm that issues them, to `PERSON`
    only.
    """
    if asked.path.startswith("/token?"):
        known = asked.authorization() == f"Basic {PERSON}"
        asked.answer(200, b'{"token": "good"}') if known else asked.answer(401)
    elif asked.authorization() == "Bearer good":
        asked.answer(200, Docker_Content_Digest=DIGEST)
    else:
        asked.challenge(f"http://{asked.server.address}/token")


def test_a_token_is_fetched_from_the_realm_of_the_challenge(scripted):
    server = scripted(with_tokens)
    registry = Registry(server.address, plain_http=True, auth=config(server.address))
    assert registry.digest("a", "v1") == DIGEST
    assert server.requests == [
        "HEAD /v2/a/manifests/v1",
        "GET /token?service=test&scope=repository%3Aa%3Apull%2Cpush",
        "HEAD /v2/a/manifests/v1",
    ]


def test_a_realm_that_rejects_us_means_refused(scripted):
    assert failure(Registry(scripted(with_tokens).address, plain_http=True)).code == (
        "registry.refused"
    )


def test_a_public_image_is_read_with_an_anonymous_token(scripted):
    def script(asked) -> None:
        if asked.path.startswith("/token"):
            asked.answer(200, b'{"access_token": "any"}')
        elif asked.authorization() == "Bearer any":
            asked.answer(200, Docker_Content_Digest=DIGEST)
        else:
            asked.challenge(f"http://{asked.server.address}/token")

    assert Registry(scripted(script).address, plain_http=True).digest("a", "v1") == DIGEST


def test_a_missing_digest_header_is_computed_from_the_manifest(scripted):
    server = scripted(lambda asked: asked.answer(200, b"{}"))
    found = Registry(server.address, plain_http=True).digest("a", "v1")
    assert found == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, b"", "registry.unreachable"),
        (503, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}', "registry.unreachable"),
        (429, b"", "registry.unreachable"),
        (307, b"", "registry.unreachable"),
        (401, b"", "registry.refused"),
        (403, b'{"errors": [{"code": "DENIED"}]}', "registry.refused"),
        (404, b"<h1>Not found</h1>", "registry.unreachable"),
        (404, b'{"kind": "Status", "code": 404}', "registry.unreachable"),
        (404, b'{"errors": []}', "registry.unreachable"),
        (404, b'{"errors": [{"code": "UNAVAILABLE"}]}', "registry.unreachable"),
        (404, b'{"errors": "none"}', "registry.unreachable"),
        (404, b" " * MAX_BODY_BYTES + b'{"errors": []}', "registry.unreachable"),
        (200, b" " * MAX_BODY_BYTES, "registry.unreachable"),
    ],
)
def test_an_unexpected_answer_is_an_error_and_not_absent(scripted, status, body, code):
    server = scripted(lambda asked: asked.answer(status, body))
    assert failure(Registry(server.address, plain_http=True)).code == code


def test_a_hanging_registry_times_out(scripted, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", (3, 0.1))
    server = scripted(lambda asked: asked.server.over.wait())
    error = failure(Registry(server.address, plain_http=True))
    assert (error.code, "did not answer in time" in error.message) == (
        "registry.unreachable", True
    )  # fmt: skip


def test_after_a_request_without_an_answer_nobody_waits_for_a_while(scripted, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", (3, 0.1))
    came: list[str] = []

    def script(asked) -> None:
        came.append(asked.path)
        asked.server.over.wait()

    server = scripted(script)
    for _each in range(20):
        error = failure(Registry(server.address, plain_http=True))
        assert error.code == "registry.unreachable"
    assert len(came) == 1


def test_a_stalled_response_times_out(scripted, monkeypatch):
    def script(asked) -> None:
        asked.send_response(200)
        asked.send_header("Content-Length", "100")
        asked.end_headers()
        if asked.command == "GET":
            asked.wfile.write(b"{")
            asked.server.over.wait()

    monkeypatch.setattr(module, "TIMEOUT", (3, 0.1))
    error = failure(Registry(scripted(script).address, plain_http=True))
    assert (error.code, "did not answer in time" in error.message) == (
        "registry.unreachable", True
    )  # fmt: skip


def test_redirects_are_neither_followed_nor_read_to_the_end(scripted):
    elsewhere = scripted(lambda asked: asked.answer(200, Docker_Content_Digest=DIGEST))

    def script(asked) -> None:
        asked.send_response(307)
        asked.send_header("Location", f"http://{elsewhere.address}/")
        asked.end_headers()
        with suppress(OSError):  # the other side hangs up
            while asked.command == "GET":
                asked.wfile.write(bytes(2**20))

    error = failure(Registry(scripted(script).address, plain_http=True))
    assert (error.code, elsewhere.requests) == ("registry.unreachable", [])


def test_neither_netrc_credentials_nor_cookies_are_sent(scripted, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login stranger password stranger")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    def script(asked) -> None:
        seen.append((asked.headers["Authorization"], asked.headers["Cookie"]))
        if asked.headers["Authorization"]:
            asked.answer(200, Docker_Content_Digest=DIGEST)
        else:
            asked.answer(401, WWW_Authenticate="Basic", Set_Cookie="sid=1; Path=/")

    server = scripted(script)
    registry = Registry(server.address, plain_http=True, auth=config(server.address))
    assert registry.digest("a", "v1") == DIGEST
    assert seen == [(None, None), (f"Basic {ENCODED}", None)]


def test_a_lookup_uses_one_connection(scripted):
    connections = set()

    def script(asked) -> None:
        asked.protocol_version = "HTTP/1.1"
        asked.close_connection = False
        connections.add(asked.client_address)
        asked.answer(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')

    server = scripted(script)
    assert Registry(server.address, plain_http=True).digest("a", "v1") is None
    assert (len(server.requests), len(connections)) == (2, 1)


def test_the_proxy_and_no_proxy_variables_are_honoured(scripted, monkeypatch):
    server = scripted(lambda asked: asked.answer(200, Docker_Content_Digest=DIGEST))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://{server.address}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    for address in ("outside.example", server.address):
        assert Registry(address, plain_http=True).digest("a", "v1") == DIGEST
    assert server.requests == [
        "HEAD http://outside.example/v2/a/manifests/v1",
        "HEAD /v2/a/manifests/v1",
    ]


def test_a_closed_port_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    assert failure(Registry(address, plain_http=True)).code == "registry.unreachable"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a self-signed certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = dt.datetime.now(dt.UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_private_ca_is_trusted_through_the_environment(scripted, certificate, monkeypatch):
    server = scripted(lambda asked: asked.answer(200, Docker_Content_Digest=DIGEST), certificate)
    error = failure(Registry(server.address))
    assert (error.code, "not trusted" in error.message) == ("registry.unreachable", True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert Registry(server.address).digest("a", "v1") == DIGEST


def test_credentials_are_not_sent_to_an_unencrypted_realm(scripted, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    realm = scripted(with_tokens)
    server = scripted(lambda asked: asked.challenge(f"http://{realm.address}/token"), certificate)
    error = failure(Registry(server.address, auth=config(server.address)))
    assert (error.code, realm.requests) == ("registry.refused", [])
