"""A build runs strangers' code: what it may not do, and how it is told so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sessions.backends import BuildSpec
from tests.backends.waiting import built, finished, log, until
from tests.githttp import GitServer
from tests.processes import SLEEP, sleepers

pytestmark = pytest.mark.slow("environments are built", seconds=150)


def failure(backend, spec) -> str:
    """Return the code with which the build fails, and assert that nothing of it is left."""
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert report.message
    assert not backend.has_image(spec.image)
    assert not backend.folders.partial(spec.image, spec.id).exists()
    return report.code


def after_build(command: str) -> dict[str, str]:
    return {"postBuild": f"#!/bin/sh\n{command}\n"}


def test_a_build_that_fills_the_disk_is_ended(backend, order, settings):
    settings.PORTAL_BUILD_DISK_MB = 500
    filler = "for n in $(seq 40); do head -c 50000000 /dev/zero > large-$n; done; sleep 60"
    assert failure(backend, order(after_build(filler))) == "build.disk-full"


def test_a_build_that_writes_one_large_file_is_ended(backend, order, settings):
    settings.PORTAL_BUILD_DISK_MB = 500
    filler = "head -c 800000000 /dev/zero > large"
    assert failure(backend, order(after_build(filler))) in {"build.disk-full", "build.post-build"}


def test_an_endless_build_is_ended_by_the_time_limit(backend, order, settings):
    settings.PORTAL_BUILD_TIMEOUT = 6
    spec = order(after_build(f"setsid sleep {SLEEP} & sleep 3600"))
    assert failure(backend, spec) == "build.timeout"
    assert not sleepers()


def test_a_build_that_exhausts_its_memory_is_ended(backend, order, settings):
    settings.PORTAL_BUILD_MEMORY_GB = 0.5
    eater = "python - <<'E'\nimport os, time\nfor _ in range(8):\n    if os.fork() == 0:\n"
    eater += "        kept = b'x' * 150_000_000\n        time.sleep(60)\ntime.sleep(60)\nE\n"
    assert failure(backend, order(after_build(eater))) == "build.out-of-memory"


def test_a_cancelled_build_is_removed_despite_missing_permissions(backend, order):
    spec = order(after_build("mkdir -p a/b; touch a/b/c; chmod -R 0 a; echo ready; sleep 3600"))
    backend.ensure_build(spec)
    until(lambda: "ready\n" in log(backend, spec.id))
    backend.cancel_build(spec.id)
    assert finished(backend, spec).code == "build.cancelled"
    assert not backend.folders.partial(spec.image, spec.id).exists()


CURIOUS = """
ls /opt /home {data} /srv /root; id; env
umask 077; mkdir private; touch private/file
"""


@pytest.fixture(scope="module")
def said() -> dict[int, str]:
    """Logs of the shared builds, by their numbers."""
    return {}


@pytest.fixture
def curious(backend, order, images, said, data: Path) -> tuple[BuildSpec, str]:
    """A build that looks around, and its log: made once, with some variables set."""
    if "curious" not in images:
        spec = order(after_build(CURIOUS.format(data=data)))
        with pytest.MonkeyPatch.context() as portal:
            portal.setenv("PORTAL_SECRET_KEY", "top secret")
            portal.setenv("UV_INDEX_URL", "https://someone:password@packages.example.org/simple")
            portal.setenv("PIP_DEFAULT_TIMEOUT", "77")
            backend.ensure_build(spec)
        assert finished(backend, spec).code == ""
        images["curious"], said[spec.id] = spec, log(backend, spec.id)
    return images["curious"], said[images["curious"].id]


@pytest.mark.xdist_group("curious")
def test_a_build_sees_neither_the_portal_nor_other_builds(curious, data: Path):
    _spec, text = curious
    assert f"cannot access '{data}'" in text
    assert "/home:\njovyan\n" in text
    assert "/opt:\nenv\n" in text
    assert "uid=1000(jovyan) gid=1000(jovyan)" in text


@pytest.mark.xdist_group("curious")
def test_the_portals_secrets_do_not_reach_a_build(curious):
    _spec, text = curious
    assert "PIP_DEFAULT_TIMEOUT=77\n" in text
    assert "top secret" not in text
    assert "password" not in text


@pytest.mark.xdist_group("curious")
def test_built_files_are_readable_by_all_and_not_owned_by_root(backend, curious):
    spec, _text = curious
    environment = backend.folders.environment(spec.image)
    assert (environment / "home/private").stat().st_mode & 0o777 == 0o755
    assert (environment / "home/private/file").stat().st_mode & 0o777 == 0o644
    if os.geteuid() == 0:
        assert environment.stat().st_uid != 0


POISON = """
import os, pathlib, jupyterlab
package = pathlib.Path(jupyterlab.__file__)
was = package.read_text()
def write():
    with package.open("a") as file: file.write("poison = 1")
