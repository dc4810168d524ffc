"""Run one stage of a build pod: `bindery-build <stage>`.

    fetch → plan → pull → build → push

``content`` is the only stage of another pod: that of a notebook with a second repository.

All containers use one image and share one folder; each has only the rights and credentials that its
own stage needs. The stage's log goes to standard output (`output`), its result into the pod's
status (`result`).
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping

from . import build, buildspec, fetch, plan, pull, push, result
from .output import Output

Stage = Callable[[buildspec.BuildSpec, Output], dict[str, str]]
STAGES: Mapping[str, Stage] = {
    "fetch": fetch.stage,
    "content": fetch.content_stage,
    "plan": plan.stage,
    "pull": pull.stage,
    "build": build.stage,
    "push": push.stage,
}
_DISK_FULL = {
    "code": "build.disk-full",
    "message": "The build ran out of disk space. Have it write less, or ask the staff for more "
    "room.",
}
_INTERNAL_ERROR = {
    "code": "build.internal",
    "message": "The build failed through no fault of the repository; see the last lines of the "
    "log. Try again, or tell the staff.",
}


def main() -> None:
    """Run the stage that the command line names; the exit status is 0 or 1."""
    os.umask(0o022)
    os.environ["HOME"] = tempfile.mkdtemp()
    spec = buildspec.read(os.environ)
    output = Output(sys.stdout.buffer, spec.log_limit)
    answer = run(STAGES[sys.argv[1]], spec, output)
    result.write({**answer, "lines": str(output.count)})
    sys.exit("code" in answer)


def run(stage: Stage, spec: buildspec.BuildSpec, output: Output) -> dict[str, str]:
    """Return the stage's result, or the code and the message of its failure."""
    try:
        return stage(spec, output)
    except result.BuildFailed as failed:
        return {"code": failed.code, "message": failed.message}
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return _DISK_FULL
        return _failure(output)
    except Exception:  # noqa: BLE001  (reported to the portal, whatever it was)
        return _failure(output)


def _failure(output: Output) -> dict[str, str]:
    for line in traceback.format_exc().splitlines():
        output.write_line(line)
    return _INTERNAL_ERROR
