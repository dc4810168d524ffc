"""``manage.py doctor`` names each problem of an installation, and how to fix it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from bench.harness.ports import free_port
from keys import keypairs
from portal.health import checks as health
from portal.health.doctor import Finding, configuration, network, services, storage
from portal.health.doctor import services as of_backend
from portal.health.doctor.runner import Check, all_checks, run_checks
from portal.models.mail import ATTEMPTS, Letter
from sessions.backends import Problem
from sessions.errors import TemporaryError
from sessions.models import Capacity, Heartbeat, HeartbeatName
from tests.oidc.hostile import Hostile
from tests.smtp import MailServer
from tests.threadserver import ThreadServer

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

WELL: set[str] = set()


def ids(found: Iterable[Finding]) -> set[str]:
    findings = list(found)
    assert all(finding.message and finding.hint for finding in findings)
    return {finding.id for finding in findings}


# --- settings and keys ---
@pytest.mark.parametrize(
    ("found", "changes"),
    [
        ("doctor.no-sign-in", {"PORTAL_PASSWORD_SIGN_IN": False, "OIDC_PROVIDERS": {}}),
        ("doctor.gateway-domain", {"PORTAL_URL": "http://bindery.example.org"}),
        ("doctor.no-https", {"PORTAL_URL": "http://bindery.example.org"}),
        ("portal.W014", {"GATEWAY_SCHEME": "https", "PORTAL_TRUSTED_PROXIES": []}),
        ("doctor.debug", {"PORTAL_URL": "http://bindery.example.org", "DEBUG": True}),
        ("doctor.no-redis", {"PORTAL_BACKEND": "kubernetes", "REDIS_URL": ""}),
        ("doctor.operators-mail", {"PORTAL_OPERATORS_MAIL": ["ops@example.org"]}),
        ("doctor.request", {"PORTAL_CPU_REQUEST": 9.0, "PORTAL_CPU_LIMIT": 8.0}),
    ],
)
def test_reports_settings_that_contradict_each_other(settings, found, changes):
    assert found not in ids(configuration.check_settings())
    for name, value in changes.items():
        setattr(settings, name, value)
    assert found in ids(configuration.check_settings())


def test_reports_failed_system_checks(settings):
    settings.PORTAL_TRUSTED_HOSTS = ["a:b:c"]
    assert "portal.E007" in ids(configuration.check_settings())


def test_reports_a_key_that_others_can_read_or_guess(settings, tmp_path):
    settings.PORTAL_DATA = tmp_path
    assert ids(configuration.check_secrets()) == WELL
    (tmp_path / "secret-key").write_text("x")
    (tmp_path / "secret-key").chmod(0o644)
    settings.SECRET_KEY = "short"
    assert ids(configuration.check_secrets()) == {"doctor.readable", "doctor.short-key"}


def test_reports_values_that_the_encryption_keys_cannot_open(ada, settings):
    keypairs.ensure(ada)
    assert ids(storage.check_sealed()) == WELL
    settings.PORTAL_ENCRYPTION_KEYS = ["another key than the one that was"]
    assert ids(storage.check_sealed()) == {"doctor.unreadable"}
    assert "1 of the newest" in next(iter(storage.check_sealed())).message


# --- the database ---
def test_accepts_a_healthy_database():
    assert ids(storage.check_database()) == WELL


def test_reports_missing_and_unknown_migrations():
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("portal", "0002_people")
    assert "doctor.migrations" in ids(storage.check_database())
    recorder.record_applied("portal", "0002_people")
    recorder.record_applied("portal", "9999_from_the_future")
    assert ids(storage.check_database()) == {"doctor.newer-database"}


def test_reports_clocks_that_differ():
    now = timezone.now()
    assert ids(storage._check_clock(now + timedelta(seconds=2), now)) == WELL
    assert ids(storage._check_clock(now - timedelta(seconds=20), now)) == {"doctor.clock"}


def test_recognizes_a_folder_on_a_network_filesystem(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\nserver:/b /srv nfs4 rw 0 0\n/dev/c /srv/own xfs rw\n")
    assert storage.network_filesystem(Path("/srv/bindery"), mounts) == "nfs4"
    assert storage.network_filesystem(Path("/srv/own/bindery"), mounts) == ""
    assert storage.network_filesystem(Path("/var"), mounts) == ""


# --- what else it stands on ---
def test_reports_an_unreachable_redis(settings):
    settings.REDIS_URL = ""
    assert ids(storage.check_redis()) == WELL
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}"
    assert ids(storage.check_redis()) == {"doctor.redis"}


def test_accepts_a_working_redis(redis, settings):
    assert ids(storage.check_redis()) == WELL


def test_reports_problems_of_the_backend(backend):
    assert ids(of_backend.check_backend()) == WELL
    backend.troubles = [Problem("local.no-git", "The program git is missing.", "Install it.")]
    assert ids(of_backend.check_backend()) == {"local.no-git"}


def test_reports_a_disk_that_is_nearly_full(settings):
    assert ids(storage.check_disk()) == WELL
    settings.PORTAL_MIN_FREE_GB = 5
    Capacity.objects.create(pk=1, at=timezone.now(), disk_gb=100, disk_free_gb=1)
    assert ids(storage.check_disk()) == {"doctor.disk"}


def test_reports_a_git_host_that_cannot_be_resolved(settings):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["127.0.0.1:3000", settings.PORTAL_OWN_ADDRESS]
    assert ids(network.check_git_hosts()) == WELL
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["git.invalid"]
    assert ids(network.check_git_hosts()) == {"doctor.git-host"}


@pytest.mark.parametrize("entry", ["127.0.0.1", "localhost", "[::1]", "127.0.0.1:{port}"])
def test_warns_about_a_trusted_git_host_that_includes_the_portal(settings, entry):
    settings.PORTAL_TRUSTED_GIT_HOSTS = [entry.format(port=settings.PORTAL_PORT)]
    (finding,) = network.check_git_hosts()
    assert (finding.id, finding.advice) == ("doctor.git-host-port", True)


# --- the portal's processes, and its addresses ---
def test_reports_processes_that_do_not_run(backend):
    assert ids(services.check_processes(patience=0.2)) == {"doctor.watch", "doctor.worker"}
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=timedelta(minutes=1))
    assert ids(services.check_processes(patience=0.2)) == {"doctor.worker"}


def test_reports_a_worker_of_another_version():
    assert ids(services._check_worker("0.0.1")) == {"doctor.versions"}


class WebServer(ThreadServer):
    is_ours = True


class Web(BaseHTTPRequestHandler):
    """A server at the portal's address: it answers as the portal unless ``is_ours`` is false."""

    server: WebServer

    def do_GET(self) -> None:
        label = str(self.headers["Host"]).partition(".")[0]
        nonce = self.path.partition("nonce=")[2]
        proof = health.proof(nonce) if self.server.is_ours else "?"
        body = json.dumps({"proof": proof}).encode()
        self.send_response(302 if label.startswith("doctor-") else 200)
        if self.server.is_ours:
            self.send_header("Location", f"{settings.PORTAL_URL}/projects/{label}/open/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(settings) -> Iterator[WebServer]:
    with WebServer(Web) as server:
        settings.PORTAL_URL = f"http://localhost:{server.port}"
        settings.PORTAL_GATEWAY_DOMAIN = f"localhost:{server.port}"
        yield server


def test_accepts_addresses_that_lead_to_this_portal(web):
    assert ids([*network.check_address(), *network.check_gateway()]) == WELL


def test_reports_addresses_that_lead_to_another_server(web):
    web.is_ours = False
    assert ids(network.check_address()) == {"doctor.other-portal"}
    assert ids(network.check_gateway()) == {"doctor.gateway"}


def test_reports_addresses_that_lead_nowhere(settings):
    settings.PORTAL_URL = f"http://127.0.0.1:{free_port()}"
    settings.PORTAL_GATEWAY_DOMAIN = "notebooks.invalid"
    assert ids(network.check_address()) == {"doctor.unreachable"}
    assert ids(network.check_gateway()) == {"doctor.gateway"}


def test_reports_an_untrusted_certificate(web):
    assert ids(network.certificate(web_url(web))) == {"doctor.certificate"}


def web_url(web: WebServer) -> str:
    return f"https://localhost:{web.port}"


# --- whom it depends on ---
def test_accepts_a_working_identity_provider(hostile):
    assert ids(services.check_providers()) == WELL


@pytest.mark.parametrize(
    ("path", "answer", "found"),
    [
        ("/.well-known/openid-configuration", (500, b""), "doctor.provider"),
        ("/.well-known/openid-configuration", (200, b"<h1>hello</h1>"), "doctor.provider"),
        ("/jwks", (200, b'{"keys": []}'), "doctor.provider-keys"),
    ],
)
def test_reports_an_identity_provider_that_answers_wrongly(hostile, path, answer, found):
    hostile.answers[path] = answer
    assert ids(services.check_providers()) == {found}


def test_reports_an_unexpected_issuer_or_signature_algorithm(hostile, settings):
    described = {
        "issuer": "https://somebody.example.org",
        "jwks_uri": f"{hostile.issuer}/jwks",
        "id_token_signing_alg_values_supported": ["ES256"],
    }
    hostile.answers["/.well-known/openid-configuration"] = (200, json.dumps(described).encode())
    assert ids(services.check_providers()) == {"doctor.issuer", "doctor.algorithm"}


@pytest.fixture
def hostile(settings) -> Iterator[Hostile]:
    with Hostile() as provider:
        settings.OIDC_PROVIDERS = {"evil": provider.entry("evil")}
        yield provider


def test_mail_check_sends_a_test_letter_and_reports_refusals(server: MailServer, settings):
    assert ids(services.check_mail()) == WELL
    assert server.letters == []
    assert ids(services.check_mail("ops@example.org")) == WELL
    assert server.letters[0]["To"] == "ops@example.org"
    server.refused = {"ops@example.org"}
    assert ids(services.check_mail("ops@example.org")) == {"doctor.mail"}
    settings.EMAIL_PORT = free_port()
    assert ids(services.check_mail()) == {"doctor.mail"}


@pytest.mark.django_db
def test_reports_letters_that_were_never_delivered():
    assert ids(services.check_letters()) == WELL
    Letter.objects.create(key="lost", attempts=ATTEMPTS)
    assert ids(services.check_letters()) == {"doctor.letters"}


# --- all of it ---
def test_failing_or_hanging_check_becomes_a_finding():
    over = threading.Event()

    def refused() -> Iterator[Finding]:
        raise TemporaryError("cluster.unreachable", "The cluster cannot be reached.")

    def broken() -> Iterator[Finding]:
        yield Finding("one", "found before", "mend it")
        raise ZeroDivisionError

    def endless() -> Iterator[Finding]:
        yield Finding("two", "found before", "mend it")
        over.wait()

    made = [Check("a", refused), Check("b", broken), Check("c", endless, seconds=0.2)]
    found = [ids(findings) for _check, findings in run_checks(made)]
    over.set()
    assert found == [{"cluster.unreachable"}, {"one", "doctor.broken"}, {"two", "doctor.slow"}]


def test_check_names_are_unique():
    names = [check.name for check in all_checks()]
    assert len(set(names)) == len(names) > 10


@pytest.mark.django_db(transaction=True)
def test_command_prints_text_or_json(backend, settings):
    settings.PORTAL_URL = f"http://localhost:{free_port()}"
    settings.SECRET_KEY = "short"
    said, listed = StringIO(), StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", "--patience=0.2", stdout=said)
    assert end.value.code == 1
    assert "database: fine" in said.getvalue()
    assert "WRONG  One of the site's keys is shorter than 32 characters" in said.getvalue()
    assert "problems found" in said.getvalue()
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--patience=0.2", stdout=listed)
    found = {row["id"]: row for row in json.loads(listed.getvalue())}
    assert found["doctor.short-key"]["check"] == "keys"
    assert found["doctor.unreachable"]["hint"]
