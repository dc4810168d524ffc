"""The tasks of the queue, by name: each hands a row's number to its step.

Delivery is at least once, so an unknown keyword from a newer or older portal is ignored.
"""

from __future__ import annotations

from typing import Any

from portal import letters
from portal.oidc import refreshing
from sessions.lifecycle import sshkey, steps


def prepare(session_id: int, **_newer: Any) -> None:
    steps.prepare(session_id)


def start_build(build_id: int, **_newer: Any) -> None:
    steps.start_build(build_id)


def cancel_unwanted_build(build_id: int, **_newer: Any) -> None:
    steps.cancel_unwanted_build(build_id)


def cancel_build(build_id: int, **_newer: Any) -> None:
    steps.cancel_build(build_id)


def spawn(session_id: int, **_newer: Any) -> None:
    steps.spawn(session_id)


def remove_server(session_id: int, **_newer: Any) -> None:
    steps.remove_server(session_id)


def remove_project(project_id: int, **_newer: Any) -> None:
    steps.remove_project(project_id)


def renew_identity(user_id: int, **_newer: Any) -> None:
    sshkey.renew(user_id)


def refresh_sign_in(sign_in_id: int, **_newer: Any) -> None:
    refreshing.refresh(sign_in_id)


def send_letters(**_newer: Any) -> None:
    letters.deliver_due()
