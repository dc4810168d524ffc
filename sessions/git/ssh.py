"""Build the ssh command by which the portal's own git fetches with a person's key.

It uses that key and no other, and the key exists in memory only. Known servers must prove who they
are. ssh asks no questions, reads no configuration, and connects through the call's own proxy.
`process` runs git with it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from keys.keypairs import SshIdentity

CONNECT_SECONDS = 10

_SSH_PORT = 22
_LOOKUP_SECONDS = 5
_FILE = "known_hosts"


@contextmanager
def command(identity: SshIdentity, url: str, home: str, port: int) -> Iterator[str]:
    """Yield the value of ``GIT_SSH_COMMAND``, valid within the block.

    ``home`` is a folder of the call's own, ``port`` the proxy's port. A known server must show the
    very key it is known by. The key of an unknown server is accepted, and returned by `new_hosts`.
    """
    known = Path(home, _FILE)
    known.write_text(identity.known_hosts)
    with _memory_file(identity.private) as key:
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
            # Otherwise a known server that presents a key of another type would count as new.
            "StrictHostKeyChecking": "yes" if _is_known(url, known) else "accept-new",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": str(known),
        }
        words = (word for name, value in options.items() for word in ("-o", f"{name}={value}"))
        yield shlex.join(["ssh", "-F", "/dev/null", *words])


def new_hosts(identity: SshIdentity, home: str) -> list[str]:
    """Return the servers that were unknown before, as lines of ``known_hosts``."""
    written = Path(home, _FILE).read_text().removeprefix(identity.known_hosts)
    return [line for line in written.splitlines() if line.strip()]


@contextmanager
def _memory_file(private: str) -> Iterator[str]:
    """Yield the path of a file that is on no disk.

    The path goes through this process, because ssh closes everything it inherits before it reads
    its key.
    """
    descriptor = os.memfd_create("key")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, private.encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _is_known(url: str, known: Path) -> bool:
    """Return whether any line is for the server; ``ssh-keygen`` understands all forms of lines."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _SSH_PORT
    name = host if port == _SSH_PORT else f"[{host}]:{port}"
    done = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", known],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_LOOKUP_SECONDS,
    )
    return done.returncode == 0
