"""A real git server over HTTP for tests: git's own `http-backend` behind a small web server.

    with GitServer() as server:
        url = server.repository("ada/flowers", {"index.ipynb": "{}", "start": "#!/bin/sh"})
        server.branch("ada/flowers", "feature/blue", {"index.ipynb": "{}"})

It listens on 127.0.0.1 or the address it is given, which the portal reaches only when
`server.host` is a trusted host.
Commits are made by `git fast-import`, one short process each, and are the same every time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import urlsplit

from tests.lfs import LfsStore
from tests.threadserver import ThreadServer

Files = Mapping[str, str | bytes]

_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_HTTP_EXPORT_ALL": "1",
}
_PERSON = "Ada Lovelace <ada@example.org>"


@dataclass(frozen=True)
class _Manners:
    """Features that a repository's server allows; the big forges allow all."""

    by_id: bool = True
    filters: bool = True
    protocol: int = 2

    def variables(self, asked_protocol: str) -> dict[str, str]:
        return {
            "GIT_PROTOCOL": asked_protocol if self.protocol == 2 else "",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_0": str(self.by_id).lower(),
            "GIT_CONFIG_KEY_1": "uploadpack.allowFilter",
            "GIT_CONFIG_VALUE_1": str(self.filters).lower(),
        }


