"""Read `runtime.txt`: the version of Python, or R and the date of its packages.

repo2docker takes ``python-3.11``, ``r-4.4-2025-03-01`` and ``r-2025-03-01``. People also write what
has the same meaning and no other; anything else is refused with what may stand there.
"""

from __future__ import annotations

import datetime as dt
import re

_PYTHON = re.compile(
    r"(?:c?python|py)?[\s=_-]*v?(?P<version>[0-9]{1,3}(?:\.[0-9]{1,3}){0,2})(?:\.[x*])?(?:[\s-]*dev)?"
    r"(?:-\d{4}-\d\d-\d\d)?",
    re.IGNORECASE,
)
_ANY_PYTHON = re.compile(r"python", re.IGNORECASE)
_R = re.compile(
    r"r[\s=_-]*(?:v?(?P<version>[0-9]{1,3}(?:\.[0-9]{1,3}){1,2})[\s_-]+)?(?P<date>\d{4}-\d\d-\d\d)",
    re.IGNORECASE,
)
_R_WITHOUT_DATE = re.compile(
    r"r[\s=_-]*v?(?P<version>[0-9]{1,3}(?:\.[0-9]{1,3}){1,2})?", re.IGNORECASE
)
_OTHER = re.compile(r"(?P<name>julia|octave|node|java|go|rust)[\s-]?[0-9][0-9.]*", re.IGNORECASE)
_PYTHONS = range(2, 4)
_MAX_QUOTED = 40
_FORMS = "Write python-3.11, or for R its version and a date, such as r-4.4-2025-03-01."


def canonical(text: str) -> str:
    """Return the text as repo2docker reads it; "" if it says nothing.

    Raises `ValueError` with a sentence if it has no meaning, or more than one.
    """
    bare = (line.partition("#")[0].strip() for line in text.splitlines())
    lines = list(dict.fromkeys(line for line in bare if line))
    if not lines:
        return ""
    if len(lines) > 1:
        raise ValueError(
            f"runtime.txt has {len(lines)} lines, but it can name only one version. {_FORMS}"
        )
    wanted = lines[0].strip("\"'` ")
    if python := _PYTHON.fullmatch(wanted):
        return _python(python["version"], wanted)
    if _ANY_PYTHON.fullmatch(wanted):
        return ""
    if r := _R.fullmatch(wanted):
        _check_date(r["date"])
        return "-".join(part for part in ("r", r["version"], r["date"]) if part)
    if r := _R_WITHOUT_DATE.fullmatch(wanted):
        version = r["version"] or "4.4"
        raise ValueError(
            f"runtime.txt says {_quoted(wanted)}, without the date as of which R's packages are "
            f"installed. Write a date after the version, such as r-{version}-2025-03-01."
        )
    if other := _OTHER.fullmatch(wanted):
        raise ValueError(
            f"runtime.txt says {_quoted(wanted)}, but it can only name Python or R, and "
            f"{other['name']} would not be installed. Remove the file; for Julia, write a "
            "Project.toml, for other languages an environment.yml."
        )
    raise ValueError(f"runtime.txt says {_quoted(wanted)}, which is not a version. {_FORMS}")


def _python(version: str, wanted: str) -> str:
    if int(version.partition(".")[0]) not in _PYTHONS:
        raise ValueError(
            f"runtime.txt says {_quoted(wanted)}, which is no version of Python. {_FORMS}"
        )
    return f"python-{'.'.join(version.split('.')[:2])}"


def _check_date(date: str) -> None:
    try:
        dt.date.fromisoformat(date)
    except ValueError:
        raise ValueError(
            f"runtime.txt has the date {date}, which is in no calendar. {_FORMS}"
        ) from None


def _quoted(text: str) -> str:
    short = text if len(text) <= _MAX_QUOTED else f"{text[: _MAX_QUOTED - 1]}…"
    shown = "".join(each if each.isprintable() else "\ufffd" for each in short)
    return f"“{shown}”"
