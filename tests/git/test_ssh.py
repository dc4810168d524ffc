"""Private repositories, read from a real SSH server with people's own keys."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections

from keys.keypairs import SshIdentity, identity_of
from keys.models import KnownHost
from portal.models import User
from sessions.errors import BinderyError, TemporaryError, UserError
from sessions.git import read_file, ssh
from sessions.git.resolve import ResolvedRef, resolve
from sessions.providers import Repository, describe, parse_repository
from tests.sshd import SshServer, new_identity

pytestmark = pytest.mark.django_db


@pytest.fixture
def sshd(settings) -> Iterator[SshServer]:
    with SshServer() as server:
        settings.PORTAL_TRUSTED_GIT_HOSTS = [server.host]
        server.repository("ada/diary", {"index.ipynb": "{}", ".resources": "cpur=1\n"})
        yield server


def allowed(sshd: SshServer, user: User, name: str = "ada/diary") -> SshIdentity:
    identity = identity_of(user)
    sshd.allow(identity.public, name)
    return identity


def look_up(
    sshd: SshServer, identity: SshIdentity, name: str = "ada/diary", ref: str = ""
) -> ResolvedRef:
    return resolve(parse_repository(sshd.url(name), ref), identity)


def refusal(ask: Callable[[], object]) -> BinderyError:
    with pytest.raises(BinderyError) as refused:
        ask()
    return refused.value


def other_key(kind: str = "ed25519", *, folder: Path) -> str:
    """Return type and key of another server."""
    path = folder / f"other-{kind}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", path], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def test_a_ref_resolves_with_the_persons_key(sshd, ada):
    identity = allowed(sshd, ada)
    commit = sshd.git.commit("ada/diary")
    assert look_up(sshd, identity) == ResolvedRef(commit, "main", "")
    assert look_up(sshd, identity, ref="main").commit == commit


def test_a_file_is_read_with_the_persons_key(sshd, ada):
    identity = allowed(sshd, ada)
    commit, url = sshd.git.commit("ada/diary"), sshd.url("ada/diary")
    found = read_file.read_entry(url, commit, ".resources", 100, "main", identity=identity)
    assert found.entry == read_file.TreeEntry("file", b"cpur=1\n")
    assert read_file.read_entry(url, commit, "nothing", 100, identity=identity).entry is None


def test_an_unknown_key_is_reported_with_its_public_half(sshd, ada, bob):
    allowed(sshd, ada)
    error = refusal(lambda: look_up(sshd, identity_of(bob)))
    assert (type(error), error.code) == (UserError, "launch.key-not-accepted")
    assert error.details["public_key"] == identity_of(bob).public
    assert "127.0.0.1 does not accept your SSH key" in error.message
    assert "/account/" in error.message


def test_a_key_without_access_looks_like_a_missing_repository(sshd, ada):
    identity = allowed(sshd, ada, "ada/other")
    commit, url = sshd.git.commit("ada/diary"), sshd.url("ada/diary")
    for ask in (
        lambda: look_up(sshd, identity),
        lambda: read_file.read_entry(url, commit, ".resources", 100, identity=identity),
    ):
        error = refusal(ask)
        assert (type(error), error.code) == (UserError, "launch.repository-not-found")
        assert "or your SSH key has no access to it" in error.message


def test_a_missing_branch_suggests_the_existing_ones(sshd, ada):
    error = refusal(lambda: look_up(sshd, allowed(sshd, ada), ref="mian"))
    assert (error.code, error.details["branches"]) == ("launch.ref-not-found", ["main"])


def test_without_a_key_no_ssh_connection_is_made(sshd):
    repository = parse_repository(sshd.url("ada/diary"))
    assert isinstance(refusal(lambda: resolve(repository)), UserError)
    assert "key" not in sshd.log


# --- Servers that are known ---


def test_the_first_user_of_a_server_is_recorded_with_its_host_key(sshd, ada, bob):
    look_up(sshd, allowed(sshd, ada))
    look_up(sshd, allowed(sshd, bob))
    row = KnownHost.objects.get()
    assert f"{row.host} {row.key}" == sshd.host_key
    assert row.first_user == ada
    assert re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", row.fingerprint)


def test_the_host_key_is_recorded_even_if_the_first_user_is_refused(sshd, bob):
    refusal(lambda: look_up(sshd, identity_of(bob)))
    assert KnownHost.objects.get().first_user == bob


@pytest.mark.django_db(transaction=True)
def test_concurrent_first_connections_record_one_host_key(sshd, ada):
    identity = allowed(sshd, ada)

    def ask(_number: int) -> str:
        try:
            return look_up(sshd, identity).commit
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {sshd.git.commit("ada/diary")}
    assert KnownHost.objects.count() == 1


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_changed_host_key_is_refused_before_signing_in(sshd, ada, kind, tmp_path):
    host = f"[127.0.0.1]:{sshd.port}"
    key = other_key(kind, folder=tmp_path)
    KnownHost.objects.create(host=host, key=key, fingerprint="SHA256:x", first_user=ada)
    error = refusal(lambda: look_up(sshd, allowed(sshd, ada)))
    assert (type(error), error.code) == (UserError, "launch.host-key-changed")
    assert "did not present its known SSH host key" in error.message
    assert "Accepted" not in sshd.log
    assert KnownHost.objects.count() == 1


def test_the_operators_host_keys_win_over_recorded_ones(sshd, ada, settings, tmp_path):
    settings.PORTAL_KNOWN_HOSTS = f"# ours\n[127.0.0.1]:{sshd.port} {other_key(folder=tmp_path)}\n"
    assert refusal(lambda: look_up(sshd, allowed(sshd, ada))).code == "launch.host-key-changed"
    settings.PORTAL_KNOWN_HOSTS = sshd.host_key
    assert look_up(sshd, allowed(sshd, ada)).ref == "main"
    assert not KnownHost.objects.exists()


def test_the_operators_hashed_hosts_and_patterns_are_used(sshd, ada, settings, tmp_path):
    wrong = other_key("ecdsa", folder=tmp_path)
    hashed = tmp_path / "known_hosts"
    hashed.write_text(f"[127.0.0.1]:{sshd.port} {wrong}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", hashed], check=True, capture_output=True)
    assert "127.0.0.1" not in hashed.read_text()
    for text in (hashed.read_text(), f"[127.0.0.*]:{sshd.port} {wrong}"):
        settings.PORTAL_KNOWN_HOSTS = text
        error = refusal(lambda: look_up(sshd, allowed(sshd, ada)))
        assert error.code == "launch.host-key-changed"
    assert not KnownHost.objects.exists()


def test_an_unknown_host_is_a_temporary_error():
    repository = parse_repository("ssh://git@nowhere.invalid/a")
    error = refusal(lambda: resolve(repository, new_identity()))
    assert (type(error), error.code) == (TemporaryError, "launch.host-unreachable")


def test_ssh_connects_through_the_proxy_and_a_silent_server_is_unreachable(settings):
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        settings.PORTAL_TRUSTED_GIT_HOSTS = [host]

        def take() -> None:
            with listening.accept()[0] as met:
                heard.append(met.recv(100))

        thread = threading.Thread(target=take)
        thread.start()
        repository = parse_repository(f"ssh://git@{host}/a")
        error = refusal(lambda: resolve(repository, new_identity()))
        thread.join()
    assert error.code == "launch.host-unreachable"
    assert heard[0].startswith(b"SSH-2.0-")


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost"])
def test_a_key_does_not_open_private_networks(host):
    repository = Repository("git", "a", f"ssh://git@{host}/a")
    assert refusal(lambda: resolve(repository, new_identity())).code == "launch.address-private"


# --- The key itself ---


def test_the_private_key_is_neither_on_disk_nor_in_arguments(tmp_path):
    identity = new_identity("h ssh-ed25519 AAAA\n")
    secret = identity.private.splitlines()[1]
    with ssh.command(identity, "ssh://git@h/a", str(tmp_path), 1) as command:
        assert secret not in command
        path = re.search(r"IdentityFile=(\S+)", command)
        assert path
        read = subprocess.run(["ssh-keygen", "-y", "-f", path[1]], capture_output=True, text=True)
        assert read.stdout.split()[:2] == identity.public.split()[:2]
        assert [file.name for file in tmp_path.rglob("*")] == ["known_hosts"]
        assert secret not in (tmp_path / "known_hosts").read_text()
    assert not Path(path[1]).exists()


def test_the_repr_of_an_identity_hides_the_private_key():
    identity = new_identity()
    assert identity.private.splitlines()[1] not in repr(identity)


def test_the_description_of_an_ssh_address_mentions_the_key():
    assert describe(parse_repository("git@github.com:ada/diary.git"))[-1] == "with your SSH key"
    assert "with your SSH key" not in describe(parse_repository("ada/diary"))
