"""Under which uids people's folders lie from before: ``homes/.uids``, which travels with them.

A portal that is root gives each person a uid of their own, ``PORTAL_SANDBOX_UID_BASE`` and the
number of their row; as an ordinary user it has one uid for all. Either may change. What is noted
here, where nobody but the portal writes, proves that a folder of that uid is this person's.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

FILE = ".uids"


@dataclass(frozen=True)
class Given:
    """``bases``: what was counted from. ``own``: uids of the portal itself, which had all."""

    bases: Sequence[int] = ()
    own: Sequence[int] = ()


def note(homes: Path, *, base: int | None = None, own: int | None = None) -> None:
    """Keep it that people's folders lie under these uids, too."""
    known = given(homes)
    after = replace(known, bases=_with(known.bases, base), own=_with(known.own, own))
    if after != known:
        _write(homes / FILE, json.dumps(asdict(after)))


def given(homes: Path) -> Given:
    """Return what was noted; nothing where there is no note that can be read."""
    try:
        said = json.loads((homes / FILE).read_text())
        return Given(tuple(map(int, said["bases"])), tuple(map(int, said["own"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Given()


def before(homes: Path, owner_id: int) -> frozenset[int]:
    """Return the uids under which this person's folders may lie."""
    known = given(homes)
    return frozenset([*(base + owner_id for base in known.bases), *known.own])


def _with(known: Sequence[int], uid: int | None) -> Sequence[int]:
    return known if uid is None or uid in known else (*known, uid)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{FILE}-{uuid.uuid4().hex[:8]}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
