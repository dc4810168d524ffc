"""The tasks of the queue, by name: each hands a row's number to its step.

Delivery is at least once, so an unknown keyword from a newer or older portal is ignored. What tells
the back end something asks first whether that is the database's own: elsewhere the same number is
somebody else's.
"""

from __future__ import annotations

from typing import Any

from portal.lib.version import VERSION
from portal.mail import announcements, outbox
from sessions import retention
from sessions.installation import ownership
from sessions.installation import set_aside as asides
from sessions.lifecycle import files, lookups, orphans, sshkey, steps


def prepare(session_id: int, **_newer: Any) -> None:
    lookups.prepare(session_id)


def start_build(build_id: int, **_newer: Any) -> None:
    ownership.require()
    steps.start_build(build_id)


def cancel_unwanted_build(build_id: int, **_newer: Any) -> None:
    ownership.require()
    steps.cancel_unwanted_build(build_id)


def cancel_build(build_id: int, **_newer: Any) -> None:
    ownership.require()
    steps.cancel_build(build_id)


def spawn(session_id: int, **_newer: Any) -> None:
    ownership.require()
    steps.spawn(session_id)


def remove_server(session_id: int, **_newer: Any) -> None:
    ownership.require()
    steps.remove_server(session_id)


def remove_project(project_id: int, **_newer: Any) -> None:
    ownership.require()
    steps.remove_project(project_id)


def measure_project(project_id: int, **_newer: Any) -> None:
    ownership.require()
    files.measure(project_id)


def drop_project(name: str, **_newer: Any) -> None:
    ownership.require()
    orphans.drop_project(name)


def set_aside(name: str, **_newer: Any) -> None:
    ownership.require()
    orphans.set_aside(name)


def weigh_aside(pk: int, **_newer: Any) -> None:
    asides.weigh(pk)


def put_back(pk: int, **_newer: Any) -> None:
    ownership.require()
    asides.put_back(pk)


def remove_aside(pk: int, now: int = 0, **_newer: Any) -> None:
    ownership.require()
    asides.remove(pk, now=bool(now))


def sweep(**_newer: Any) -> None:
    ownership.require()
    orphans.sweep()


def renew_identity(user_id: int, **_newer: Any) -> None:
    ownership.require()
    sshkey.renew(user_id)


def refresh_sign_in(sign_in_id: int, **_newer: Any) -> None:
    # What speaks to providers is a tenth of all that a worker would load; most portals have none.
    from portal.accounts.oidc import refreshing  # noqa: PLC0415

    refreshing.refresh(sign_in_id)


def ask_providers(**_newer: Any) -> None:
    from portal.accounts.oidc import refreshing  # noqa: PLC0415  as above

    refreshing.ask()


def write_letters(announcement_id: int, **_newer: Any) -> None:
    announcements.write(announcement_id)


def send_letters(**_newer: Any) -> None:
    outbox.deliver_due()


def tidy(**_newer: Any) -> None:
    retention.tidy()


def relieve(**_newer: Any) -> None:
    retention.relieve()


def version(**_newer: Any) -> str:
    """For whoever wants to know whether a worker listens, and of which version it is."""
    return VERSION
