"""``manage.py up``: the whole embedded portal in the foreground.

It prepares what has to be there (database, files, account, examples, back end), then hands web,
worker and watch to `portal.supervisor` until it is told to end.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils.translation import gettext as _

from portal import admin_account, examples, health, staticfolder
from portal.supervisor import Part, supervise
from sessions import watch
from sessions.backends import get_backend
from sessions.errors import BinderyError

PORT_WAIT = 5.0
"""Seconds for a portal that was killed just now to let go of its port."""
COMPLAIN_EVERY = 30.0


class Command(BaseCommand):
    help = "Run the whole portal on this machine: pages, worker and watch."

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the parts run, there is none to end
        os.environ.setdefault("PORTAL_LOG_LEVEL", "WARNING")  # for the parts: this is a screen
        with _only_one(), _door() as door:
            password = self._prepare()
            supervise(_parts(door), self._announcement(door, password))

    def _prepare(self) -> str:
        """Everything that must be there before the parts start; the account's password."""
        self.stdout.write(_("Preparing Bindery in %(path)s …") % {"path": settings.PORTAL_DATA})
        call_command("migrate", interactive=False, verbosity=0)
        staticfolder.refresh()
        examples.publish()
        try:
            get_backend().prepare()
        except BinderyError as error:
            self._shout(error.message)
        for problem in get_backend().problems():
            self._shout(f"{problem.message}\n{problem.hint}")
        return admin_account.ensure()

    def _shout(self, text: str) -> None:
        line = "!" * 78
        body = "\n".join(f"!!  {each}" for each in text.splitlines())
        self.stderr.write(f"\n{line}\n{body}\n{line}\n")

    def _announcement(self, door: socket.socket, password: str) -> Callable[[], None]:
        """What to call until it has said that the portal is ready, and is quiet from then on."""
        words = {"url": settings.PORTAL_URL, "name": admin_account.USERNAME, "password": password}
        ready = _(
            "\nBindery is ready at %(url)s\n"
            "  account:  %(name)s\n"
            "  password: %(password)s\n"
            "Ctrl-C ends it; notebooks go on running.\n"
        )
        complain_at = time.monotonic() + COMPLAIN_EVERY
        said = False

        def announce() -> None:
            nonlocal said, complain_at
            if said:
                return
            wrong = _what_is_wrong(door)
            # What is wrong with the back end has been said, and pages say it to staff.
            said = not wrong.keys() - {"backend"}
            if said:
                self.stdout.write(ready % words)
            elif time.monotonic() >= complain_at:
                complain_at = time.monotonic() + COMPLAIN_EVERY
                self.stderr.write(_("Bindery is not ready yet: %(why)s") % {"why": wrong})

        return announce


def _parts(door: socket.socket) -> list[Part]:
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    quick = ["--skip-checks"]  # this command has made them
    web = [sys.executable, "-m", "uvicorn", "portal.asgi:application", "--lifespan", "on"]
    web += ["--app-dir", str(settings.BASE_DIR), "--fd", str(door.fileno())]
    web += ["--no-access-log", "--log-level", os.environ["PORTAL_LOG_LEVEL"].lower()]
    web += ["--timeout-graceful-shutdown", "3"]
    return [
        Part("web", web, descriptors=[door.fileno()]),
        Part("worker", [*manage, "qcluster", *quick], is_sick=_if_known(health.worker_is_deaf)),
        Part("watch", [*manage, "watch", *quick], is_sick=_if_known(lambda: not watch.is_alive())),
    ]


def _if_known(ask: Callable[[], bool]) -> Callable[[], bool]:
    """While the database cannot be reached, nobody is taken for sick."""

    def asked() -> bool:
        close_old_connections()
        try:
            return ask()
        except (DatabaseError, InterfaceError):
            return False

    return asked


@contextmanager
def _only_one() -> Iterator[None]:
    """Two portals on one data folder would start everything twice."""
    with (settings.PORTAL_DATA / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _("A portal runs on %(path)s already. End it first, or set PORTAL_DATA.")
            raise CommandError(text % {"path": settings.PORTAL_DATA}) from None
        yield


def _door() -> socket.socket:
    """The listening socket. It stays open while web is restarted: visitors wait, no more."""
    host, port = settings.PORTAL_HOST, settings.PORTAL_PORT
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    give_up = time.monotonic() + PORT_WAIT
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            if time.monotonic() < give_up and error.errno == errno.EADDRINUSE:
                time.sleep(0.1)
                continue
            text = _("Bindery cannot listen on %(host)s, port %(port)s: %(why)s. Set PORTAL_PORT.")
            raise CommandError(text % {"host": host, "port": port, "why": error.strerror}) from None


def _what_is_wrong(door: socket.socket) -> dict[str, str]:
    """The checks of ``/health`` that are not well; empty when all are."""
    host, port = door.getsockname()[:2]
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  asked, not listened on
    connection = HTTPConnection(anywhere.get(host, host), port, timeout=2)
    try:
        connection.request("GET", "/health", headers={"Host": urlsplit(settings.PORTAL_URL).netloc})
        checks: dict[str, str] = json.loads(connection.getresponse().read())["checks"]
    except (OSError, HTTPException, ValueError, KeyError) as error:
        return {"web": str(error) or type(error).__name__}
    finally:
        connection.close()
    return {name: state for name, state in checks.items() if state != health.OK}
