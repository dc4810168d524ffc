"""A notebook runs somebody's code: what it must neither see nor reach nor leave behind."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.backends.inside import Inside
from tests.backends.waiting import ask, removed, server_report, settled, until
from tests.processes import SLEEP, sleepers
from tests.threadserver import ThreadServer

pytestmark = pytest.mark.slow("notebooks start, and are watched until they end", seconds=120)


def test_a_notebook_sees_nothing_of_the_portal_or_of_other_people(inside: Inside, data: Path):
    inside.output("", owner="bob")
    (data / "db.sqlite3").write_text("the portal's secrets")
    seen = inside.answer(f"""
import json, os
def look(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return error.strerror
print(json.dumps([look(path) for path in ("/home", "/", "/opt", {str(data)!r}, "/root", "/var")]))
""")
    assert seen == [
        ["ada-nfs-pvc", "jovyan"],
        ["bin", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "run", "sbin", "tmp", "usr"],
        ["env"],
        "No such file or directory",
        "No such file or directory",
        "No such file or directory",
    ]


def test_a_renamed_person_finds_their_files_under_every_name(inside: Inside):
    inside.output("open('/home/ada-nfs-pvc/kept.txt', 'w').write('mine')")
    spec = replace(inside.wish(inside.image), owner="countess", former_names=("ada", "ada-l"))
    (inside.volume(spec) / "done").unlink(missing_ok=True)
    (inside.volume(spec) / "probe.py").write_text("""
import os
for name in sorted(os.listdir("/home")):
    path = f"/home/{name}"
    if name != "jovyan":
        print(name, os.path.islink(path), open(f"{path}/kept.txt").read())
""")
    inside.backend.ensure_server(spec)
    until((inside.volume(spec) / "done").exists, 40)
    removed(inside.backend, spec.id)
    assert (inside.volume(spec) / "output").read_text().splitlines() == [
        "ada-l-nfs-pvc True mine",
        "ada-nfs-pvc True mine",
        "countess-nfs-pvc False mine",
    ]


def test_a_notebook_sees_no_outside_process_or_path(inside: Inside, data: Path):
    commands = inside.output("""
import glob
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    print(open(path).read().split(chr(0)))
""")
    assert "probe.py" in commands
    for outside in (str(data), "pytest", "keeper"):
        assert outside not in commands


def test_a_notebook_has_no_capabilities(inside: Inside):
    status = inside.output("print(open('/proc/self/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[kind], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert set(fields["Uid"].split()) == {"1000"}


def test_each_person_has_their_own_unprivileged_uid(inside: Inside, settings):
    ada, bob = inside.start("", "ada"), inside.start("", "bob")
    uids = [inside.volume(server).stat().st_uid for server in (ada, bob)]
    if os.geteuid() == 0:
        base = settings.PORTAL_SANDBOX_UID_BASE
        assert uids == [base + ada.owner_id, base + bob.owner_id]
    assert 0 not in uids


NOT_ITS_OWN = ["/opt/env/new", "/opt/env/bin/python", "/usr/new", "/etc/passwd", "/new", "/dev/new"]


def test_a_notebook_cannot_write_outside_its_own_folders(inside: Inside):
    answers = inside.answer(f"""
import json
def tried(path):
    try:
        open(path, "a").write("x")
        return "written"
    except OSError as error:
        return error.strerror
print(json.dumps([tried(path) for path in {NOT_ITS_OWN}]))
""")
    assert isinstance(answers, list) and len(answers) == len(NOT_ITS_OWN)
    assert set(answers) <= {"Read-only file system", "Permission denied"}


def test_a_notebook_cannot_change_kernel_settings(inside: Inside):
    before = Path("/proc/sys/vm/swappiness").read_text()
    output = inside.output("open('/proc/sys/vm/swappiness', 'w').write('61')")
    assert "Permission denied" in output or "Read-only" in output
    assert Path("/proc/sys/vm/swappiness").read_text() == before


def test_a_notebook_cannot_create_namespaces(inside: Inside):
    output = inside.output("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for flag in (0x10000000, 0x00020000, 0x40000000):
    print(libc.unshare(flag))
""")
    assert output.split() == ["-1", "-1", "-1"]


