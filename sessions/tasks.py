"""The tasks of the queue, by name: each hands a row's number, or a name, to its step.

Delivery is at least once. Keywords, from a newer or older portal, are ignored. A task that tells
the back end something first checks that the back end belongs to this database: elsewhere the same
number is another row.

A worker does one task after another. What asks a service outside of the portal therefore waits in a
thread, with at most `MAX_PER_SERVICE` for the same service, and no other task waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings

from portal import VERSION
from portal.lib.threadpool import ThreadPool, Work
from portal.mail import announcements, outbox
from sessions import retention
from sessions.installation import ownership
from sessions.installation import set_aside as asides
from sessions.lifecycle import builds, files, orphans, previews, sshkey, steps
from sessions.outages import run_safely

Task = Callable[..., None]

MAX_PER_SERVICE, MAX_THREADS = 2, 6
"""Threads in each of the worker's processes."""
SIGN_IN, MAIL, REGISTRY, PREVIEW = "sign-in", "mail", "registry", "preview"

_pool = ThreadPool(MAX_THREADS, max_per_host=MAX_PER_SERVICE, max_per_user=1)


def _task(
    name: str, step: Callable[..., object], *, check_ownership: bool = True, service: str = ""
) -> Task:
    """Return the task of this module called ``name``, which runs ``step``.

    With ``check_ownership``, it first raises `TemporaryError` unless the back end may be told
    something; the task is then delivered again. With a ``service``, a worker's task is over as soon
    as a thread has the step.
    """

    def task(*rows: int | str, **_newer: Any) -> None:
        if check_ownership:
            ownership.require()
        if service and settings.IN_WORKER:
            key = (name, *rows)
            _pool.submit(Work(key, service, key, partial(run_safely, step, *rows)))
        else:
            step(*rows)

    task.__name__ = task.__qualname__ = name
    task.__doc__ = step.__doc__
    return task


prepare = _task("prepare", builds.prepare, check_ownership=False)
"""Find a waiting session's commit and its build."""
make_preview = _task("make_preview", previews.make, check_ownership=False, service=PREVIEW)
"""Render what a launch opens."""
start_build = _task("start_build", steps.start_build)
"""Have the back end start a build."""
cancel_unwanted_build = _task("cancel_unwanted_build", steps.cancel_unwanted_build)
"""Cancel a build that nobody waits for any more."""
cancel_build = _task("cancel_build", steps.cancel_build)
"""Have the back end stop a build that staff cancelled."""
spawn = _task("spawn", steps.spawn)
"""Have the back end start a notebook."""
remove_server = _task("remove_server", steps.remove_server)
"""Have the back end stop a notebook."""
renew_identity = _task("renew_identity", sshkey.renew)
"""Update the SSH key in a person's running notebooks."""

remove_project = _task("remove_project", steps.remove_project)
"""Have the back end remove the files of a deleted project."""
measure_project = _task("measure_project", files.measure)
"""Measure a project's files."""
drop_project = _task("drop_project", orphans.drop_project)
"""Have the back end remove the files of a deleted project with this name."""

set_aside = _task("set_aside", orphans.set_aside)
"""Set aside files that the back end keeps under a name without a row."""
weigh_aside = _task("weigh_aside", asides.measure, check_ownership=False)
"""Measure something that was set aside."""
put_back = _task("put_back", asides.put_back)
"""Give a project its folder back."""
remove_aside = _task("remove_aside", lambda pk, now=0: asides.remove(pk, now=bool(now)))
"""Remove something that was set aside, if it has expired or the second argument is 1."""
sweep = _task("sweep", orphans.sweep)
"""Have the back end remove unfinished work whose process was killed."""

write_letters = _task("write_letters", announcements.write, check_ownership=False)
"""Write the mails of an announcement."""
send_letters = _task("send_letters", outbox.deliver_due, check_ownership=False, service=MAIL)
"""Send the mails that are due."""
tidy = _task("tidy", retention.tidy, check_ownership=False, service=REGISTRY)
"""Remove rows and images whose time is over."""
relieve = _task("relieve", retention.free_disk_space, check_ownership=False, service=REGISTRY)
"""Remove unused images until the disk has space again."""


def _refresh_sign_in(sign_in_id: int) -> None:
    # The code for identity providers is a tenth of what a worker loads; most portals have none.
    from portal.accounts.oidc import refresh  # noqa: PLC0415

    refresh.refresh(sign_in_id)


def _ask_providers() -> None:
    from portal.accounts.oidc import refresh  # noqa: PLC0415  as above

    refresh.probe_providers()


refresh_sign_in = _task("refresh_sign_in", _refresh_sign_in, check_ownership=False, service=SIGN_IN)
"""Refresh a sign-in at its identity provider."""
ask_providers = _task("ask_providers", _ask_providers, check_ownership=False, service=SIGN_IN)
"""Ask the identity providers whether they are there."""


def version(**_newer: Any) -> str:
    """Return this worker's version; it shows that a worker listens."""
    return VERSION
