"""The ssh by which git, in the portal's own hands, fetches with a person's key.

That key and no other, which lies in memory alone; only a server that proves who it is; no
question, no configuration, out by the call's own proxy. `process` runs git with it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from keys.keypairs import Identity

CONNECT_SECONDS = 10

_SSH_PORT = 22
_LOOK_SECONDS = 5
_FILE = "known_hosts"


@contextmanager
def command(identity: Identity, url: str, home: str, port: int) -> Iterator[str]:
    """What to give git as ``GIT_SSH_COMMAND``, as long as the block lasts.

    ``home`` is a folder of the call's own, ``port`` that of the proxy. A server that is known
    must have the very key that it is known by; of an unknown one any is taken, and found by `met`.
    """
    known = Path(home, _FILE)
    known.write_text(identity.known_hosts)
    with _in_memory(identity.private) as key:
        options = {
            "BatchMode": "yes",
            "CheckHostIP": "no",
            "ConnectTimeout": str(CONNECT_SECONDS),
            "GlobalKnownHostsFile": "/dev/null",
            "HashKnownHosts": "no",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": key,
            "LogLevel": "ERROR",
            "PreferredAuthentications": "publickey",
            "ProxyCommand": f"socat - PROXY:127.0.0.1:%h:%p,proxyport={port}",
            # A known server that shows a key of another kind would pass for a new one.
            "StrictHostKeyChecking": "yes" if _is_known(url, known) else "accept-new",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": str(known),
        }
        words = (word for name, value in options.items() for word in ("-o", f"{name}={value}"))
        yield shlex.join(["ssh", "-F", "/dev/null", *words])


def met(identity: Identity, home: str) -> list[str]:
    """The servers that were unknown before, as lines of ``known_hosts``."""
    written = Path(home, _FILE).read_text().removeprefix(identity.known_hosts)
    return [line for line in written.splitlines() if line.strip()]


@contextmanager
def _in_memory(private: str) -> Iterator[str]:
    """The path of a file that is on no disk.

    It goes by way of this process: ssh closes all that it inherits before it looks for its key.
    """
    descriptor = os.memfd_create("key")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, private.encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _is_known(url: str, known: Path) -> bool:
    """Whether any line is about the server; ssh's own program understands all kinds of them."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _SSH_PORT
    name = host if port == _SSH_PORT else f"[{host}]:{port}"
    done = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", known],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_LOOK_SECONDS,
    )
    return done.returncode == 0
