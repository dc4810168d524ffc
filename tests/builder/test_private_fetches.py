"""The fetch stage, with a person's key and a real SSH server."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from bindery_builder import fetch
from bindery_builder.buildspec import BuildSpec
from bindery_builder.output import Output
from bindery_builder.result import BuildFailed

from tests.sshd import SshServer

NAME = "ada/secret-garden"


@pytest.fixture
def key(tmp_path: Path, ssh_server: SshServer) -> Path:
    """The folder as the Secret mounts it; no server accepts the key yet."""
    folder = tmp_path / "key"
    folder.mkdir()
    private = folder / "ssh.priv"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(private)]
    subprocess.run(words, check=True)
    (folder / "known_hosts").write_text(f"{ssh_server.host_key}\n")
    return folder


def public(key: Path) -> str:
    return (key / "ssh.priv.pub").read_text()


def make_spec(server: SshServer, key: Path, commit: str, name: str = NAME) -> BuildSpec:
    work = key.parent / "work"
    work.mkdir()
    return BuildSpec(
        url=server.url(name), commit=commit, image="r/a:1", ref="main", work=work, key=key
    )


def refusal(spec: BuildSpec) -> str:
    log = io.BytesIO()
    with pytest.raises(BuildFailed) as failed:
        fetch.stage(spec, Output(log, 10_000))
    assert failed.value.code == "build.fetch"
    return log.getvalue().decode()


def test_a_private_repository_is_fetched_with_its_owners_key(ssh_server, key):
    commit = ssh_server.repository(NAME, {"README": "for ada"})
    ssh_server.allow(public(key), NAME)
    spec = make_spec(ssh_server, key, commit)
    log = io.BytesIO()
    assert fetch.stage(spec, Output(log, 10_000)) == {}
    assert (spec.repository / "README").read_text() == "for ada"
    kept = b"".join(path.read_bytes() for path in spec.work.rglob("*") if path.is_file())
    assert str(key).encode() not in kept + log.getvalue()


def test_a_key_without_access_is_refused(ssh_server, key):
    commit = ssh_server.repository(NAME, {"README": "for ada"})
    assert "Permission denied" in refusal(make_spec(ssh_server, key, commit))


def test_a_private_submodule_on_the_same_server_is_fetched(ssh_server, key):
    part = ssh_server.repository("ada/part", {"part.txt": "of the whole"})
    modules = f'[submodule "part"]\n\tpath = part\n\turl = {ssh_server.url("ada/part")}\n'
    ssh_server.repository("ada/whole", {".gitmodules": modules})
    whole = ssh_server.git.submodule("ada/whole", "part", part)
    ssh_server.allow(public(key), "ada/part", "ada/whole")
    spec = make_spec(ssh_server, key, whole, "ada/whole")
    fetch.stage(spec, Output(io.BytesIO(), 10_000))
    assert (spec.repository / "part/part.txt").read_text() == "of the whole"


@pytest.mark.parametrize("known", ["", "another key"])
def test_a_server_with_an_unknown_host_key_is_refused(ssh_server, key, known):
    commit = ssh_server.repository(NAME, {"README": "for ada"})
    ssh_server.allow(public(key), NAME)
    if known:
        known = f"{ssh_server.host_key.split()[0]} {' '.join(public(key).split()[:2])}\n"
    (key / "known_hosts").write_text(known)
    assert "Host key verification failed" in refusal(make_spec(ssh_server, key, commit))
