"""The smallest server that passes for a notebook's: the same program for portal and peer.

Started by JupyterHub, it listens at JUPYTERHUB_SERVICE_URL; started by the portal, on the socket
named by its argument. It answers everything with 200 and ends when asked to shut down. It prints
two times (seconds since 1970): when it began, and when it could be reached.
"""

import os
import socket
import sys
import time

BODY = b'{"connections": 0, "kernels": 0, "last_activity": "2000-01-01T00:00:00Z"}'
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
ANSWER += b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


def listen() -> socket.socket:
    """Return the listening socket."""
    url = os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    if not url:
        server = socket.socket(socket.AF_UNIX)
        server.bind(sys.argv[1])
    else:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0])))
    server.listen(100)
    return server


def main() -> None:
    """Serve until asked to shut down."""
    began = time.time()
    server = listen()
    print(f"moments {began} {time.time()}", flush=True)
    while True:
        visitor = server.accept()[0]
        with visitor:
            asked = visitor.recv(65536)
            visitor.sendall(ANSWER)
        if asked.startswith(b"POST /api/shutdown"):
            return


main()
