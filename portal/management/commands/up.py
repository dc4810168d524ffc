"""``manage.py up``: run the whole embedded portal in the foreground.

It prepares database, files, account, examples and back end. Then it hands web, worker, watch and
the process that keepers are forked from to `portal.run.supervisor`, until it is told to end.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils.translation import gettext as _

from portal.accounts import bootstrap
from portal.backup import preconditions
from portal.lib.datafolder import exclusive_lock
from portal.lib.logs.formats import as_json_line, with_prefix
from portal.run import examples, static_files
from portal.run.listener import listen, unhealthy_parts
from portal.run.supervisor import ManagedProcess, supervise
from sessions import outages
from sessions.backends import Problem, get_backend
from sessions.backends.local import keeper_processes
from sessions.errors import BinderyError
from sessions.installation import ownership
from sessions.installation.known import OwnershipStatus
from sessions.lifecycle import queue
from sessions.models import Heartbeat
from sessions.watch.conditions import describe_problem

WARN_INTERVAL = 30.0
RECOVERY = 60.0
"""Seconds that the parts have to give a sign of life once the database is back."""
CERTIFICATES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
)
"""Where Debian, Fedora and SUSE keep the certificate authorities that the system trusts."""


class Command(BaseCommand):
    """The command ``up``."""

    help = "Run the whole portal on this machine: pages, worker and watch."

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Run the checks in a separate process: they load all pages, which nothing needs here."""
        checks = get_context("fork").Process(target=self._check, kwargs=kwargs)
        checks.start()
        checks.join()
        if checks.exitcode:  # the process has said why
            sys.exit(checks.exitcode)

    def _check(self, **kwargs: Any) -> None:
        try:
            super().check(**kwargs)
        except SystemCheckError as error:
            self.stderr.write(str(error), lambda text: text)
            sys.exit(error.returncode)

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # no part is running that would have to be stopped
        _set_variables()
        preconditions.refuse_interrupted()
        with (
            exclusive_lock(),
            listen() as listener,
            keeper_processes.fork_server_sockets() as fork_sockets,
        ):
            password = self._prepare()
            supervise(_parts(listener, *fork_sockets), self._ready_announcer(listener, password))

    def _prepare(self) -> str:
        """Prepare what the parts need; return the account's password if it was made just now."""
        self._say(_("Preparing Bindery in %(path)s …") % {"path": settings.PORTAL_DATA})
        _keep_database_private()
        call_command("migrate", interactive=False, verbosity=0)
        static_files.refresh()
        examples.publish()
        try:
            get_backend().prepare()
        except BinderyError as error:
            self._print_warning(error.message)
        with suppress(BinderyError):  # a problem of the back end, which is reported below
            get_backend().warm_up()
        problems = (*get_backend().problems(), *_installation_problems())
        self.is_impaired = bool(problems)
        for problem in problems:
            self._print_warning(f"{problem.message}\n{problem.hint}")
        return bootstrap.ensure_admin()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _print_warning(self, text: str) -> None:
        line = "!" * 78
        body = "\n".join(f"!!  {each}" for each in text.splitlines() if each.strip())
        self.stderr.write(f"\n{line}\n{body}\n{line}\n")

    def _ready_announcer(self, listener: socket.socket, password: str) -> Callable[[], None]:
        """Return a function to call repeatedly, until it has said that the portal is ready."""
        ready = _(
            "\nBindery is ready at %(url)s\n%(who)sCtrl-C stops it; notebooks keep running.\n"
        )
        if self.is_impaired:
            ready = _(
                "\nBindery runs at %(url)s, but with the problems above\n%(who)sCtrl-C stops it; "
                "notebooks keep running.\n"
            )
        complain_at = time.monotonic() + WARN_INTERVAL
        is_announced = False

        def announce() -> None:
            nonlocal is_announced, complain_at
            if is_announced:
                return
            wrong = unhealthy_parts(listener)
            # Problems of these two have been reported, and pages report them to staff.
            is_announced = not wrong.keys() - {"backend", ownership.PART}
            if is_announced:
                who = _who_may_sign_in(password)
                self._say(ready % {"url": settings.PORTAL_URL, "who": who})
            elif time.monotonic() >= complain_at:
                complain_at = time.monotonic() + WARN_INTERVAL
                self.stderr.write(_("Bindery is not ready yet: %(why)s") % {"why": wrong})

        return announce


