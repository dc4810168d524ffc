"""Explain why a notebook ended, or did not start, with a stable code and a sentence for its person.

Each back end says what it knows as a `ServerEnd`; `why_ended` is the one place that turns this into
words. So the same end has the same words on every back end. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from signal import Signals
from typing import Any

from django.utils.translation import gettext as _

from .messages import printable, time_limit

Reason = tuple[str, str]
START_SCRIPT = "spawn.start-script"
ENTRY_POINT = "spawn.entry-point"
CRASHED = "spawn.crashed"
NOT_RUN = "spawn.not-run"
"""The container exists, but what it is to run, such as the image's entry point, cannot be run."""
TIMEOUT = "spawn.timeout"
ENDED = "spawn.ended"
MAX_LINES = 10
_MAX_LINE_LENGTH = 500
_MAX_NAME_LENGTH = 120
_STATUSES_NOT_RUN = frozenset({126, 127})
"""Exit statuses of a shell that could not run a program (POSIX, Shell Command Language, 2.8.2)."""


class Cause(StrEnum):
    """Names for what ended a notebook from outside; "" if nothing is known."""

    NONE = ""
    OUT_OF_MEMORY = "spawn.out-of-memory"
    EVICTED = "spawn.evicted"
    PREEMPTED = "spawn.preempted"
    DRAINED = "spawn.drained"
    NODE_LOST = "spawn.node-lost"
    DELETED = "spawn.deleted"
    CLUSTER = "spawn.cluster"
    NO_JUPYTERLAB = "spawn.no-jupyterlab"


@dataclass(frozen=True)
class ServerEnd:
    """Facts that a back end knows about the end of a notebook.

    - ``status`` is the exit status of its program; None if that was still running when its time to
      start, ``seconds``, was over.
    - ``has_begun`` is whether JupyterLab's own program was run at all; None if unknown. Before it
      comes the repository's start script, whose path is ``script``, or the image's entry point.
    - ``was_ready`` is whether JupyterLab had answered.
    - ``answer`` is the status with which it refused the portal's requests, 0 if it did not.
    - ``lines`` are the last lines of the program's output, ``detail`` the cluster's own words.
    """

    status: int | None = None
    has_begun: bool | None = None
    was_ready: bool = False
    answer: int = 0
    script: str = ""
    lines: Sequence[str] = ()
    seconds: float = 0
    cause: Cause = Cause.NONE
    detail: str = ""

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> ServerEnd:
        """Return what a keeper has written; unknown fields of another version are ignored."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in facts.items() if name in known})


def why_ended(end: ServerEnd) -> Reason:
    """Return code and sentence for the end of a notebook that nobody told the portal to stop."""
    if end.cause:
        return str(end.cause), _cause_sentence(end)
    if end.has_begun is False and not end.was_ready:
        return _before_jupyter(end)
    if end.status is None:
        return TIMEOUT, _with_lines(_unanswered(end), end)
    if end.has_begun is None and not end.was_ready:
        message = _("The start script or JupyterLab ended before JupyterLab answered (%(status)s).")
        return CRASHED, _with_lines(message % {"status": _status(end.status)}, end)
    if end.status == 0 and end.was_ready:
        return ENDED, _(
            "JupyterLab was shut down from inside the notebook. Your files are safe. Start it "
            "again when you need it."
        )
    if end.was_ready:
        message = _("JupyterLab exited by itself (%(status)s).")
    else:
        message = _("JupyterLab did not start (%(status)s).")
    return CRASHED, _with_lines(message % {"status": _status(end.status)}, end)


def _unanswered(end: ServerEnd) -> str:
    if not end.answer:
        message = _("JupyterLab did not answer within %(time)s.")
        return message % {"time": time_limit(end.seconds)}
    message = _(
        "JupyterLab runs, but refused the portal's requests for %(time)s (status %(status)d): it "
        "serves another address, or expects another token. Leave base_url, token and password as "
        "the portal sets them, also in the start script and the Dockerfile."
    )
    return message % {"time": time_limit(end.seconds), "status": end.answer}


def _before_jupyter(end: ServerEnd) -> Reason:
    """Explain an end, or a delay, before JupyterLab's own program was run."""
    program = _program_name(end)
    code = START_SCRIPT if end.script else ENTRY_POINT
    if end.status is None:
        message = _("%(program)s had not started JupyterLab after %(time)s and was stopped.")
        values = {"program": program, "time": time_limit(end.seconds)}
        return TIMEOUT, _with_lines(message % values, end)
    if end.status in _STATUSES_NOT_RUN:
        message = _(
            "%(program)s could not be run (%(status)s): it, or the program that its first line "
            "names, does not exist or cannot be executed."
        )
    else:
        message = _("%(program)s ended before it started JupyterLab (%(status)s).")
    message %= {"program": program, "status": _status(end.status)}
    if not end.status:
        message += " " + _('Its last line must be: exec "$@"')
    return code, _with_lines(message, end)


