"""Run all of doctor's checks, each with a deadline; a check that fails is itself a finding."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Thread

from django.db import connections
from django.utils.translation import gettext as _

from sessions.errors import BinderyError

from . import Finding, configuration, network, services, short_message, storage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """One check: ``run`` may take ``seconds``.

    If ``needs_database``, it needs a working database.
    """

    name: str
    run: Callable[[], Iterable[Finding]]
    seconds: float = 15
    needs_database: bool = False


def all_checks(mail_to: str = "", patience: float = 10) -> list[Check]:
    """Return all checks in order of importance.

    ``mail_to`` is sent a letter if it is given. ``patience``: seconds to wait for a worker.
    """
    return [
        Check("settings", configuration.check_settings),
        Check("keys", configuration.check_secrets),
        Check("database", storage.check_database),
        Check("encrypted data", storage.check_sealed, needs_database=True),
        Check("Redis", storage.check_redis),
        Check("back end", services.check_backend, seconds=60),
        Check("database and data", storage.check_installation, seconds=60, needs_database=True),
        Check("disk", storage.check_disk, needs_database=True),
        Check(
            "worker and watch",
            partial(services.check_processes, patience),
            seconds=patience + 10,
            needs_database=True,
        ),
        Check("address", network.check_address, seconds=20),
        Check("notebook addresses", network.check_gateway, seconds=20),
        Check("sign-in", services.check_providers, seconds=40),
        Check("mail", partial(services.check_mail, mail_to), seconds=30),
        Check("unsent emails", services.check_letters, needs_database=True),
        Check("trusted Git hosts", network.check_git_hosts, seconds=20),
    ]


def run_checks(checks: Iterable[Check]) -> Iterator[tuple[Check, list[Finding]]]:
    """Run the checks one by one and yield each with its findings.

    Without a database, checks that need one are left out.
    """
    there_is_a_database = True
    for check in checks:
        if check.needs_database and not there_is_a_database:
            continue
        found = _run_with_deadline(check)
        if check.run is storage.check_database:
            there_is_a_database = all(finding.advice for finding in found)
        yield check, found


def _run_with_deadline(check: Check) -> list[Finding]:
    found: list[Finding] = []
    thread = Thread(target=_collect, args=(check, found), daemon=True)
    thread.start()
    thread.join(check.seconds)
    if thread.is_alive():
        message = _("This check timed out after %(seconds)d seconds.")
        hint = _("A service that it asks is not responding. Check the network and try again.")
        found.append(Finding("doctor.slow", message % {"seconds": check.seconds}, hint))
    return list(found)


def _collect(check: Check, found: list[Finding]) -> None:
    try:
        for finding in check.run():
            found.append(finding)  # noqa: PERF402  findings before the deadline count
    except BinderyError as error:
        found.append(
            Finding(error.code, error.message, _("People's launches fail with the same error."))
        )
    except Exception as error:
        log.debug("the check of %s failed", check.name, exc_info=True)
        message = _("This could not be checked: %(kind)s: %(why)s.")
        why = {"kind": type(error).__name__, "why": short_message(error)}
        hint = _("Report this to the developers, and include this line.")
        found.append(Finding("doctor.broken", message % why, hint))
    finally:
        connections.close_all()
