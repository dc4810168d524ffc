"""Explain why an image did not start JupyterLab: its entry point, its shell, or its PATH.

A notebook's container runs the image's entry point, with the script that starts JupyterLab as its
arguments (`serverpod`). The container runtime says what it could not execute, and the script where
it has found JupyterLab. Pure functions of that text, which anything in an image may have written.
"""

from __future__ import annotations

import json
import re
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends.messages import printable

Pod = dict[str, Any]
Reason = tuple[str, str]

ENTRY_POINT = "spawn.entry-point"
NO_JUPYTERLAB = "spawn.no-jupyterlab"
NOT_ON_PATH = "spawn.not-on-path"
NO_SHELL = "spawn.no-shell"
WORK_FOLDER = "spawn.work-folder"

# Paths that would have to be escaped in JSON are left out.
FIND_SCRIPT = f"""\
at= classic=false
    for folder in /opt/*/bin /opt/conda/envs/*/bin /srv/*/bin /srv/*/envs/*/bin /usr/local/*/bin \\
        /usr/local/bin /usr/bin /root/.local/bin /home/*/.local/bin /home/*/*/bin
    do
        [ ! -x "$folder/jupyter-lab" ] || {{ at=$folder; break; }}
    done
    case $at in *[!A-Za-z0-9/._+-]*) at= ;; esac
    command -v jupyter-notebook >/dev/null && classic=true
    printf '{{"code": "{NO_JUPYTERLAB}", "at": "%s", "classic": %s}}' "$at" $classic \\
        >/dev/termination-log"""
"""Commands of the start script that report where JupyterLab is, if it is not on PATH."""

_MAX_NAME_LENGTH = 200
_SHELLS = frozenset({"sh", "/bin/sh"})
_NOT_EXECUTED = re.compile(
    r"\b(?:exec|executable file|cannot find):? "
    r"(?:[\"`'](?P<quoted>[^\"`']+)[\"`']|(?P<plain>/[^:\s]+))"
)
_UNNAMED = re.compile(r"exec user process caused|open executable")
_NOT_EXECUTED_LATE = re.compile(
    r"exec /\S+: (?:no such file or directory|exec format error|permission denied)"
)
_NO_WORK_FOLDER = re.compile(r'chdir to cwd \("(?P<name>[^"]*)"\)|\bchdir: ')
_STARTS_FAILED = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})


def start_refusal(message: str) -> Reason | None:
    """Return why the container runtime could not start a container; None if it is not known.

    ``message`` is the runtime's, of runc or crun.
    """
    if folder := _NO_WORK_FOLDER.search(message):
        sentence = _(
            "The image's WORKDIR %(name)s does not exist or is closed to uid 1000, under which "
            "notebooks run. Correct it in the Dockerfile, and rebuild."
        )
        return WORK_FOLDER, sentence % {"name": _quoted(folder["name"])}
    found = _NOT_EXECUTED.search(message)
    if not found and not _UNNAMED.search(message):
        return None
    name = (found["quoted"] or found["plain"]) if found else ""
    if name in _SHELLS:
        return NO_SHELL, _(
            "The image has no shell (sh), so JupyterLab cannot be started in it. Build on an image "
            "that has one, not on scratch or a distroless image, and rebuild."
        )
    return ENTRY_POINT, _entry_point_sentence(name, message.lower())


def _entry_point_sentence(name: str, why: str) -> str:
    """Return the sentence for an entry point that could not be executed."""
    if "permission denied" in why or "is a directory" in why:
        sentence = _(
            "The image's ENTRYPOINT %(name)s cannot be executed by uid 1000. Make it executable in "
            "the Dockerfile (RUN chmod 755 …), and rebuild."
        )
    elif "format error" in why:
        sentence = _(
            "The image's ENTRYPOINT %(name)s is not a program for this machine. A program must be "
            "built for the machine's architecture (such as amd64 or arm64); a script needs a first "
            "line such as #!/bin/sh. Correct it, and rebuild."
        )
    elif "stat " not in why and "$path" not in why:  # the file was found
        sentence = _(
            "The image's ENTRYPOINT %(name)s does not exist, or the program in its first line (#!) "
            "does not; Windows line ends have that effect, too. Correct it, and rebuild."
        )
    else:
        sentence = _(
            "The image's ENTRYPOINT %(name)s does not exist in the image. Correct or remove it in "
            "the Dockerfile, and rebuild."
        )
    return (sentence % {"name": _quoted(name)}).replace("  ", " ")


def problem(ended: Pod) -> Reason | None:
    """Return why a container of the image could not do what it has to; None if it is not known.

    ``ended`` is the terminated state, and its message JSON if one of our own scripts wrote it.
    """
    message = str(ended.get("message", ""))
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and said.get("code") == NO_JUPYTERLAB:
        return _without_jupyterlab(said)
    if ended.get("reason") in _STARTS_FAILED:
        return start_refusal(message)
    last = message.strip().rpartition("\n")[2]
    return start_refusal(last) if _NOT_EXECUTED_LATE.fullmatch(last) else None


def _without_jupyterlab(said: dict[str, Any]) -> Reason:
    """Explain that there is no JupyterLab on PATH; ``said`` is the script's message."""
    folder = said.get("at")
    if isinstance(folder, str) and folder.startswith("/"):
        message = _(
            "The image has JupyterLab in %(folder)s, which is not on its PATH. Add ENV "
            'PATH="%(folder)s:$PATH" to the Dockerfile, and rebuild.'
        )
        return NOT_ON_PATH, message % {"folder": printable(folder)[:_MAX_NAME_LENGTH]}
    if said.get("classic") is True:
        return NO_JUPYTERLAB, _(
            "The image has the classic Jupyter Notebook, but no JupyterLab, which the portal "
            "needs. Add it to the Dockerfile (pip install jupyterlab), and rebuild."
        )
    return NO_JUPYTERLAB, _(
        "The repository's image has no JupyterLab. Add it to the Dockerfile (pip install "
        "jupyterlab) and rebuild."
    )


def _quoted(name: str | None) -> str:
    return f"“{printable(name)[:_MAX_NAME_LENGTH]}”" if name else ""
