"""Find when each step of a launch ended, from the rows and files; runs inside a portal."""

from __future__ import annotations

import json
import sys
from typing import Any

import django

STEPS = ("prepare", "spawn")


def main() -> None:
    """Print the times of each running project in the arguments, in seconds since 1970."""
    django.setup()
    print(json.dumps({name: _moments(name) for name in sys.argv[1:]}))


def _moments(name: str) -> dict[str, float]:
    from django.conf import settings  # noqa: PLC0415 -- only there once Django is set up

    from sessions.backends.local.folders import SERVER, Folders  # noqa: PLC0415
    from sessions.models import Session, Transition  # noqa: PLC0415

    session = Session.objects.get(project__name=name)
    spawning = Transition.objects.get(session=session, after="spawning")
    moments = {"inserted": session.created.timestamp(), "wanted": spawning.at.timestamp()}
    for step in STEPS:
        task = _task(step, session.pk)
        moments[f"{step} began"] = task.started.timestamp()
        moments[f"{step} ended"] = task.stopped.timestamp()
    folder = Folders(settings.PORTAL_DATA).keeper(SERVER, session.pk)
    said = (folder / "log").read_text(encoding="utf-8")
    words = next(line for line in said.splitlines() if line.startswith("moments ")).split()
    moments["server began"], moments["server listened"] = float(words[1]), float(words[2])
    moments["keeper knew"] = (folder / "status.json").stat().st_mtime
    if session.ready:
        moments["ready"] = session.ready.timestamp()
    return moments


def _task(step: str, pk: int) -> Any:
    from django_q.models import Task  # noqa: PLC0415

    return next(
        task
        for task in Task.objects.filter(func=f"sessions.tasks.{step}").order_by("-started")
        if tuple(task.args) == (pk,)
    )


if __name__ == "__main__":
    main()
