"""Codes for what waits, and sentences about a project's files at a start, for both back ends.

The codes are for notebooks and builds that wait for something to be freed. Such a wait may be long:
`sessions.watch.timeouts` allows more time for it than for an ordinary start.

`files_report` turns a merge's report into sentences. The report comes from
`sessions.repofiles.merge` and may have been made where strangers' code runs: only numbers and text
are taken from it, and both are bounded. Pure functions.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessions.backends import FilesReport
from sessions.names import short_commit

NO_GPU = "spawn.no-gpu-free"
NO_ROOM = "spawn.no-room"
UNREACHABLE = "cluster.unreachable"
"""The back end did not answer; what was asked of it may have been done in part."""
VOLUME_GONE = "spawn.volume-gone"
"""The person's volume has to be made again."""
NO_ROOM_TO_BUILD = "build.no-room"
NO_SPACE = "build.no-space"
BUILD_LIMIT = "quota.builds"
QUEUED = frozenset({NO_GPU, NO_ROOM})


def time_limit(seconds: float) -> str:
    """Return a time limit as people say it: ``90 seconds``, ``2.5 minutes``."""
    if seconds < 120:
        return _("%(seconds).3g seconds") % {"seconds": seconds}
    return _("%(minutes).3g minutes") % {"minutes": seconds / 60}


MAX_NAMES = 10
"""Maximum number of files named; the rest are only counted."""
MAX_NAME_LENGTH = 120
"""Longest name shown, in characters."""
_COMMIT = 64
_MAX_REASON_LENGTH = 300
_MAX_BYTES = 2**63


def files_report(report: Mapping[str, Any], size: int | None = None) -> FilesReport:
    """Return a `FilesReport` with everything worth saying about a merge's report."""
    content = _mapping(report.get("content"))
    parts = [(report, " ".join(_sentences(report))), (content, " ".join(_content(content)))]
    news = [said for part, said in parts if said and not part.get("again")]
    said = " ".join(news or [said for _part, said in parts if said])
    is_repeated = not news and any(part.get("again") for part, _said in parts)
    has_content = content.get("state") in {"filled", "merged"}
    return FilesReport(said, size, is_repeated=is_repeated, has_content=has_content)


def printable(text: str) -> str:
    """Return untrusted text so that it can be stored and shown.

    Control characters, those that change the text's direction, and surrogates are replaced.
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in {"Cc", "Cf", "Cs"} else each
        for each in text
    )


def _sentences(report: Mapping[str, Any]) -> Iterator[str]:
    if report.get("state") == "merged":
        yield from _merged_sentences(report)
    if report.get("left"):
        yield _(
            "The disk is full, so changes from the repository were not merged; your files are "
            "unchanged. Free some space, then stop the notebook and start it again."
        )
    if room := _mapping(report.get("room")):
        sentence = _("The disk of this project has only %(free)s left. Largest here: %(names)s.")
        yield sentence % _room_values(room)
    if left := _number(report, "left_out"):
        sentence = ngettext(
            "One file of the repository could not be read, so it is missing: %(names)s.",
            "%(count)d files of the repository could not be read, so they are missing: %(names)s.",
            left,
        )
        names = [str(each) for each in _list(report, "left_out_names")]
        yield sentence % {"count": left, "names": _join_names(names, left)}


def _content(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what there is to say about the merge of a second repository into its ``folder``."""
    names = {
        "folder": printable(str(report.get("folder", "")))[:MAX_NAME_LENGTH],
        "commit": short_commit(printable(str(report.get("commit", "")))[:_COMMIT]),
        "why": printable(str(report.get("left", "")))[:_MAX_REASON_LENGTH],
    }
    if report.get("left"):
        yield _("The folder %(folder)s is as it was, because nothing new could be had: %(why)s") % (
            names
        )
    elif report.get("state") == "filled":
        yield _("The folder %(folder)s has the content’s commit %(commit)s.") % names
    elif report.get("state") == "merged":
        sentence = _(
            "The folder %(folder)s was updated to the content’s commit %(commit)s: %(what)s."
        )
        yield sentence % {**names, "what": _changes(report)}
        if count := _number(report, "conflicts"):
            yield _conflict_sentence(report, count)


def volume_sentence(room: Any) -> str:
    """Return what takes the room in a volume that is full or nearly full; "" if unknown.

    In ``room``, ``free`` has the bytes that are left, and ``largest`` pairs of name and bytes.
    """
    if not (known := _mapping(room)):
        return ""
    sentence = _("Your volume has only %(free)s left. Largest in it: %(names)s.")
    return sentence % _room_values(known)


def _room_values(room: Mapping[str, Any]) -> dict[str, str]:
    pairs = [each for each in _list(room, "largest") if isinstance(each, list) and len(each) == 2]
    names = [
        f"{printable(str(name))[:MAX_NAME_LENGTH]} ({filesizeformat(size)})"
        for name, size in pairs[:MAX_NAMES]
        if type(size) is int and 0 <= size < _MAX_BYTES
    ]
    return {"free": filesizeformat(_number(room, "free")), "names": ", ".join(names) or "?"}


def _changes(report: Mapping[str, Any]) -> str:
    """Return how many files a merge has changed, and how many it has not."""
    words = {
        "updated": _("%(count)d updated"),
        "added": _("%(count)d added"),
        "removed": _("%(count)d removed"),
        "kept": _("%(count)d kept as you changed them"),
    }
    counts = {each: _number(report, each) for each in words}
    parts = [words[each] % {"count": count} for each, count in counts.items() if count]
    return ", ".join(parts) or _("no changes needed")


def _merged_sentences(report: Mapping[str, Any]) -> Iterator[str]:
    sentence = _("Your files were updated to commit %(commit)s of the repository: %(what)s.")
    commit = short_commit(printable(str(report.get("commit", "")))[:_COMMIT])
    yield sentence % {"commit": commit, "what": _changes(report)}
    if count := _number(report, "conflicts"):
        yield _conflict_sentence(report, count)
    if report.get("git") == "keep":
        yield _("Your own commits are kept, and the repository's are in git as its remote branch.")


def _conflict_sentence(report: Mapping[str, Any], count: int) -> str:
    sentence = ngettext(
        "One file that you changed is as you left it, with the repository's version beside it: "
        "%(names)s.",
        "%(count)d files that you changed are as you left them, with the repository's versions "
        "beside them: %(names)s.",
        count,
    )
    pairs = [each for each in _list(report, "conflict_names") if isinstance(each, list) and each]
    names = [str(each[-1]) for each in pairs]
    return sentence % {"count": count, "names": _join_names(names, count)}


def _join_names(names: list[str], count: int) -> str:
    """Return the first names, and how many more there are."""
    listed = [printable(each)[:MAX_NAME_LENGTH] for each in names[:MAX_NAMES]]
    if (more := count - len(listed)) > 0:
        listed.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    return ", ".join(listed)


def _number(report: Mapping[str, Any], key: str) -> int:
    found = report.get(key)
    return found if type(found) is int and 0 < found < 10**12 else 0


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(report: Mapping[str, Any], key: str) -> list[Any]:
    found = report.get(key)
    return found if isinstance(found, list) else []