class GitServer:
    """Repositories below a temporary folder, served until the `with` block ends.

    ``requests`` are the paths asked for so far, in order; ``sent`` counts the bytes of answers.
    ``lfs`` has the contents of files in Git LFS, of all repositories.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="githttp-")
        self.root = Path(self._folder.name)
        self.requests: list[str] = []
        self.sent = 0
        self.lfs = LfsStore()
        self._makers: dict[str, str] = {}
        self.manners: dict[str, _Manners] = {}
        self.redirects: dict[str, str] = {}
        self.locked: set[str] = set()
        self.hanging: set[str] = set()
        self.endless: set[str] = set()
        self.pouring: set[str] = set()
        self.stalling: set[str] = set()
        self.mumbling: dict[str, bytes] = {}
        self.over = threading.Event()
        self._clock = 1_700_000_000
        self._http = _Http(self, address)

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._http.__exit__()
        self._folder.cleanup()

    @property
    def port(self) -> int:
        return self._http.port

    @property
    def host(self) -> str:
        """Return the host to put among the trusted hosts."""
        return self._http.address

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}.git"

    def folder(self, name: str) -> Path:
        return self.root / f"{name}.git"

    def repository(
        self, name: str, files: Files, *, branch: str = "main", executable: Iterable[str] = ()
    ) -> str:
        """Make the repository, or a further commit in it, that holds exactly these files.

        Returns the address to clone. ``branch`` is the default branch of a new repository. One
        that another test made is replaced: no test depends on which others ran before it.
        """
        if self._makers.get(name) != _current_test():
            self.empty(name, branch=branch)
        self._import(name, branch, files, executable=frozenset(executable))
        return self.url(name)

    def empty(self, name: str, *, branch: str = "main", hashes: str = "sha1") -> str:
        """Make a repository without a commit; returns its address."""
        shutil.rmtree(self.folder(name), ignore_errors=True)
        self._makers[name] = _current_test()
        options = [f"--initial-branch={branch}", f"--object-format={hashes}"]
        _git("init", "--quiet", "--bare", "--template=", *options, str(self.folder(name)))
        return self.url(name)

    def commit(self, name: str, ref: str = "HEAD") -> str:
        """Return the id of the commit that a branch, a tag or HEAD points to."""
        folder = f"--git-dir={self.folder(name)}"
        return _git(folder, "rev-parse", f"{ref}^{{commit}}").decode().strip()

    def branch(
        self, name: str, branch: str, files: Files | None = None, *, start: str = "HEAD"
    ) -> str:
        """Make a branch at ``start``, with a commit of ``files`` on it if there are any.

        Returns the id of its last commit.
        """
        _git(f"--git-dir={self.folder(name)}", "branch", "--force", "--", branch, start)
        if files is not None:
            self._import(name, branch, files)
        return self.commit(name, f"refs/heads/{branch}")

    def drop_branch(self, name: str, branch: str) -> None:
        """Delete a branch; its commits can still be fetched by their ids."""
        _git(f"--git-dir={self.folder(name)}", "branch", "-D", "--", branch)

    def tag(self, name: str, tag: str, *, start: str = "HEAD", annotated: bool = False) -> str:
        """Make a tag, on its own or as an object with a message; returns the tagged commit."""
        person = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        message = ["--message=a release"] if annotated else []
        _git(*person, f"--git-dir={self.folder(name)}", "tag", *message, "--", tag, start)
        return self.commit(name, f"refs/tags/{tag}")

    def symlink(self, name: str, path: str, target: str, *, branch: str = "main") -> str:
        """Add a symbolic link to the files, in a commit of its own, whose id is returned."""
        self._import(name, branch, {path: target}, keep=True, mode="120000")
        return self.commit(name, f"refs/heads/{branch}")

    def submodule(self, name: str, path: str, target: str, *, branch: str = "main") -> str:
        """Add a submodule at the commit ``target``, without its address; returns the commit."""
        head = f"commit refs/heads/{branch}\ncommitter {_PERSON} {self._clock} +0000\n".encode()
        body = f'from refs/heads/{branch}^0\nM 160000 {target} "{path}"\n'.encode()
        stdin = head + _data("Add a submodule") + body
        _git(f"--git-dir={self.folder(name)}", "fast-import", "--quiet", "--force", stdin=stdin)
        return self.commit(name, f"refs/heads/{branch}")

    def redirect(self, name: str, target: str) -> str:
        """Make an address that redirects every request to the address ``target``."""
        self.redirects[name] = target
        return self.url(name)

    def lock(self, name: str) -> str:
        """Require a password, which nobody has, from now on."""
        self.locked.add(name)
        return self.url(name)

    def hang(self, name: str) -> str:
        """Make an address that accepts a request and never answers."""
        self.hanging.add(name)
        return self.url(name)

    def flood(self, name: str) -> str:
        """Make an address whose list of branches never ends."""
        self.endless.add(name)
        return self.url(name)

    def pour(self, name: str) -> str:
        """Make an address whose commits, of an existing repository, are sent without an end."""
        self.pouring.add(name)
        return self.url(name)

    def stall(self, name: str) -> str:
        """List the branches, but send none of their commits from now on."""
        self.stalling.add(name)
        return self.restrict(name, protocol=0)

    def mumble(self, name: str, answer: bytes) -> str:
        """Make an address that answers every request with these bytes, as if they were git's."""
        self.mumbling[name] = answer
        return self.url(name)

    def restrict(
        self, name: str, *, by_id: bool = True, filters: bool = True, protocol: int = 2
    ) -> str:
        """Restrict the repository to a smaller server's features: no partial fetches, or no commits
        by their id (which protocol 2 always serves).
        """
        self.manners[name] = _Manners(by_id, filters, protocol)
        return self.url(name)

    def _import(
        self,
        name: str,
        branch: str,
        files: Files,
        *,
        keep: bool = False,
        mode: str = "100644",
        executable: frozenset[str] = frozenset(),
    ) -> None:
        """Make one commit on the branch, on top of what it has; without ``keep``, of these files
        only.
        """
        git_dir = f"--git-dir={self.folder(name)}"
        ref = f"refs/heads/{branch}"
        self._clock += 60
        parts = [f"commit {ref}\ncommitter {_PERSON} {self._clock} +0000\n".encode()]
        parts.append(_data(f"Change {len(files)} files"))
        if _git(git_dir, "for-each-ref", ref):
            parts.append(f"from {ref}^0\n".encode())
        parts.append(b"" if keep else b"deleteall\n")
        for path, content in files.items():
            kind = "100755" if path in executable else mode
            parts.append(f"M {kind} inline {_quoted(path)}\n".encode() + _data(content))
        _git(git_dir, "fast-import", "--quiet", "--force", stdin=b"".join(parts))


