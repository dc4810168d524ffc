"""Turn a keeper's folder into the report of its build or notebook, and read its log."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from django.utils.translation import gettext as _

from sessions.backends import BuildReport, LogPiece, ServerReport
from sessions.backends.mergewords import files_report

from . import environments, launch
from .keeper import jobs, log, status
from .keeper.status import Status

_PIECE = 16_000


def build(number: int, folder: Path) -> BuildReport:
    """Return the build's report.

    One whose keeper vanished is finished with ``build.lost``, unless it had already put its result
    in place and only could not report it.
    """
    working, found = launch.alive(folder), status.read(folder)
    if found.state == status.ENDED:
        return BuildReport(number, True, found.code, found.message, found.pack)
    if working:
        return BuildReport(number)
    if (pack := _built(folder)) is not None:
        return BuildReport(number, True, pack=pack)
    if (folder / launch.CANCEL).exists():
        return BuildReport(number, True, "build.cancelled", _("The build was cancelled."))
    return BuildReport(
        number, True, "build.lost",
        _("The build was interrupted because the machine or the portal was restarted."),
    )  # fmt: skip


def _built(folder: Path) -> str | None:
    """Return the pack of what a build has finished; None if it has not."""
    try:
        environment = Path(json.loads((folder / jobs.FILE).read_text())["environment"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
    found = environments.result(environment)
    return None if found is None else str(found.get("pack", ""))


def server(number: int, folder: Path) -> ServerReport:
    """Return the notebook's report; one whose keeper vanished is gone with ``spawn.lost``."""
    working, found = launch.alive(folder), status.read(folder)
    told = (folder / launch.CANCEL).exists()
    state, code, message = _server_state(found, working, told)
    address = found.address if state == "ready" else ""
    name, node = project(folder), platform.node()
    files = files_report(found.files) if found.files else None
    return ServerReport(number, name, state, address, code, message, node, files)


def _server_state(found: Status, working: bool, told: bool) -> tuple[str, str, str]:
    if found.state == status.ENDED:
        return "gone", found.code, found.message
    if not working and told:  # to end, before it could take the wish
        return "gone", "", ""
    if not working:
        return (
            "gone",
            "spawn.lost",
            _(
                "The notebook ended because its process was killed or the machine restarted. "
                "Your files are there: start it again."
            ),
        )
    return ("ready" if found.state == status.READY else "starting"), "", ""


def project(folder: Path) -> str:
    """Return the name of the project whose notebook runs there, "" if unknown."""
    try:
        return str(json.loads((folder / jobs.FILE).read_text())["name"])
    except (FileNotFoundError, ValueError):
        return ""


def piece(folder: Path, position: str) -> LogPiece | None:
    """Return the next whole lines of the log, all of one phase; a position is "<byte>:<phase>"."""
    offset, _colon, phase = position.partition(":")
    try:
        with open(folder / log.FILE, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if int(offset or 0) > size:
                return LogPiece(
                    phase, _("… a power cut has taken lines …") + "\n", f"{size}:{phase}"
                )
            file.seek(int(offset or 0))
            read = file.read(_PIECE)
    except FileNotFoundError:
        return None
    return _piece(read[: read.rfind(b"\n") + 1], int(offset or 0), phase)


def _piece(lines: bytes, offset: int, phase: str) -> LogPiece | None:
    mark = log.MARK.encode()
    while lines.startswith(mark):
        marker, _end, lines = lines.partition(b"\n")
        offset, phase = offset + len(marker) + 1, marker[1:].decode()
    text = lines.partition(mark)[0]
    if not text:
        return None
    said = text.replace(b"\0", b"").decode("utf-8", "replace")  # a power cut leaves zeros
    return LogPiece(phase, said, f"{offset + len(text)}:{phase}")
