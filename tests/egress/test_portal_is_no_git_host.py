"""Attacks: a trusted Git host that leads to the portal itself, or to the services it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from sessions.egress import proxy as egress
from sessions.egress.addresses import EgressRules, Refused, require_allowed, resolve_allowed
from sessions.errors import UserError
from sessions.git.resolve import resolve
from sessions.providers import Repository, parse_repository
from tests.githttp import GitServer

HERE = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "git.localhost", "127.8.9.10"]
SPELLINGS = ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "127.0.0.1."]
EXAMPLE = "/examples/hello.git"


def rules(*trusted: str, front: str = "") -> EgressRules:
    return EgressRules(frozenset(trusted), frozenset({8000, 5432}), frozenset({8888}), front)


@pytest.mark.parametrize("host", HERE)
@pytest.mark.parametrize("entry", ["{}", "{}:8000"])
@pytest.mark.parametrize("port", [8000, 5432])
async def test_trusting_a_host_does_not_open_the_portals_own_ports(
    host: str, entry: str, port: int
):
    trusting = rules(entry.format(host), *HERE)
    with pytest.raises(Refused, match="is the portal itself"):
        await resolve_allowed(trusting, host, port)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_a_trusted_address_opens_the_portals_ports(spelling: str):
    with pytest.raises(Refused, match="is the portal itself"):
        await resolve_allowed(rules("127.0.0.1"), spelling, 8000)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_a_trusted_name_of_this_machine_does_not_open_the_portals_ports(address: str):
    require_allowed(rules("git.example"), "git.example", 3000, [address])
    with pytest.raises(Refused, match="is the portal itself"):
        require_allowed(rules("git.example"), "git.example", 8000, ["10.0.0.1", address])


async def test_a_git_server_on_the_portals_machine_is_allowed():
    assert await resolve_allowed(rules("127.0.0.1"), "127.0.0.1", 3000) == ["127.0.0.1"]
    assert await resolve_allowed(rules("127.0.0.1:3000"), "127.0.0.1", 3000) == ["127.0.0.1"]


@pytest.mark.parametrize("front", ["http://localhost:80", "https://portal.example:443"])
async def test_the_front_web_server_is_refused_by_its_address(front: str):
    port = 80 if front.startswith("http:") else 443
    for host in ("127.0.0.1", "localhost", "127.1"):
        with pytest.raises(Refused, match="is the portal itself"):
            await resolve_allowed(rules("127.0.0.1", "localhost", front=front), host, port)
    require_allowed(rules("git.example", front=front), "git.example", port, ["127.0.0.1"])


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254",
     "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"],
)  # fmt: skip
async def test_trusting_a_host_does_not_open_a_metadata_service(address: str):
    for host in (address, "git.example"):
        with pytest.raises(Refused, match="metadata service"):
            require_allowed(rules(host), host, 80, [address])
    with pytest.raises(Refused, match="metadata service"):
        await resolve_allowed(rules(address), address, 80)


def test_notebook_ports_are_trusted_only_if_listed():
    trusting = rules("git.example", "other.example:8888")
    assert not trusting.trusts("git.example", 8888)
    assert trusting.trusts("git.example", 3000)
    assert trusting.trusts("other.example", 8888)


@pytest.mark.parametrize(
    ("path", "is_example"),
    [
        (EXAMPLE, True),
        (f"{EXAMPLE}/info/refs?service=git-upload-pack", True),
        (f"{EXAMPLE}/objects/info/packs", True),
        ("", False),
        ("/", False),
        ("/admin/", False),
        (f"{EXAMPLE}/../../admin/", False),
        (f"{EXAMPLE}/..%2f..%2fadmin/", False),
        (f"/admin/?x={EXAMPLE}", False),
        (f"{EXAMPLE}@evil/admin/", False),
        (f"{EXAMPLE}/HEAD?next=/admin/", False),
        ("//examples/hello.git", False),
        ("/examples/hello.git\n/admin/", False),
    ],
)
async def test_only_the_examples_are_allowed_on_the_portals_own_address(path, is_example):
    own = rules("127.0.0.1", "127.0.0.1:8000", front="http://127.0.0.1:8000")
    assert own.is_example("127.0.0.1", 8000, path) is is_example
    assert not own.is_example("127.0.0.1", 8001, path)
    assert not own.is_example("localhost", 8000, path)
    if is_example:
        assert await resolve_allowed(own, "127.0.0.1", 8000, path) == ["127.0.0.1"]
    else:
        with pytest.raises(Refused, match="is the portal itself"):
            await resolve_allowed(own, "127.0.0.1", 8000, path)


async def test_a_tunnel_to_an_https_portal_is_allowed_but_its_pages_are_not():
    own = rules("127.0.0.1:8443", front="https://127.0.0.1:8443")
    assert await resolve_allowed(own, "127.0.0.1", 8443) == ["127.0.0.1"]
    with pytest.raises(Refused):
        await resolve_allowed(own, "127.0.0.1", 8443, "/admin/")


@asynccontextmanager
async def portal() -> AsyncIterator[tuple[int, int, list[bytes]]]:
    """A listener that stands for the portal's own, and a proxy that trusts its host: both ports,
    and what the listener has received.
    """
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsecret")
        writer.close()

    listener = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    front = f"http://localhost:{port}"
    trusted = frozenset({"127.0.0.1", "localhost", f"127.0.0.1:{port}", f"localhost:{port}"})
    proxy = await egress.serve(
        EgressRules(trusted, frozenset({port}), portal_address=front), port=0
    )
    try:
        yield port, proxy.sockets[0].getsockname()[1], heard
    finally:
        proxy.close()
        listener.close()


async def said(proxy: int, head: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    writer.write(f"{head}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT 127.0.0.1:{port}",
        "CONNECT localhost:{port}",
        "CONNECT LOCALHOST.:{port}",
        "CONNECT [::ffff:127.0.0.1]:{port}",
        "GET http://127.0.0.1:{port}/admin/",
        "GET http://localhost:{port}/",
        "GET http://localhost:{port}/health",
        "GET http://localhost:{port}/examples/../admin/",
        "GET http://localhost:{port}/examples/hello.git/%2e%2e/",
        "GET http://localhost:{port}?/examples/hello.git",
        "GET http://127.0.0.1:{port}/examples/hello.git/HEAD",
    ],
)
async def test_the_egress_proxy_refuses_the_portal(line: str):
    async with portal() as (port, proxy, heard):
        answer = await said(proxy, f"{line.format(port=port)} HTTP/1.1")
    assert answer.startswith("HTTP/1.1 403 ")
    assert heard == []


async def test_the_egress_proxy_reaches_the_examples():
    async with portal() as (port, proxy, heard):
        asked = f"GET http://localhost:{port}{EXAMPLE}/info/refs?service=git-upload-pack HTTP/1.1"
        assert (await said(proxy, asked)).endswith("secret")
    assert heard[0].startswith(f"GET {EXAMPLE}/info/refs?service=git-upload-pack ".encode())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("http://127.0.0.1:8000/admin/x", "launch.address-portal"),
        ("http://127.1:8000/x/y", "launch.address-portal"),
        ("http://localhost:8000/x/y", "launch.address-portal"),
        ("http://localhost:8000/examples/../x", "launch.address-portal"),
        ("https://localhost:8000/examples/hello.git", "launch.address-portal"),
        ("ssh://git@localhost:8000/examples/hello.git", "launch.address-portal"),
        ("ssh://git@127.0.0.1:8000/x/y", "launch.address-portal"),
        ("http://[::1]:8000/x/y", "launch.address-portal"),
        ("http://169.254.169.254/latest/x", "launch.address-private"),
    ],
)
def test_the_form_refuses_the_portals_own_addresses(settings, text, code):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["127.0.0.1", "localhost", "[::1]", "169.254.169.254"]
    settings.PORTAL_CLOSED_PORTS = [8000]
    settings.PORTAL_OWN_ADDRESS = "localhost:8000"
    with pytest.raises(UserError) as refused:
        parse_repository(text)
    assert refused.value.code == code


def test_the_form_accepts_examples_and_git_servers_on_this_machine(settings):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["127.0.0.1", "localhost:8000"]
    settings.PORTAL_CLOSED_PORTS = [8000]
    settings.PORTAL_OWN_ADDRESS = "localhost:8000"
    assert parse_repository("http://localhost:8000/examples/hello.git").url.endswith("/hello.git")
    assert (
        parse_repository("http://127.0.0.1:3000/ada/flowers").url
        == "http://127.0.0.1:3000/ada/flowers"
    )


@pytest.fixture
def beside(git_server: GitServer, settings) -> Iterator[GitServer]:
    """A server on a port that is taken for the portal's own, beside the trusted `git_server`."""
    with GitServer() as server:
        server.repository("ada/flowers", {"a": "1"})
        settings.PORTAL_TRUSTED_GIT_HOSTS = ["127.0.0.1", "localhost"]
        settings.PORTAL_CLOSED_PORTS = [server.port]
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_neither_a_url_nor_a_redirect_leads_git_to_the_portal(beside, git_server, host):
    there = f"http://{host}:{beside.port}/ada/flowers.git"
    lure = git_server.redirect(f"ada/lure-{host}", there)
    for url in (there, lure):
        with pytest.raises(UserError) as refused:
            resolve(Repository("git", "a", url))
        assert refused.value.code == "launch.address-private"
    assert beside.requests == []
