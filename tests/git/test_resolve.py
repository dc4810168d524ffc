"""Resolve refs to commits with real git servers: good ones, broken ones and hostile ones."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sessions.errors import BinderyError, TemporaryError, UserError
from sessions.git import process
from sessions.git import resolve as resolving
from sessions.git.errors import sanitize
from sessions.git.resolve import ResolvedRef, offered_refs, resolve
from sessions.providers import Repository, parse_repository
from tests.githttp import GitServer

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server() -> Iterator[GitServer]:
    with GitServer() as server:
        server.repository("ada/flowers", {"index.ipynb": "{}"})
        server.branch("ada/flowers", "feature/blue", {"b.ipynb": "{}"})
        server.branch("ada/flowers", "v1", {"c.ipynb": "{}"})
        server.tag("ada/flowers", "v1.0")
        server.tag("ada/flowers", "v1.1", start="feature/blue", annotated=True)
        yield server


@pytest.fixture(autouse=True)
def trusted(server: GitServer, settings):
    settings.PORTAL_TRUSTED_GIT_HOSTS = [server.host]


def look_up(url: str, ref: str = "", path: str = "") -> ResolvedRef:
    return resolve(parse_repository(url, ref, path))


def refusal(repository: str | Repository, ref: str = "") -> BinderyError:
    with pytest.raises(BinderyError) as refused:
        resolve(parse_repository(repository, ref) if isinstance(repository, str) else repository)
    return refused.value


def test_without_a_ref_the_default_branch_is_used(server):
    url = server.repository("ada/trunk", {"a": "1"}, branch="trunk")
    assert look_up(url, path="a") == ResolvedRef(server.commit("ada/trunk"), "trunk", "a")


@pytest.mark.parametrize("ref", ["main", "feature/blue", "v1", "v1.0", "v1.1"])
def test_a_branch_or_tag_resolves_to_its_commit(server, ref):
    found = look_up(server.url("ada/flowers"), ref)
    assert found == ResolvedRef(server.commit("ada/flowers", ref), ref, "")


def test_a_full_ref_name_is_accepted(server):
    found = look_up(server.url("ada/flowers"), "refs/heads/feature/blue")
    assert found.ref == "feature/blue"


def test_a_branch_wins_over_a_tag_of_the_same_name(server):
    url = server.repository("ada/twins", {"a": "1"})
    server.tag("ada/twins", "same")
    branch = server.branch("ada/twins", "same", {"a": "2"})
    found = look_up(url, "same")
    assert found.commit == branch
    assert "“same” is a branch and a tag here. The branch is taken" in found.notice
    assert not look_up(url, "main").notice
    tag = look_up(url, "refs/tags/same")
    assert (tag.commit, tag.ref) == (server.commit("ada/twins", "main"), "refs/tags/same")
    assert look_up(url, tag.ref) == tag
    assert not tag.notice


def test_a_branch_that_looks_like_a_commit_wins_over_a_tag_of_its_name_too(server):
    url = server.repository("ada/hex-twins", {"a": "1"})
    server.tag("ada/hex-twins", "d" * 40)
    branch = server.branch("ada/hex-twins", "d" * 40, {"a": "2"})
    found = look_up(url, "d" * 40)
    assert (found.commit, found.ref) == (branch, "d" * 40)
    assert "The branch is taken" in found.notice


@pytest.mark.parametrize("ref", ["0123456789ABCDEF0123456789abcdef01234567", "a" * 64])
def test_a_full_commit_is_taken_as_it_is(server, ref, monkeypatch):
    monkeypatch.setattr(resolving, "FULL_COMMIT_SECONDS", 0.5)
    for url in (server.url("ada/flowers"), server.url("no/such"), server.hang("ada/silent-2")):
        assert look_up(url, ref, "x") == ResolvedRef(ref.lower(), ref.lower(), "x")


@pytest.mark.parametrize("name", ["a" * 40, "0123456789ABCDEF0123456789abcdef01234567", "b" * 64])
def test_a_branch_or_tag_that_looks_like_a_commit_wins(server, name):
    url = server.repository(f"ada/looks-{name[:5]}", {"a": "1"})
    commit = server.branch(f"ada/looks-{name[:5]}", name, {"a": "2"})
    assert look_up(url, name, "x") == ResolvedRef(commit, name, "x")
    server.tag(f"ada/looks-{name[:5]}", "c" * 40)
    found = look_up(url, "c" * 40)
    assert (found.commit, found.ref) == (server.commit(f"ada/looks-{name[:5]}"), "c" * 40)


@pytest.fixture(scope="module")
def garden(server: GitServer) -> str:
    """A repository with all kinds of refs."""
    name = "ada/garden"
    server.repository(name, {"a": "1"})
    server.repository(name, {"a": "2"})
    server.branch(name, "feature/x", {"a": "3"})
    server.branch(name, "gr\u00fcn", {"a": "4"})
    server.tag(name, "v1", start="HEAD~1", annotated=True)
    for ref in ("refs/pull/12/head", "refs/merge-requests/3/head", "refs/changes/34/1234/5"):
        commit = server.branch(name, "theirs", {"a": ref})
        words = ["git", f"--git-dir={server.folder(name)}", "update-ref", ref, commit]
        subprocess.run(words, check=True)
    server.drop_branch(name, "theirs")
    return name


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("origin/main", "main"),
        ("remotes/origin/feature/x", "feature/x"),
        ("refs/remotes/origin/main", "main"),
        ("upstream/main", "main"),
        ("heads/feature/x", "feature/x"),
        ("tags/v1", "v1"),
        ("refs/tags/v1", "v1"),
        ("feature%2Fx", "feature/x"),
        ("gr%C3%BCn", "gr\u00fcn"),
        ("pull/12/head", "refs/pull/12/head"),
        ("refs/pull/12/head", "refs/pull/12/head"),
        ("pull/12", "refs/pull/12/head"),
        ("merge-requests/3/head", "refs/merge-requests/3/head"),
        ("refs/changes/34/1234/5", "refs/changes/34/1234/5"),
    ],
)
def test_a_ref_is_found_as_git_and_forges_show_it(server, garden, ref, found):
    full = (
        found
        if found.startswith("refs/")
        else f"refs/{'tags' if found == 'v1' else 'heads'}/{found}"
    )
    assert look_up(server.url(garden), ref) == ResolvedRef(server.commit(garden, full), found, "")


def test_a_branch_wins_over_a_part_of_its_name(server):
    url = server.repository("ada/parts", {"a": "1"})
    for branch in ("origin/main", "heads/x", "x", "a%2Fb", "a/b", "pull/1/head"):
        commit = server.branch("ada/parts", branch, {"a": branch})
        assert look_up(url, branch) == ResolvedRef(commit, branch, "")


@pytest.mark.parametrize("digits", [7, 10, 12, 39])
def test_an_abbreviated_commit_is_looked_for_in_the_history(server, garden, digits):
    commit = server.commit(garden, "main~1")
    for text in (commit[:digits], commit[:digits].upper()):
        assert look_up(server.url(garden), text) == ResolvedRef(commit, commit, "")


def test_a_server_without_partial_fetches_finds_an_abbreviated_commit_too(server):
    url = server.repository("ada/small-server", {"a": "1"})
    first = server.commit("ada/small-server")
    server.repository("ada/small-server", {"a": "2"})
    server.restrict("ada/small-server", filters=False, protocol=0, by_id=False)
    assert look_up(url, first[:7]).commit == first


@pytest.mark.parametrize("ref", ["Feature/X", "feature%2FX", "FEATURE-X", "feature/xx", "x"])
def test_the_nearest_name_is_offered_first(server, garden, ref):
    error = refusal(server.url(garden), ref)
    assert error.code == "launch.ref-not-found"
    assert error.details["branches"][0] == "feature/x"
    assert error.details["tags"] == ["v1"]
    assert "Its branches include feature/x, " in error.message
    assert "Its tags include v1." in error.message


def test_the_offered_names_can_be_read_from_the_message(server):
    url = server.repository("ada/offers", {"a": "1"})
    for branch in ("a,b", "v1.0", "x"):
        server.branch("ada/offers", branch)
    server.tag("ada/offers", "v2.0")
    error = refusal(url, "nothing.like-it")
    assert sorted(offered_refs(error.message)) == ["a,b", "main", "v1.0", "v2.0", "x"]
    assert offered_refs("There is no branch.") == []


def test_the_nearest_of_very_many_branches_is_offered(server):
    url = server.repository("ada/crowd", {"a": "1"})
    commit = server.commit("ada/crowd")
    lines = "".join(f"{commit} refs/heads/release/{number}\n" for number in range(20_000))
    (server.folder("ada/crowd") / "packed-refs").write_text(f"# pack-refs with: sorted\n{lines}")
    assert refusal(url, "Release/19999").details["branches"][0] == "release/19999"
    assert look_up(url, "release/19999").commit == commit


def test_names_that_nobody_can_type_are_not_offered(server):
    url = server.repository("ada/odd", {"a": "1"})
    folder = f"--git-dir={server.folder('ada/odd')}"
    subprocess.run(["git", folder, "update-ref", b"refs/heads/caf\xe9", "HEAD"], check=True)
    assert refusal(url, "cafe").details["branches"] == ["main"]


@pytest.mark.parametrize("tagged", [False, True])
def test_without_a_default_branch_the_others_are_offered(server, tagged):
    name = f"ada/headless-{tagged}"
    url = server.repository(name, {"a": "1"}, branch="dev")
    server.tag(name, "v1")
    words = ["git", f"--git-dir={server.folder(name)}"]
    subprocess.run([*words, "symbolic-ref", "HEAD", "refs/heads/gone"], check=True)
    if tagged:
        server.drop_branch(name, "dev")
    error = refusal(url)
    assert (type(error), error.code) == (UserError, "launch.no-default-branch")
    assert error.details["branches"] == ([] if tagged else ["dev"])
    assert error.details["tags"] == ["v1"]
    assert "v1" in error.message


def test_a_short_commit_resolves_if_a_branch_or_tag_points_to_it(server):
    commit = server.commit("ada/flowers", "feature/blue")
    assert look_up(server.url("ada/flowers"), commit[:7].upper()).commit == commit


@pytest.mark.parametrize(
    ("tail", "ref", "path"),
    [
        ("main/index.ipynb", "main", "index.ipynb"),
        ("feature/blue", "feature/blue", ""),
        ("feature/blue/deep/b.ipynb", "feature/blue", "deep/b.ipynb"),
        ("v1/c.ipynb", "v1", "c.ipynb"),
    ],
)
def test_the_longest_existing_branch_is_split_from_the_path(server, tail, ref, path):
    first, _, rest = tail.partition("/")
    url = server.url("ada/flowers")
    found = resolve(Repository("gh", "ada/flowers", url, first, rest, tail))
    assert (found.ref, found.path) == (ref, path)


def test_the_path_after_a_full_commit_is_unambiguous(server):
    commit = "0123456789abcdef0123456789abcdef01234567"
    url = server.url("ada/flowers")
    found = resolve(Repository("gh", "a/b", url, commit, "x/y", f"{commit}/x/y"))
    assert found == ResolvedRef(commit, commit, "x/y")


def test_a_missing_ref_suggests_the_existing_ones(server):
    error = refusal(server.url("ada/flowers"), "feature/bleu")
    assert (type(error), error.code) == (UserError, "launch.ref-not-found")
    assert error.details["branches"] == ["feature/blue", "main", "v1"]
    assert "“feature/bleu”" in error.message
    assert "feature/blue, main, v1" in error.message


def test_only_the_five_closest_branches_are_suggested(server):
    url = server.repository("ada/many", {"a": "1"})
    for number in range(9):
        server.branch("ada/many", f"release-{number}")
    assert len(refusal(url, "release-10").details["branches"]) == 5


def test_an_empty_repository_is_reported(server):
    for ref in ("", "main"):
        error = refusal(server.empty(f"ada/empty{ref}"), ref)
        assert error.code == "launch.repository-has-no-commits"


def test_a_missing_repository_and_a_private_one_look_the_same(server):
    for url in (server.url("no/such"), server.lock("ada/secret")):
        error = refusal(url)
        assert (type(error), error.code) == (UserError, "launch.repository-not-found")
        assert "does not exist or is private" in error.message


def test_a_redirect_to_an_allowed_address_is_followed(server):
    url = server.redirect("ada/moved", server.url("ada/flowers"))
    assert look_up(url).commit == server.commit("ada/flowers")


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/ada/flowers.git",
        "http://localhost:{port}/ada/flowers.git",
        "http://[::ffff:127.0.0.1]:{port}/ada/flowers.git",
        "http://10.0.0.1/a.git",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_a_redirect_into_a_private_network_is_refused(server, target):
    url = server.redirect("ada/lure", target.format(port=server.port))
    error = refusal(url)
    assert (type(error), error.code) == (UserError, "launch.address-private")


def test_a_redirect_to_a_local_file_is_refused(server):
    url = server.redirect("ada/local", f"file://{server.folder('ada/flowers')}")
    assert refusal(url).code == "launch.repository-not-readable"


def test_a_hostname_that_resolves_to_this_machine_is_private(server):
    url = f"http://localhost:{server.port}/ada/flowers.git"
    assert refusal(Repository("git", "a", url)).code == "launch.address-private"


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% {mark}", "file://{folder}", "{folder}", "--upload-pack=touch {mark}",
     "ssh://-oProxyCommand=touch%20{mark}/x"],
)  # fmt: skip
def test_git_refuses_dangerous_urls_even_without_our_parser(server, tmp_path, url):
    mark = tmp_path / "mark"
    url = url.format(mark=mark, folder=server.folder("ada/flowers"))
    assert isinstance(refusal(Repository("git", "a", url)), BinderyError)
    assert not mark.exists()


def test_a_host_that_hangs_times_out(server, monkeypatch):
    monkeypatch.setattr(process, "DEADLINE_SECONDS", 0.5)
    error = refusal(server.hang("ada/asleep"))
    assert (type(error), error.code) == (TemporaryError, "launch.host-timeout")


def test_an_endless_response_times_out(server, monkeypatch):
    monkeypatch.setattr(process, "DEADLINE_SECONDS", 1)
    assert refusal(server.flood("ada/flood"), "main").code == "launch.host-timeout"


def test_too_long_a_response_is_not_readable(server, monkeypatch):
    monkeypatch.setattr(process, "MAX_OUTPUT_BYTES", 100)
    error = refusal(server.url("ada/flowers"), "main")
    assert error.code == "launch.repository-not-readable"


def test_git_fails_when_it_exceeds_its_memory_limit(server, monkeypatch):
    monkeypatch.setattr(process, "MAX_MEMORY_BYTES", 2**20)
    assert isinstance(refusal(server.url("ada/flowers")), UserError)


def test_an_unknown_host_is_a_temporary_error():
    error = refusal("https://nowhere.invalid/a")
    assert (type(error), error.code) == (TemporaryError, "launch.host-unreachable")
    assert "nowhere.invalid cannot be reached" in error.message


@pytest.fixture
def answering(settings):
    """Return a function that makes a server which handles each connection with a function of the
    test's.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads: list[threading.Thread] = []
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        settings.PORTAL_TRUSTED_GIT_HOSTS = [host]

        def start(treat) -> str:
            def take() -> None:
                with suppress(OSError):  # the end of the test
                    while True:
                        with listening.accept()[0] as connection:
                            treat(connection)

            threads.append(threading.Thread(target=take))
            threads[-1].start()
            return host

        yield start
        listening.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def test_a_web_server_without_git_is_repository_not_found(answering):
    page = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>\n<p>Hello</p>\n</html>\n"

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(page)

    assert refusal(f"http://{answering(serve)}/a").code == "launch.repository-not-found"


def test_a_self_signed_certificate_is_refused(answering, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "host.pem"))

    def greet(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    error = refusal(f"https://{answering(greet)}/a")
    assert (type(error), error.code) == (UserError, "launch.host-certificate")


def self_signed(path: Path) -> Path:
    """Return a key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, *private) + certificate.public_bytes(pem))
    return path


def test_server_messages_are_sanitized_and_truncated():
    assert sanitize("fatal:\x1b[31m no\n\u202eway\0 ") == "fatal: [31m no way"
    assert len(sanitize("x" * 5000)) == 500
