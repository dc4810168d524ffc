"""A real OpenSSH server for tests, from which git fetches what a key may read, and nothing else.

    with SshServer() as server:
        commit = server.repository("ada/secret", {"index.ipynb": "{}"})
        server.allow(public_key, "ada/secret")
        server.url("ada/secret")  # ssh://<user>@127.0.0.1:<port>/ada/secret.git

The server listens on 127.0.0.1 or the address it is given, which the portal and its sandboxes reach
only when `server.host` is a trusted host. Clients sign in as the account that runs the tests, since
no other is sure to exist. The same repositories are served over HTTP, which asks for a password.
"""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.harness.ports import free_port
from keys.keypairs import SshIdentity
from tests.githttp import Files, GitServer

_SSHD = "/usr/sbin/sshd"
_SECONDS = 10

_GATE = """#!/bin/sh
# Arguments: the folder of all repositories, and the names of those that this key may read.
root=$1
shift
for name; do
    case $SSH_ORIGINAL_COMMAND in
    "git-upload-pack '/$name.git'" | "git-upload-pack '$name.git'")
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=2
        export GIT_CONFIG_KEY_0=uploadpack.allowAnySHA1InWant GIT_CONFIG_VALUE_0=true
        export GIT_CONFIG_KEY_1=uploadpack.allowFilter GIT_CONFIG_VALUE_1=true
        exec git-upload-pack "$root/$name.git"
        ;;
    esac
done
echo "ERROR: Repository not found." >&2
exit 128
"""

_CONFIGURATION = """
ListenAddress {address}
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PermitRootLogin yes
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
AcceptEnv GIT_PROTOCOL
DisableForwarding yes
PermitTTY no
PrintMotd no
UseDNS no
MaxStartups 200
LogLevel VERBOSE
# Ten times as quick as what both would agree on.
KexAlgorithms curve25519-sha256
# As if below another shell: bash does not read the account's own files then.
SetEnv SHLVL=2
"""
# Newer ones turn away an address for a while after it has shown a wrong key.
_WHERE_KNOWN = ("PerSourcePenalties no",)


class SshServer:
    """An SSH server that runs until the `with` block ends. ``git`` holds the repositories and makes
    more of them (`GitServer.branch` and so on), ``host`` is what to put among the trusted hosts,
    ``host_key`` a line of ``known_hosts``, ``user`` the name to sign in with.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="sshd-")
        self._folder = Path(self._temporary.name)
        self._address = address
        self._rights: dict[str, list[str]] = {}
        self.git = GitServer(address)
        self.user = getpass.getuser()
        self.port = free_port(address)
        _new_key(self._folder / "host")
        self._configure()

    def __enter__(self) -> Self:
        self.git.__enter__()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._process = subprocess.Popen(
            [_SSHD, "-D", "-f", self._folder / "config", "-E", self._folder / "log"]
        )
        if not self._listens():
            raise RuntimeError(f"the SSH server does not start: {self.log}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(_SECONDS)
        self.git.__exit__(kind, error, trace)
        self._temporary.cleanup()

    @property
    def host(self) -> str:
        return f"{self._address}:{self.port}"

    @property
    def host_key(self) -> str:
        kind, key = (self._folder / "host.pub").read_text().split()[:2]
        return f"[{self._address}]:{self.port} {kind} {key}"

    @property
    def log(self) -> str:
        """Return the server's log so far: which keys it was offered, and which it accepted."""
        log = self._folder / "log"
        return log.read_text() if log.exists() else ""

    def repository(self, name: str, files: Files, *, branch: str = "main") -> str:
        """Make the repository, or a further commit in it, that nobody may read yet.

        Returns the commit.
        """
        self.git.repository(name, files, branch=branch)
        self.git.lock(name)
        return self.git.commit(name, f"refs/heads/{branch}")

    def url(self, name: str) -> str:
        return f"ssh://{self.user}@{self.host}/{name}.git"

    def allow(self, public: str, *names: str) -> None:
        """Let the holder of this key read these repositories too, and be let in at all."""
        key = " ".join(public.split()[:2])
        self._rights[key] = sorted({*self._rights.get(key, []), *names})
        self._write()

    def forbid(self, public: str) -> None:
        """Have the key refused from now on."""
        self._rights.pop(" ".join(public.split()[:2]), None)
        self._write()

    def reads(self, private: str, name: str) -> bool:
        """Return whether the holder of this private key can read the repository, tried with git."""
        with tempfile.NamedTemporaryFile("w", dir=self._folder) as key:
            key.write(private)
            key.flush()
            ssh = (
                f"ssh -F none -i {key.name} -o IdentitiesOnly=yes -o IdentityAgent=none "
                "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            )
            done = subprocess.run(
                ["git", "ls-remote", "--", self.url(name)],
                env={**os.environ, "GIT_SSH_COMMAND": ssh},
                capture_output=True,
                timeout=_SECONDS,
            )
        return done.returncode == 0

    def _write(self) -> None:
        draft = self._folder / "authorized_keys.new"
        draft.write_text("".join(self._line(key, names) for key, names in self._rights.items()))
        draft.replace(self._folder / "authorized_keys")

    def _line(self, key: str, names: list[str]) -> str:
        words = [str(self._folder / "gate"), str(self.git.root), *names]
        return f'restrict,command="{shlex.join(words)}" {key}\n'

    def _configure(self) -> None:
        folder, address, port = self._folder, self._address, self.port
        gate = folder / "gate"
        gate.write_text(_GATE)
        gate.chmod(0o755)
        config = folder / "config"
        config.write_text(_CONFIGURATION.format(address=address, port=port, folder=folder))
        known = [option for option in _WHERE_KNOWN if self._understands(option)]
        config.write_text("\n".join([config.read_text(), *known, ""]))
        self._write()

    def _understands(self, option: str) -> bool:
        words = [_SSHD, "-G", "-f", str(self._folder / "config"), "-o", option]
        return subprocess.run(words, capture_output=True).returncode == 0

    def _listens(self) -> bool:
        """Wait until the server listens and return True, or False if it has ended because it
        cannot.
        """
        said = f"Server listening on {self._address} port {self.port}."
        while (running := self._process.poll() is None) and said not in self.log:
            time.sleep(0.01)
        return running


def new_identity(known_hosts: str = "") -> SshIdentity:
    """Return a new key pair that belongs to nobody, as OpenSSH makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        _new_key(path)
        return SshIdentity(path.read_text(), Path(f"{path}.pub").read_text().strip(), known_hosts)


def _new_key(path: Path) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(words, check=True)
