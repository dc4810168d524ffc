"""A private repository is fetched with its owner's key, and only the fetching gets it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from keys.keypairs import SshIdentity
from sessions.backends import BuildSpec, ContentSpec
from sessions.backends.local import LocalBackend
from sessions.backends.local.folders import BUILD, SERVER
from tests.backends.waiting import built, finished, log, removed, settled, until
from tests.sshd import SshServer, new_identity

pytestmark = pytest.mark.slow("private repositories are built", seconds=240)

# Looks for the key wherever a process can look: files of any place, variables, arguments and
# open files of all processes, and for whatever ssh would use by itself.
SEARCH = r"""#!/opt/env/bin/python
import os, pathlib, subprocess
MARKS = [b"PRIVATE " + b"KEY-----", b"%(line)s"]
found = []
skipped = ("/sys", "/usr", "/opt/env")
for folder, folders, files in os.walk("/", followlinks=False):
    if folder.startswith(skipped):
        folders[:] = []
        continue
    for name in files:
        path = os.path.join(folder, name)
        try:
            content = b""
            if os.path.isfile(path):
                with open(path, "rb", buffering=0) as file:
                    os.set_blocking(file.fileno(), False)
                    content = file.read(2**20) or b""
        except OSError:
            continue
        if any(mark in content for mark in MARKS) and name != "postBuild":
            found.append(path)
agent = os.environ.get("SSH_AUTH_SOCK", "")
names = [name for name in os.environ if "SSH" in name]
print("FOUND", found, names, agent, os.path.exists("/run/key"))
done = subprocess.run(["git", "ls-remote", "%(url)s"], capture_output=True, text=True,
    env={**os.environ, "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=no"})
