"""The tasks of the queue, by name: each hands a row's number to its step.

Delivery is at least once. Unknown keywords, from a newer or older portal, are ignored. A task that
tells the back end something first checks that the back end belongs to this database: elsewhere the
same number is another row.
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
    """Find the commit of a waiting session, and its build."""
    lookups.prepare(session_id)


def start_build(build_id: int, **_newer: Any) -> None:
    """Have the back end start a build."""
    ownership.require()
    steps.start_build(build_id)


def cancel_unwanted_build(build_id: int, **_newer: Any) -> None:
    """Cancel a build that nobody waits for any more."""
    ownership.require()
    steps.cancel_unwanted_build(build_id)


def cancel_build(build_id: int, **_newer: Any) -> None:
    """Have the back end end a build that staff have cancelled."""
    ownership.require()
    steps.cancel_build(build_id)


def spawn(session_id: int, **_newer: Any) -> None:
    """Have the back end start a notebook."""
    ownership.require()
    steps.spawn(session_id)


def remove_server(session_id: int, **_newer: Any) -> None:
    """Have the back end stop a notebook."""
    ownership.require()
    steps.remove_server(session_id)


def remove_project(project_id: int, **_newer: Any) -> None:
    """Have the back end drop what it keeps of a deleted project."""
    ownership.require()
    steps.remove_project(project_id)


def measure_project(project_id: int, **_newer: Any) -> None:
    """Measure the kept files of a project."""
    ownership.require()
    files.measure(project_id)


def drop_project(name: str, **_newer: Any) -> None:
    """Have the back end drop what it keeps of a deleted project of this name."""
    ownership.require()
    orphans.drop_project(name)


def set_aside(name: str, **_newer: Any) -> None:
    """Set aside what the back end keeps under a name that has no row."""
    ownership.require()
    orphans.set_aside(name)


def weigh_aside(pk: int, **_newer: Any) -> None:
    """Store the size of something that was set aside."""
    asides.measure(pk)


def put_back(pk: int, **_newer: Any) -> None:
    """Give a project its folder back."""
    ownership.require()
    asides.put_back(pk)


def remove_aside(pk: int, now: int = 0, **_newer: Any) -> None:
    """Remove something that was set aside, if its time is over or ``now`` is 1."""
    ownership.require()
    asides.remove(pk, now=bool(now))


def sweep(**_newer: Any) -> None:
    """Have the back end drop unfinished work whose process was killed."""
    ownership.require()
    orphans.sweep()


def renew_identity(user_id: int, **_newer: Any) -> None:
    """Give a person's running notebooks the current SSH key."""
    ownership.require()
    sshkey.renew(user_id)


def refresh_sign_in(sign_in_id: int, **_newer: Any) -> None:
    """Refresh a sign-in at its identity provider."""
    # The code for providers is a tenth of what a worker would load; most portals have none.
    from portal.accounts.oidc import signins  # noqa: PLC0415

    signins.refresh(sign_in_id)


def ask_providers(**_newer: Any) -> None:
    """Ask the identity providers whether they are there."""
    from portal.accounts.oidc import signins  # noqa: PLC0415  as above

    signins.probe_providers()


def write_letters(announcement_id: int, **_newer: Any) -> None:
    """Write the letters of an announcement."""
    announcements.write(announcement_id)


def send_letters(**_newer: Any) -> None:
    """Send the letters that are due."""
    outbox.deliver_due()


def tidy(**_newer: Any) -> None:
    """Remove what nobody needs any more."""
    retention.tidy()


def relieve(**_newer: Any) -> None:
    """Remove unused images until the disk has room again."""
    retention.free_disk_space()


def version(**_newer: Any) -> str:
    """Return this worker's version; it shows that a worker listens."""
    return VERSION