def _installation_problems() -> Iterator[Problem]:
    """Decide whether database and data belong together, before any part runs."""
    try:
        status = ownership.check_and_record()
    except (BinderyError, OSError) as error:
        hint = _(
            "The portal tries again every minute. Until then it removes nothing that it does "
            "not know."
        )
        yield Problem("portal.installation", str(error), hint)
        return
    if status != OwnershipStatus.MATCHES:
        yield describe_problem(ownership.PART, status.value)


def _who_may_sign_in(password: str) -> str:
    if not settings.PORTAL_PASSWORD_SIGN_IN:
        names = ", ".join(provider.name for provider in settings.OIDC_PROVIDERS.values())
        return _("  sign in:  with %(names)s\n") % {
            "names": names or _("nothing yet; see docs/sign-in.md")
        }
    words = {"name": bootstrap.USERNAME, "password": password or bootstrap.describe_password()}
    return _("  account:  %(name)s\n  password: %(password)s\n") % words


def _set_variables() -> None:
    """Set environment variables of the parts that the operator has not set."""
    os.environ.setdefault("PORTAL_LOG_LEVEL", "WARNING")  # the log is on somebody's screen
    # Builds trust what the system trusts, such as a site's own index.
    if file := next(filter(Path.exists, CERTIFICATES), None):
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
            os.environ.setdefault(name, str(file))


def _keep_database_private() -> None:
    """Let only the portal's user read it; SQLite gives the files beside it the same permissions."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        file = Path(database["NAME"])
        file.touch(mode=0o600)
        file.chmod(0o600)


def _parts(
    listener: socket.socket, inside: socket.socket, outside: socket.socket
) -> list[ManagedProcess]:
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    quick = ["--skip-checks"]  # this command has run them
    web = [sys.executable, "-m", "uvicorn", "portal.asgi:application", "--lifespan", "on"]
    web += ["--app-dir", str(settings.BASE_DIR), "--fd", str(listener.fileno())]
    web += ["--no-access-log", "--log-level", os.environ["PORTAL_LOG_LEVEL"].lower()]
    web += ["--timeout-graceful-shutdown", "3"]
    web += ["--no-proxy-headers"]  # `portal.asgi` reads them, from trusted proxies only
    web += ["--http", "portal.server.connection:Http"]  # with limits on what strangers send
    written = as_json_line if settings.PORTAL_LOG_FORMAT == "json" else with_prefix
    part = partial(ManagedProcess, format_line=written)
    yielding = ["nice", "-n", "5"]  # pages come first: people who wait for a build look at one
    fork_stalled = partial(keeper_processes.is_frozen, outside)
    forks = [*yielding, *keeper_processes.fork_server_command(inside)]
    fork = part("keepers", forks, descriptors=[inside.fileno()], is_stalled=fork_stalled)
    worker = [
        *yielding,
        "env",
        f"{keeper_processes.FORK_SERVER_VARIABLE}={outside.fileno()}",
        *manage,
        "qcluster",
        *quick,
    ]
    worker_stalled = _unless_database_unavailable(queue.is_stalled)
    return [
        part("web", web, descriptors=[listener.fileno()]),
        *([fork] if settings.PORTAL_BACKEND == "local" else []),
        part("worker", worker, descriptors=[outside.fileno()], is_stalled=worker_stalled),
        part(
            "watch",
            [*manage, "watch", *quick],
            is_stalled=_unless_database_unavailable(_is_unwatched),
        ),
    ]


def _is_unwatched() -> bool:
    return not Heartbeat.objects.is_watched()


def _unless_database_unavailable(ask: Callable[[], bool]) -> Callable[[], bool]:
    """Count no part as sick while the database cannot be reached or written to."""
    trusted_from = 0.0

    def is_stalled() -> bool:
        nonlocal trusted_from
        close_old_connections()
        try:
            sick = not outages.is_database_disk_full() and ask()
        except (DatabaseError, InterfaceError):
            trusted_from = time.monotonic() + RECOVERY
            return False
        return sick and time.monotonic() >= trusted_from

    return is_stalled