print("ALONE", done.returncode != 0, "denied" in done.stderr or "refused" in done.stderr)
"""


NUMBERS = count(7_000)
"""Numbers of builds, so that no test finds what another has built."""


@pytest.fixture
def private(
    backend: LocalBackend, ssh_server: SshServer, settings
) -> Callable[..., tuple[BuildSpec, SshIdentity]]:
    """Return a function that makes a private repository of files, the spec of its build and the key
    for it.
    """
    settings.PORTAL_TRUSTED_GIT_HOSTS = [ssh_server.host]

    def make(files: dict[str, str], name: str = "") -> tuple[BuildSpec, SshIdentity]:
        number = next(NUMBERS)
        name = name or f"ada/private-{number}"
        commit = ssh_server.repository(name, files)
        identity = new_identity(ssh_server.host_key + "\n")
        ssh_server.allow(identity.public, name)
        spec = BuildSpec(
            number, ssh_server.url(name), commit, "main", f"image-{number}", identity=identity
        )
        return spec, identity

    return make


def test_a_key_without_access_fails_the_fetch(backend, private):
    spec, identity = private({"index.ipynb": "{}"})
    backend.ensure_build(replace(spec, identity=new_identity(identity.known_hosts)))
    assert finished(backend, spec).code == "build.fetch"
    assert "Permission denied (publickey)" in log(backend, spec.id)


def test_an_unknown_ssh_host_key_fails_the_fetch(backend, private):
    spec, identity = private({"index.ipynb": "{}"})
    backend.ensure_build(replace(spec, identity=replace(identity, known_hosts="")))
    assert finished(backend, spec).code == "build.fetch"
    assert "Host key verification failed" in log(backend, spec.id)


def test_a_submodule_on_the_same_server_is_fetched(backend, private, ssh_server):
    inner, identity = private({"inner.txt": "here"})
    name = inner.url.removesuffix(".git").rpartition("/ada/")[2]
    modules = f'[submodule "inner"]\n\tpath = inner\n\turl = {inner.url}\n'
    spec, _other = private({".gitmodules": modules}, name="ada/outer")
    commit = ssh_server.git.submodule("ada/outer", "inner", inner.commit)
    ssh_server.allow(identity.public, f"ada/{name}", "ada/outer")
    built(backend, replace(spec, commit=commit, identity=identity))
    assert (backend.folders.environment(spec.image) / "home/inner/inner.txt").read_text() == "here"


def test_the_repositorys_scripts_find_no_key(backend, private, ssh_server):
    first, identity = private({"index.ipynb": "{}"})
    line = identity.private.splitlines()[2]
    files = {"postBuild": SEARCH % {"line": line, "url": first.url}}
    name = "ada/searching"
    spec, _other = private(files, name=name)
    ssh_server.allow(identity.public, name)
    backend.ensure_build(replace(spec, identity=identity))
    report = finished(backend, spec)
    said = log(backend, spec.id)
    assert report.code == "", said
    assert "FOUND [] []  False" in said
    assert "ALONE True True" in said


def test_no_file_holds_the_key_during_or_after_the_build(backend, private):
    spec, identity = private({"postBuild": "#!/bin/sh\necho waiting\nsleep 3600\n"})
    backend.ensure_build(spec)
    until(lambda: "waiting" in log(backend, spec.id), 120)
    assert not _holding(backend.folders.root, identity)
    assert not [path for path in _arguments() if identity.private.splitlines()[1] in path]
    backend.cancel_build(spec.id)
    finished(backend, spec)
    assert not _holding(backend.folders.root, identity)


def test_a_lost_build_is_restarted_with_the_key(backend, private):
    spec, _identity = private({"postBuild": "#!/bin/sh\necho waiting\nsleep 3600\n"})
    backend.ensure_build(spec)
    until(lambda: "waiting\n" in log(backend, spec.id), 120)
    status = json.loads((backend.folders.keeper(BUILD, spec.id) / "status.json").read_text())
    os.kill(status["pid"], 9)
    until(lambda: finished(backend, spec).code == "build.lost")
    backend.ensure_build(spec)
    until(lambda: log(backend, spec.id).count("waiting\n") == 2, 120)  # it was fetched once more
    backend.cancel_build(spec.id)


def test_the_owners_key_fetches_a_private_repository_into_a_private_folder(backend, private, wish):
    spec, _identity = private({"index.ipynb": "{}"})
    environment = backend.folders.environment(built(backend, spec).image)
    assert (environment / "home/index.ipynb").read_text() == "{}"
    assert stat.S_IMODE(environment.stat().st_mode) == 0o700
    server = wish(spec)
    backend.ensure_server(server)
    assert settled(backend, server).state == "ready"
    assert stat.S_IMODE(environment.stat().st_mode) == 0o700
    assert backend.has_image(spec.image)
    removed(backend, server.id)


def _holding(root: Path, identity: SshIdentity) -> list[Path]:
    line = identity.private.splitlines()[1]
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = set(folders) - {"cache", "toolbox", "env"}  # many thousand files of packages
        files = (path for path in (Path(folder, name) for name in names) if path.is_file())
        found += [path for path in files if line.encode() in path.read_bytes()]
    return found


def _arguments() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                found.append((path / name).read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue
    return found


def test_private_content_is_fetched_with_the_key_of_which_the_run_folder_keeps_nothing(
    backend, private, order, wish, git, ssh_server, settings
):
    settings.PORTAL_TRUSTED_GIT_HOSTS = [ssh_server.host, git.host]
    environment = order({"index.ipynb": "{}"})
    built(backend, environment)
    diary, identity = private({"diary.txt": "dear diary"})
    content = ContentSpec(diary.url, diary.commit, "main", "diary")
    server = replace(wish(environment), identity=identity, content=content)
    backend.ensure_server(server)
    assert settled(backend, server).code == ""
    home = backend.folders.project(server.name) / "home"
    assert (home / "diary/diary.txt").read_text() == "dear diary"
    assert not (backend.folders.project(server.name) / "content").exists()
    run = backend.folders.keeper(SERVER, server.id)
    job = (run / "job.json").read_text()
    assert diary.url in job
    assert identity.private.splitlines()[2] not in job
    removed(backend, server.id)
    stranger = replace(server, id=next(NUMBERS), name="ada-stranger", identity=new_identity(""))
    backend.ensure_server(stranger)
    assert settled(backend, stranger).code == "spawn.content"
    removed(backend, stranger.id)