def overwrite():
    os.pwrite(os.open(package, os.O_RDWR), b"poison", 0)
for change in (
    write, overwrite, lambda: os.truncate(package, 0), lambda: package.chmod(0o777),
    lambda: os.utime(package, (1, 1)), lambda: os.setxattr(package, "user.poison", b"1"),
    lambda: os.chown(package, 1000, 1000), lambda: os.link(package, "/tmp/link"),
):
    try: change()
    except OSError as error: print("refused:", error.strerror)
package.unlink()  # its own, as an installer does
package.write_text(was + "\\npoisoned = True\\n")
"""


@pytest.mark.xdist_group("curious")
def test_a_build_cannot_change_what_another_build_gets(backend, order, curious):
    """Neither in the packages that are kept for all, nor through a link to one of their files."""
    first = built(backend, order(after_build(f"ls /var/cache 2>&1; python - <<'E'\n{POISON}\nE")))
    second = built(backend, order({"README": "clean"}))
    poisoned = _jupyterlab(backend, first)
    assert "poisoned = True" in poisoned.read_text()
    for spec in (curious[0], second):  # before it and after it
        package = _jupyterlab(backend, spec)
        assert "poison" not in package.read_text()
        assert package.stat().st_mtime > 1
        if os.geteuid() == 0:  # one file of all environments, which only root can change
            assert (package.stat().st_uid, package.stat().st_mode & 0o7777) == (0, 0o644)
            assert package.stat().st_ino == _jupyterlab(backend, curious[0]).stat().st_ino
        else:
            assert package.stat().st_nlink == 1
    settings = backend.folders.environment(second.image) / "env/etc/jupyter"
    assert {path.stat().st_nlink for path in settings.rglob("*") if path.is_file()} == {1}


def _jupyterlab(backend, spec: BuildSpec) -> Path:
    environment = backend.folders.environment(spec.image)
    (package,) = environment.glob("env/lib/python3*/site-packages/jupyterlab/__init__.py")
    return package


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "../folder/../../outside"])
def test_a_file_that_builds_read_may_not_be_a_link_out_of_the_repository(
    backend, order, git, target: str
):
    spec = order({"folder/file": "", "b": ""})
    name = spec.url.removesuffix(".git").partition("/ada/")[2]
    git.symlink(f"ada/{name}", "inner/leads-out", target)
    commit = git.symlink(f"ada/{name}", "binder/requirements.txt", target)
    backend.ensure_build(replace(spec, commit=commit))
    report = finished(backend, spec)
    assert report.code == "build.symlink-outside"
    assert "binder/requirements.txt" in report.message


def test_a_repository_that_is_too_large_is_refused(backend, order, settings):
    settings.PORTAL_REPOSITORY_LIMIT_MB = 2
    assert failure(backend, order({"large": os.urandom(6_000_000)})) == "build.repository-too-large"


@pytest.fixture
def portal(git, settings) -> Iterator[GitServer]:
    """A server on a port that is taken for the portal's own, on a host that the site trusts."""
    with GitServer() as server:
        server.repository("ada/flowers", {"a": "1"})
        settings.PORTAL_TRUSTED_GIT_HOSTS = [git.host, "127.0.0.2", "localhost"]
        settings.PORTAL_CLOSED_PORTS = [server.port]
        yield server
        assert server.requests == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/x.git", "Not connected: 127.0.0.1"),
        ("http://localhost:{portal}/ada/flowers.git", "is the portal itself"),
        ("file:///home/jovyan/.git", "its address is not one for https or ssh"),
        ("ext::touch /home/jovyan/x", "its address is not one for https or ssh"),
    ],
)
def test_submodules_from_forbidden_addresses_are_named_and_not_fetched(
    backend, order, git, portal, url, why
):
    url = url.format(portal=portal.port)
    spec = order({".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = {url}\n'})
    folder = git.root / spec.url.partition("/ada/")[2].join(["ada/", ""])
    link = "commit refs/heads/main\ncommitter A <a@example.org> 1700000999 +0000\ndata 0\n\n"
    link += f"from refs/heads/main^0\nM 160000 {spec.commit} x\n"
    subprocess.run(
        ["git", f"--git-dir={folder}", "fast-import", "--quiet"], input=link.encode(), check=True
    )
    name = spec.url.removesuffix(".git").partition("/ada/")[2]
    backend.ensure_build(replace(spec, commit=git.commit(f"ada/{name}")))
    assert finished(backend, spec).code == ""
    assert why in log(backend, spec.id)
    assert not any((backend.folders.environment(spec.image) / "home" / "x").iterdir())