@pytest.fixture
def web_server() -> Iterator[int]:
    """The port of a server on all addresses of this machine."""

    class Secret(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a secret")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadServer(Secret, "0.0.0.0") as server:
        yield server.port


def _own_addresses() -> list[str]:
    """Return this machine's addresses, among them the one from which it would reach the
    Internet.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
            return ["127.0.0.1", "localhost", probe.getsockname()[0]]
        except OSError:
            return ["127.0.0.1", "localhost"]


@pytest.mark.parametrize("trusts", [False, True], ids=["by itself", "though the site trusts it"])
def test_a_notebook_reaches_no_local_server_and_no_metadata_service(
    inside: Inside, web_server: int, settings, trusts: bool
):
    if trusts:
        settings.PORTAL_TRUSTED_HOSTS = [*_own_addresses(), "169.254.169.254"]
        settings.PORTAL_CLOSED_PORTS = [web_server]
    hosts = [f"{host}:{web_server}" for host in _own_addresses()] + ["169.254.169.254:80"]
    answers = inside.answer(f"""
import http.client, json
def ask(host, through, path):
    try:
        connection = http.client.HTTPConnection(through or host, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError as error:
        return type(error).__name__
def tunnel(host):
    try:
        connection = http.client.HTTPConnection("127.0.0.1:3128", timeout=5)
        connection.set_tunnel(host)
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError as error:
        return str(error)
hosts = {hosts!r}
print(json.dumps([
    [ask(host, "", "/") for host in hosts],
    [ask(host, "127.0.0.1:3128", f"http://{{host}}/") for host in hosts],
    [tunnel(host) for host in hosts],
]))
""")
    direct, plain, tunnelled = json.loads(json.dumps(answers))
    assert all(isinstance(answer, str) for answer in direct)
    assert plain == [403] * len(hosts)
    assert all("403" in answer for answer in tunnelled)


def test_a_notebook_reaches_its_own_repository_if_the_site_trusts_it(inside: Inside):
    output = inside.output(
        "import subprocess\n"
        "subprocess.run(['git', '-c', 'http.proxy=http://127.0.0.1:3128',"
        " '-C', '/home/jovyan', 'ls-remote'], env={'PATH': '/usr/bin'}, check=True)\n"
    )
    assert inside.image.commit in output


def test_background_processes_end_with_the_notebook(inside: Inside):
    server = inside.start(f"""
import os, subprocess
for _ in range(3):
    subprocess.Popen(["setsid", "-f", "sleep", "{SLEEP}"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{SLEEP}"])
    os._exit(0)
""")
    until(lambda: len(sleepers()) == 4, 20)
    removed(inside.backend, server.id)
    assert not sleepers()


def test_a_fork_bomb_stays_in_its_own_notebook(inside: Inside, settings):
    settings.PORTAL_SANDBOX_PROCESSES = 150
    bomb = inside.start("""
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
    except OSError:
        open("/home/ada-nfs-pvc/full", "w").close()
        time.sleep(1)
""")
    until((inside.volume(bomb) / "full").exists, 30)
    # Its children print nothing: they could do so first.
    other = inside.output("""
import os
for _ in range(5):
    if os.fork() == 0:
        os._exit(0)
print("five processes")
""")
    assert other == "five processes\n"
    removed(inside.backend, bomb.id)


EATERS = {
    "many processes": """
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(os.urandom(1)) * 150_000_000
        time.sleep(600)
time.sleep(600)
""",
    "files in memory": """
import contextlib, time
for folder in ("/dev/shm", "/tmp", "/run"):
    with contextlib.suppress(OSError), open(f"{folder}/large", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1_000_000))
time.sleep(600)
""",
    "pages that a child has filled": """
import mmap, os, time
kept = [mmap.mmap(-1, 50_000_000) for number in range(20)]
for pages in kept:
    if os.fork() == 0:
        pages.write(bytes(50_000_000))
        os._exit(0)
    os.wait()
time.sleep(600)
""",
}


@pytest.mark.parametrize("eater", EATERS)
def test_a_notebook_that_exhausts_its_memory_is_ended(inside: Inside, eater: str):
    report = inside.end(EATERS[eater], memory=0.5)
    assert (report.state, report.code) == ("gone", "spawn.out-of-memory")
    assert "0.5 GB" in report.message


def test_a_single_large_allocation_raises_memory_error(inside: Inside):
    assert "MemoryError" in inside.output("kept = bytearray(900_000_000)", memory=0.5)


def test_a_start_script_that_fails_is_reported(inside: Inside):
    report = inside.end("import os, signal; print('so it is'); os.kill(os.getppid(), 9)")
    assert (report.state, report.code) == ("gone", "spawn.start-script")


def test_a_link_in_place_of_the_socket_is_not_followed(inside: Inside, data: Path):
    secret = data / "secret.sock"
    with socket.socket(socket.AF_UNIX) as outside:
        outside.bind(str(secret))
        secret.chmod(0o777)
        outside.listen()
        outside.settimeout(0)
        server = inside.start(f"import os; os.symlink({str(secret)!r}, '/run/bindery/lab')")
        until((inside.volume(server) / "done").exists, 30)
        report = settled(inside.backend, server)
        if report.state == "ready":
            assert ask(report.address, "/api/status", server.token)[0] == 200
        with pytest.raises(BlockingIOError):
            outside.accept()
    secret.unlink()


def test_the_token_is_visible_to_no_other_process(inside: Inside):
    server = inside.start("import time; time.sleep(1)")
    until((inside.volume(server) / "done").exists, 30)
    for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
        try:
            assert server.token.encode() not in path.read_bytes()
        except OSError:
            continue
    folder = inside.backend.folders.keeper("server", server.id)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert server_report(inside.backend, server.id)
