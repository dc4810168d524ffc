"""Orders to keepers: safe names, trusted hosts, variables of the site."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from keys.keypairs import SshIdentity
from quotas.resources import Resources
from sessions.backends import BuildSpec, ContentSpec, ServerSpec
from sessions.backends.local.folders import Folders, parse_run_folder
from sessions.backends.local.keeper import jobs
from sessions.backends.local.keeper.jobs import Bounds, ServerJob, Site
from sessions.backends.local.keeper_jobs import build_job, fetch_key, sandbox_site, server_job
from sessions.errors import InternalError

FOLDERS = Folders(Path("/data"))


def order(url: str, commit: str = "c" * 40, image: str = "image") -> BuildSpec:
    return BuildSpec(1, url, commit, "main", image)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/etc", "-x", ".x", "a\nb", "a\0b", "x" * 201]
)
def test_a_name_that_could_leave_its_folder_is_refused(name: str):
    for folder in (FOLDERS.environment, FOLDERS.project, FOLDERS.volume):
        with pytest.raises(InternalError):
            folder(name)


@pytest.mark.parametrize("name", ["ada", "ada-x-12345678", "ada@example.org", "A.da_1+2"])
def test_usernames_are_valid_folder_names(name: str):
    assert FOLDERS.volume(name) == Path("/data/homes") / name


def test_a_partial_build_has_a_name_that_no_image_can_have():
    with pytest.raises(InternalError):
        FOLDERS.environment(FOLDERS.partial("image", 1).name)


def test_only_run_folders_of_keepers_are_recognized():
    assert parse_run_folder("build-12") == ("build", 12)
    assert parse_run_folder("server-3") == ("server", 3)
    assert [parse_run_folder(name) for name in ("build-", "build-1x", ".build-1", "other-1")] == [
        None
    ] * 4


@pytest.mark.parametrize("commit", ["", "HEAD", "--all", "c" * 39, "C" * 40])
def test_a_build_job_requires_a_full_commit_id(commit: str):
    with pytest.raises(InternalError):
        build_job(order("https://example.org/x.git", commit), FOLDERS, Path("/toolbox"))


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://git.example.org/x.git", ["git.example.org:443"]),
        ("https://git.example.org:8443/x.git", ["git.example.org:8443"]),
        ("http://git.example.org/x.git", ["git.example.org:80"]),
        ("git@git.example.org:ada/x.git", ["git.example.org:22"]),
        ("ssh://git@git.example.org/ada/x.git", ["git.example.org:22"]),
        ("https://[fd00::1]:8443/x.git", ["[fd00::1]:8443"]),
        ("https://other.example.org/x.git", []),
        ("https://10.0.0.1/x.git", []),
    ],
)
def test_a_build_may_reach_its_own_git_host_and_the_mirrors(settings, url, trusted):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["git.example.org", "[fd00::1]:8443", "10.0.0.1:80"]
    settings.PORTAL_TRUSTED_HOSTS = ["mirror.example.org"]
    job = build_job(order(url), FOLDERS, Path("/toolbox"))
    assert job.trusted == ["mirror.example.org", *trusted]
    assert job.fetch_trusted == settings.PORTAL_TRUSTED_GIT_HOSTS


def test_only_harmless_site_variables_are_passed_on():
    environment = {
        "LC_ALL": "C",  # of the shell in which somebody started the portal; notebooks have UTF-8
        "SSL_CERT_FILE": "/certs/all.pem",
        "PIP_INDEX_URL": "https://mirror.example.org/simple",
        "UV_INDEX": "own=https://mirror.example.org/simple",
        "UV_DEFAULT_INDEX": "https://ada:secret@mirror.example.org/simple",
        "PIP_EXTRA_INDEX_URL": "https://a.example.org https://x:y@b.example.org",
        "UV_INDEX_URL": "file:///packages",
        "PORTAL_SECRET_KEY": "secret",
        "DATABASE_URL": "postgres://x:y@localhost/z",
        "HTTPS_PROXY": "http://proxy.example.org",
    }
    assert sandbox_site("/toolbox", environment, ["/opt/python"]) == Site(
        "/toolbox",
        {
            "PIP_INDEX_URL": "https://mirror.example.org/simple",
            "SSL_CERT_FILE": "/certs/all.pem",
            "UV_DEFAULT_INDEX": "https://mirror.example.org/simple",
            "UV_INDEX": "own=https://mirror.example.org/simple",
            "UV_SYSTEM_CERTS": "true",
        },
        ["/certs/all.pem", "/opt/python"],
    )


def test_examples_are_fetched_from_the_portal_but_cannot_reach_it_later(settings):
    settings.PORTAL_OWN_ADDRESS = "localhost:8000"
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["localhost:8000"]
    job = build_job(order("http://localhost:8000/examples/x.git"), FOLDERS, Path("/toolbox"))
    assert job.fetch_trusted == ["localhost:8000"]
    assert job.trusted == []


def test_the_portals_own_ports_are_closed_to_builds_and_notebooks(settings):
    settings.PORTAL_OWN_ADDRESS = "localhost:8000"
    settings.PORTAL_CLOSED_PORTS = [5432, 8000]
    settings.PORTAL_TRUSTED_GIT_HOSTS = settings.PORTAL_TRUSTED_HOSTS = ["127.0.0.1"]
    job = build_job(order("http://127.0.0.1:8000/x/y.git"), FOLDERS, Path("/toolbox"))
    assert (job.closed, job.fetch_front) == ([5432, 8000], "http://localhost:8000")
    assert job.trusted == ["127.0.0.1"]


SERVER = ServerJob(
    "ada-x", "ada", "/e", "/p", "/v", "c", "/u/", "t", 1.0, Bounds(1, 2), Site("/t"), [],
    safe_mode="Its kernel died.", keeps_start=True,
)  # fmt: skip


@pytest.mark.parametrize("job", ["build", "server"])
def test_a_job_of_a_newer_version_is_read_without_its_new_fields(tmp_path: Path, job: str):
    written = (
        SERVER
        if job == "server"
        else build_job(order("https://example.org/x.git"), FOLDERS, Path("/toolbox"))
    )
    jobs.write(tmp_path, written)
    newer = json.loads((tmp_path / jobs.FILE).read_text())
    for part in (newer, newer["bounds"], newer["site"]):
        part["of_a_newer_version"] = True
    (tmp_path / jobs.FILE).write_text(json.dumps(newer))
    assert jobs.read(tmp_path) == written


def test_a_server_job_of_an_earlier_version_gets_the_defaults_of_new_fields(tmp_path: Path):
    jobs.write(tmp_path, SERVER)
    older = json.loads((tmp_path / jobs.FILE).read_text())
    del older["safe_mode"], older["keeps_start"]
    (tmp_path / jobs.FILE).write_text(json.dumps(older))
    assert jobs.read(tmp_path) == replace(SERVER, safe_mode="", keeps_start=False)


def test_the_content_of_a_notebook_is_part_of_its_job_and_the_key_is_not(settings, tmp_path: Path):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["git.example.org"]
    url = "ssh://git@git.example.org/ada/course"
    spec = ServerSpec(
        id=9,
        name="ada-flowers",
        owner="ada",
        volume="ada",
        owner_id=1,
        image="image",
        commit="c" * 40,
        url="https://example.org/x.git",
        token="",
        resources=Resources(1, 1, 1, 1),
        identity=SshIdentity("the private key", "public", "known"),
        content=ContentSpec(url, "d" * 40, "main", "course", unless_puller=True),
    )
    job = server_job(spec, FOLDERS, Path("/toolbox"))
    assert job.content
    assert (job.content.folder, job.content.unless_puller) == ("course", True)
    fetch = job.content.fetch
    assert (fetch.url, fetch.commit, fetch.ref) == (url, "d" * 40, "main")
    assert fetch.partial == "/data/projects/ada-flowers/content"
    assert fetch.bounds.memory == job.bounds.memory
    assert fetch.bounds.disk == settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6
    assert job.trusted[-1] == "git.example.org:22"
    jobs.write(tmp_path, job)
    assert jobs.read(tmp_path) == job
    assert "the private key" not in (tmp_path / jobs.FILE).read_text()
    key = fetch_key(spec)
    assert key
    assert key.private == "the private key"
    assert spec.content
    public = replace(spec, content=replace(spec.content, url="https://git.example.org/c"))
    assert fetch_key(public) is None
    assert fetch_key(replace(spec, content=None)) is None