def _current_test() -> str:
    """Return the id of the test that runs, without its phase; "" outside tests."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]


def _quoted(path: str) -> str:
    """Return a path as git quotes it, whatever bytes it has."""
    raw = path.encode("utf-8", "surrogateescape")
    plain = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')
    return '"' + "".join(chr(each) if each in plain else f"\\{each:03o}" for each in raw) + '"'


def _data(content: str | bytes) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return b"data %d\n%s\n" % (len(raw), raw)


def _git(*arguments: str, stdin: bytes = b"") -> bytes:
    command = ["git", *arguments]
    return subprocess.run(
        command, input=stdin, env=_ENVIRONMENT, stdout=subprocess.PIPE, check=True, timeout=30
    ).stdout


class _Http(ThreadServer):
    def __init__(self, owner: GitServer, address: str) -> None:
        self.owner = owner
        super().__init__(_Request, address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: a client may be killed meanwhile, which is no failure of this server."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Request(BaseHTTPRequestHandler):
    server: _Http

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.requests.append(self.path)
        name, _, rest = self.path.removeprefix("/").partition(".git")
        if name in owner.hanging or (name in owner.stalling and self.command == "POST"):
            owner.over.wait()
        elif name in owner.redirects:
            self._answer(301, f"Location: {owner.redirects[name]}{rest}")
        elif name in owner.locked:
            self._answer(401, 'WWW-Authenticate: Basic realm="git"')
        elif name in owner.mumbling:
            self._mumble(owner.mumbling[name])
        elif name in owner.endless:
            self._flood()
        elif name in owner.pouring and self.command == "POST":
            self._pour()
        elif rest.startswith("/info/lfs/"):
            self._lfs(name, rest)
        else:
            self._run_backend(owner.manners.get(name, _Manners()))

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the output of a test is for failures."""

    def _answer(self, status: int, header: str) -> None:
        self.send_response(status)
        self.send_header(*header.split(": ", 1))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _mumble(self, answer: bytes) -> None:
        self._body()
        self.send_response(200)
        kind = "result" if self.command == "POST" else "advertisement"
        self.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _lfs(self, name: str, rest: str) -> None:
        owner = self.server.owner
        status, body = owner.lfs.answer(f"{owner.url(name)}/info/lfs", rest, self._body())
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.end_headers()
        self.wfile.write(_packet("# service=git-upload-pack\n") + b"0000")
        self.wfile.write(_packet("1" * 40 + " HEAD\0side-band-64k\n"))
        lines = (_packet(f"{'1' * 40} refs/heads/{number:0900}\n") for number in range(10**9))
        try:
            while not self.server.owner.over.wait(0.01):  # slow: time runs out before memory
                self.wfile.write(b"".join(next(lines) for _ in range(100)))
        except OSError:
            pass

    def _pour(self) -> None:
        """Send a blob of a terabyte, in pieces that are stored without compression."""
        self._body()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-result")
        self.end_headers()
        self.wfile.write(_packet("packfile\n"))
        head = b"PACK" + bytes([0, 0, 0, 2, 0, 0, 0, 1]) + b"\xb0\x80\x80\x80\x80\x80\x02\x78\x01"
        piece = b"\0\0\x40\xff\xbf" + bytes(2**14)
        with suppress(OSError):
            self.wfile.write(_band(head))
            while not self.server.owner.over.is_set():
                self.wfile.write(_band(piece))

    def _run_backend(self, manners: _Manners) -> None:
        """Pass one request through git's CGI program, with its body and its answer held in
        memory.
        """
        asked = urlsplit(self.path)
        environment = _ENVIRONMENT | {
            "GIT_PROJECT_ROOT": str(self.server.owner.root),
            "PATH_INFO": asked.path,
            "QUERY_STRING": asked.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": self.client_address[0],
        }
        environment |= manners.variables(self.headers.get("Git-Protocol", ""))
        done = subprocess.run(
            ["git", "http-backend"],
            input=self._body(),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in headers if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.owner.sent += len(body)

    def _body(self) -> bytes:
        stream: BinaryIO = self.rfile  # type: ignore[assignment]
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return stream.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(stream.readline(), 16):
            parts.append(stream.read(size))
            stream.readline()
        return b"".join(parts)


def _packet(line: str) -> bytes:
    return f"{len(line) + 4:04x}{line}".encode()


def _band(data: bytes) -> bytes:
    """Return a packet of the side band that carries the fetched data."""
    return f"{len(data) + 5:04x}".encode() + b"\1" + data
