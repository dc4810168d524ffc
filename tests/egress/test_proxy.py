"""The proxy through which git, builds and notebooks reach the Internet, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sessions.egress import proxy as egress
from sessions.egress import proxy as relay
from sessions.egress.addresses import EgressRules, Refused, Unresolvable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Way:
    """A proxy that trusts one server of the test's, and the errors of failed connections."""

    path: str
    target: int
    unreached: list[Exception] = field(default_factory=list)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def ask(self, request: str) -> str:
        """Return all that comes back for a request until the proxy hangs up."""
        reader, writer = await self.open()
        writer.write(request.encode())
        answer = await reader.read()
        writer.close()
        return answer.decode()

    async def tunnel(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.open()
        writer.write(f"CONNECT 127.0.0.1:{self.target} HTTP/1.1\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async def tunnel_once_there_is_room(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            reader, writer = await self.open()
            writer.write(f"CONNECT 127.0.0.1:{self.target} HTTP/1.1\r\n\r\n".encode())
            if b" 200 " in (head := await reader.readuntil(b"\r\n\r\n")):
                return reader, writer
            assert b" 503 " in head
            writer.close()
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
async def everything_ends() -> AsyncIterator[None]:
    """Assert that every connection ends by itself, and leaves nothing open."""
    yield
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        assert (await asyncio.wait(others, timeout=20))[0]
    await asyncio.sleep(0.01)


@pytest.fixture
def way(tmp_path):
    @asynccontextmanager
    async def make(serve: Serve = echo, **options) -> AsyncIterator[Way]:
        target = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = target.sockets[0].getsockname()[1]
        made = Way(str(tmp_path / "out"), port)
        rules = EgressRules(frozenset({f"127.0.0.1:{port}"}))
        proxy = await egress.serve(rules, path=made.path, observe=made.unreached.append, **options)
        try:
            yield made
        finally:
            proxy.close()
            target.close()

    return make


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back all that was received, once the other end has finished."""
    writer.write(await reader.read())
    writer.close()


async def show_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request with its own head and as much of a body as it announced."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(4) if b"Content-Length: 4" in head else b""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + head + body)
    writer.close()


async def test_a_tunnel_carries_bytes_both_ways_and_half_closes(way):
    async with way() as out:
        reader, writer = await out.tunnel()
        said = bytes(range(256)) * 4000
        writer.write(said)
        writer.write_eof()
        assert await reader.read() == said
        writer.close()


def connections() -> str:
    """Return the Unix sockets of this network namespace."""
    return Path("/proc/net/unix").read_text()


async def test_a_connection_does_not_tell_where_the_portals_folders_are(way):
    async with way() as out:
        _reader, writer = await out.tunnel()
        assert str(Path(out.path).parent) not in connections()
        writer.close()


async def test_a_plain_request_is_rewritten_to_origin_form(way):
    async with way(show_head) as out:
        answer = await out.ask(
            f"POST http://127.0.0.1:{out.target}/a?b=c HTTP/1.1\r\nHost: elsewhere\r\n"
            "Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n"
            "Connection: X-Mine, close\r\nX-Mine: 1\r\nX-Kept: 2\r\nContent-Length: 4\r\n\r\nbody"
        )
    head = answer.partition("\r\n\r\n")[2]
    assert head == (
        f"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{out.target}\r\nX-Kept: 2\r\n"
        "Content-Length: 4\r\nConnection: close\r\n\r\nbody"
    )


async def test_a_plain_request_without_a_path_requests_the_root(way):
    async with way(show_head) as out:
        assert "\r\n\r\nGET / HTTP/1.1" in await out.ask(
            f"GET http://127.0.0.1:{out.target} HTTP/1.0\r\n\r\n"
        )


@pytest.mark.parametrize(
    "request_line",
    [
        "CONNECT localhost:{port} HTTP/1.1",
        "CONNECT 127.0.0.1:1 HTTP/1.1",
        "CONNECT 169.254.169.254:80 HTTP/1.1",
        "CONNECT [::ffff:127.0.0.1]:{port} HTTP/1.1",
        "CONNECT [64:ff9b::7f00:1]:{port} HTTP/1.1",
        "CONNECT 0x7f.2:{port} HTTP/1.1",
        "GET http://localhost:{port}/ HTTP/1.1",
        "GET http://10.0.0.1/ HTTP/1.1",
        "GET HTTP://LOCALHOST./ HTTP/1.1",
    ],
)
async def test_a_private_target_is_403_with_the_reason(way, request_line: str):
    async with way() as out:
        answer = await out.ask(request_line.format(port=out.target) + "\r\n\r\n")
        [why] = out.unreached
    assert isinstance(why, Refused)
    assert answer.startswith("HTTP/1.1 403 ")
    assert answer.endswith(f"\r\n\r\nRefused: {why}\n")


async def test_an_unresolvable_name_and_a_closed_port_are_502(tmp_path):
    unreached: list[Exception] = []
    unused = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    rules = EgressRules(frozenset({"127.0.0.1"}))
    path = str(tmp_path / "out")
    proxy = await egress.serve(rules, path=path, observe=unreached.append)
    out = Way(path, port)
    for host in ("nowhere.invalid", "127.0.0.1"):
        answer = await out.ask(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n")
        assert answer.startswith("HTTP/1.1 502 ")
        assert answer.endswith(f"{host}:{port} cannot be reached\n")
    proxy.close()
    assert [type(why) for why in unreached] == [Unresolvable, ConnectionRefusedError]


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1",
        "GET https://example.org/ HTTP/1.1",
        "GET ftp://example.org/ HTTP/1.1",
        "GET http://user:secret@127.0.0.1/ HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "CONNECT example.org HTTP/1.1",
        "CONNECT example.org:0 HTTP/1.1",
        "CONNECT example.org:65536 HTTP/1.1",
        "CONNECT a:b@example.org:443 HTTP/1.1",
        "CONNECT example.org:443",
        "connect example.org:443 HTTP/1.1",
        "GET http://127.0.0.1/\nHost: b HTTP/1.1",
        "GET http://127.0.0.1/ HTTP/1.1\r\nX: 1\n\nGET /second HTTP/1.1",
        "GET http://127.0.0.1/ HTTP/1.1\r\n folded: line",
        "GET http://127.0.0.1/ HTTP/1.1\r\nno colon",
        "\x16\x03\x01 not HTTP at all",
    ],
)
async def test_anything_but_a_proxy_request_is_400(way, head: str):
    async with way() as out:
        answer = await out.ask(f"{head}\r\n\r\n")
        assert answer.startswith("HTTP/1.1 400 ")
        assert out.unreached == []


async def test_a_request_head_is_limited_in_size_and_time(way, monkeypatch):
    monkeypatch.setattr(egress, "HEAD_SECONDS", 0.2)
    async with way() as out:
        endless = "GET http://127.0.0.1/ HTTP/1.1\r\nX: " + "x" * egress.HEAD_BYTES * 2
        assert (await out.ask(endless)).startswith("HTTP/1.1 431 ")
        assert (await out.ask("CONNECT 127.0.0.1:1 HT")).startswith("HTTP/1.1 408 ")


async def test_connections_over_the_limit_are_503_until_one_ends(way):
    async with way(max_connections=2) as out:
        first, second = await out.tunnel(), await out.tunnel()
        asked = f"CONNECT 127.0.0.1:{out.target} HTTP/1.1\r\n\r\n"
        assert (await out.ask(asked)).startswith("HTTP/1.1 503 ")
        first[1].write_eof()
        assert await first[0].read() == b""
        async with asyncio.timeout(20):
            third = await out.tunnel_once_there_is_room()
        for _, writer in (first, second, third):
            writer.close()


async def test_an_idle_connection_is_closed(way, monkeypatch):
    monkeypatch.setattr(relay, "IDLE_SECONDS", 0.1)
    async with way() as out:
        reader, writer = await out.tunnel()
        assert await reader.read() == b""
        writer.close()


async def test_a_server_that_aborts_ends_the_tunnel(way):
    async def break_off(reader, writer):
        await reader.read(1)
        writer.transport.abort()

    async with way(break_off) as out:
        reader, writer = await out.tunnel()
        writer.write(b"x")
        assert await reader.read() == b""
        writer.close()


async def test_the_end_of_a_proxy_does_not_wait_for_a_server_that_reads_nothing(way):
    async def read_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.transport.abort()

    over = asyncio.Event()
    async with way(read_nothing) as out:
        _reader, writer = await out.tunnel()
        writer.write(bytes(30_000_000))
        await asyncio.sleep(0.2)  # all buffers between are full now
        connections = [each for each in asyncio.all_tasks() if "Proxy.serve" in repr(each)]
        for connection in connections:
            connection.cancel()
        assert len(connections) == 1
        assert not (await asyncio.wait(connections, timeout=5))[1]
        over.set()
        writer.close()


async def test_the_proxy_can_listen_on_a_loopback_port():
    proxy = await egress.serve(EgressRules(), port=0)
    [listening] = proxy.sockets
    host, port = listening.getsockname()
    assert host == "127.0.0.1"
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    assert b" 403 " in await reader.readline()
    writer.close()
    proxy.close()