def _program_name(end: ServerEnd) -> str:
    if end.script:
        return _("Your start script (%(name)s)") % {"name": _name(end.script)}
    return _("The image's entry point")


def _cause_sentence(end: ServerEnd) -> str:
    detail = {"why": printable(end.detail.strip())[:300].rstrip(".")}
    if end.cause == Cause.CLUSTER:
        message = _(
            "The cluster did not run the notebook, or ended it: %(why)s. The files in your own "
            "folder are kept. Start it again; if it happens again, tell the staff."
        )
        return message % (detail if detail["why"] else {"why": _("no details are known")})
    if end.cause == Cause.EVICTED:
        message = _(
            "The notebook was stopped because it or its machine ran out of room: %(why)s. The "
            "files in your own folder are kept. Start it again."
        )
        return message % (detail if detail["why"] else {"why": _("no details are known")})
    return _cause_sentences()[end.cause]


def _cause_sentences() -> dict[Cause, str]:
    return {
        Cause.OUT_OF_MEMORY: _(
            "The notebook ran out of memory and was stopped. Your own folder is kept. Start it "
            "again, and work on less at a time or ask for more memory."
        ),
        Cause.PREEMPTED: _(
            "The cluster stopped the notebook to make room for something more important. Your own "
            "folder is kept. Start the notebook again; it may have to wait for room."
        ),
        Cause.DRAINED: _(
            "The cluster's staff took the machine that ran the notebook out of service. Your own "
            "folder is kept. Start the notebook again; it runs on another machine."
        ),
        Cause.NODE_LOST: _(
            "The machine that ran the notebook is gone. Your own folder is kept. Start the "
            "notebook again."
        ),
        Cause.DELETED: _(
            "Someone other than the portal removed the notebook from the cluster. Your own folder "
            "is kept. Start the notebook again."
        ),
        Cause.NO_JUPYTERLAB: _(
            "The repository's image has no JupyterLab. Add it to the Dockerfile (pip install "
            "jupyterlab) and rebuild."
        ),
    }


def _with_lines(message: str, end: ServerEnd) -> str:
    """Return the message followed by the program's last lines."""
    lines = [printable(str(line).expandtabs())[:_MAX_LINE_LENGTH] for line in end.lines]
    if not any(line.strip() for line in lines):
        return (
            message if end.status == 0 or end.answer else message + " " + _("It printed nothing.")
        )
    return "\n".join([message + " " + _("Its last lines:"), *lines[-MAX_LINES:]])


def _status(status: int) -> str:
    """Return a status with the signal in it: shells add 128, Python writes it as negative."""
    number = status - 128 if status > 128 else -status
    try:
        return f"status {status}, {Signals(number).name}"
    except ValueError:
        return f"status {status}"


def _name(path: str) -> str:
    return printable(path.removeprefix("/home/jovyan/"))[:_MAX_NAME_LENGTH]
