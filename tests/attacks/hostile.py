"""A hostile notebook server in one file, which a start script runs.

It listens where JupyterLab would, passes the portal's readiness check, and breaks one rule for each
path that is requested. Standard library only.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import struct
from itertools import chain, repeat

SEEN: list[str] = []
ODD = {
    "nothing": b"",
    "no-http": b"hello, this is no HTTP\r\n\r\n",
    "old": b"hello",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nhello",
    "negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "length-of-letters": b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
    "length-and-chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n",
    "two-answers": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
    b"Content-Length: 8\r\nX-Planted: yes\r\n\r\nanswered",
    "chunk-negative": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "chunk-huge": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello",
    "nul-in-header": b"HTTP/1.1 200 OK\r\nX-Odd: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "line-in-header": b"HTTP/1.1 200 OK\r\nX-Odd: a\rX-Planted: yes\r\nContent-Length: 2\r\n\r\nok",
    "folded-header": b"HTTP/1.1 200 OK\r\nX-Odd: a\r\n X-Planted: yes\r\nContent-Length: 2\r\n\r\nok",
    "blank-in-name": b"HTTP/1.1 200 OK\r\nX Odd: a\r\nContent-Length: 2\r\n\r\nok",
    "no-colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok",
    "long-line": b"HTTP/1.1 200 OK\r\nX-Odd: "
    + b"x" * 1_000_000
    + b"\r\nContent-Length: 2\r\n\r\nok",
    "many-lines": b"HTTP/1.1 200 OK\r\n"
    + b"X-Odd: x\r\n" * 50_000
    + b"Content-Length: 2\r\n\r\nok",
    "other-protocol": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nraw",
    "early": b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n" * 1000
    + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "orders": b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /_bindery/allowed\r\nX-Sendfile: /etc/passwd\r\n"
    b"Content-Length: 2\r\n\r\nok",
    "site": b'HTTP/1.1 200 OK\r\nClear-Site-Data: "*"\r\nAlt-Svc: h3="evil.example:443"\r\n'
    b"Strict-Transport-Security: max-age=99; includeSubDomains\r\nContent-Length: 2\r\n\r\nok",
    "cookies": b"HTTP/1.1 200 OK\r\nSet-Cookie: planted=1; Domain=localhost; Path=/\r\n"
    b"Set-Cookie: COOKIE=planted; Path=/\r\nSet-Cookie: COOKIE-notebook=planted; Path=/\r\n"
    b"Set-Cookie: =COOKIE=planted\r\nContent-Length: 2\r\n\r\nok",
    "framed": b"HTTP/1.1 200 OK\r\nX-Frame-Options: ALLOWALL\r\nContent-Length: 2\r\n\r\nok",
}
"""Answers by the last part of ``/odd/<name>``, and of ``/static/orders``, which nginx passes on."""


def frame(opcode, payload, final=True):
    """Return a frame of a WebSocket as a server sends it."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + b"\x7e" + struct.pack(">H", len(payload)) + payload
    return head + b"\x7f" + struct.pack(">Q", len(payload)) + payload


PIECE = bytes(2**18)
TIMES = 1200
"""Number of pieces: 320 MB altogether."""
FRAMES = {
    "fragments": lambda: chain(
        [frame(2, PIECE, final=False)], repeat(frame(0, PIECE, final=False), TIMES)
    ),
    "huge": lambda: chain([b"\x82\x7f" + struct.pack(">Q", 2**33)], repeat(PIECE, TIMES)),
    "many": lambda: repeat(frame(2, PIECE), TIMES),
    "small": lambda: repeat(frame(1, b"x") * 64, 200_000),
    "pings": lambda: repeat(frame(9, b"x" * 100), 100_000),
    "over": lambda: [frame(2, bytes(70 * 2**20))],
    "under": lambda: [frame(2, bytes(12 * 2**20))],
    "long-control": lambda: [frame(9, b"x" * 5000)],
    "reserved": lambda: [bytes([0xF2, 1]) + b"x"],
    "unknown-opcode": lambda: [frame(0xB, b"x")],
    "no-text": lambda: [frame(1, b"\xff\xfe")],
    "close-of-one-byte": lambda: [frame(8, b"x")],
    "close-999": lambda: [frame(8, struct.pack(">H", 999))],
    "close-1006": lambda: [frame(8, struct.pack(">H", 1006))],
    "masked": lambda: [bytes([0x82, 0x81, 0, 0, 0, 0]) + b"x"],
    "continuation": lambda: [frame(0, b"x")],
}
"""Frames to send on a socket, by the last part of ``/ws/<kind>``."""


async def socket(reader, writer, path, fields):
    """Open a socket and send the frames that its path asks for, or echo what arrives."""
    mixed = fields.get("sec-websocket-key", "").encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(mixed).digest()).decode()
    writer.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    kind = path.rpartition("/")[2]
    for piece in FRAMES.get(kind, list)():
        writer.write(piece)
        await writer.drain()
    got = 0
    while piece := await reader.read(65536):
        got += len(piece)
        if kind == "deaf":
            await asyncio.sleep(30)
        SEEN.append(f"socket {got}")
        del SEEN[:-50]


async def answer(reader, writer, method, path, fields):
    """Answer one request; return whether another may follow."""
    place = path.partition("?")[0]
    if fields.get("upgrade", "").lower() == "websocket" and place.startswith("/ws/"):
        await socket(reader, writer, place, fields)
        return False
    if place.startswith("/odd/") or place == "/static/orders":
        cookie = path.partition("?")[2].encode()
        writer.write(ODD.get(place.rpartition("/")[2], b"").replace(b"COOKIE", cookie))
        await writer.drain()
        if place == "/odd/other-protocol":
            SEEN.append(f"raw {await reader.read(1000)!r}")
        return place == "/odd/two-answers"
    if place.startswith("/status/"):
        writer.write(f"HTTP/1.1 {place[8:]} Odd\r\nContent-Length: 2\r\n\r\nok".encode())
        await writer.drain()
        return False
    if place == "/endless":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        for _ in range(3000):
            writer.write(bytes(2**18))
            await writer.drain()
        return False
    if place == "/silent":
        await asyncio.sleep(60)
        return False
    told = {"seen": SEEN} if place == "/seen" else {"version": "1", "asked": path}
    body = json.dumps({**told, "fields": fields}).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return True


async def body(reader, fields):
    """Read the body of a request."""
    if "chunked" in fields.get("transfer-encoding", ""):
        while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        await reader.readexactly(int(fields.get("content-length", 0)))


async def serve(reader, writer):
    try:
        more = True
        while more and (line := await reader.readline()):
            method, path, _ = line.decode("latin-1").split(" ", 2)
            fields = {}
            while header := (await reader.readline()).decode("latin-1").strip():
                name, _, value = header.partition(":")
                fields[name.lower()] = value.strip()
            if not path.startswith("/seen"):
                SEEN.append(f"{method} {path[:200]}")
                del SEEN[:-50]
            await body(reader, fields)
            more = await answer(reader, writer, method, path, fields)
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def main(on_one_machine):
    more = {"limit": 2**24}
    if on_one_machine:
        await asyncio.start_unix_server(serve, "/run/bindery/lab", **more)
    else:
        await asyncio.start_server(serve, "0.0.0.0", 8888, **more)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(os.path.exists("/run/bindery/net")))
