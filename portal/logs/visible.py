"""Characters that are not seen, written as what they are: a log says what stands in it.

An override of the direction turns a line round, a carriage return or an escape sequence of a
terminal paints over it, and a line break of another kind makes two of one. Names of files, branches
and people may have them in them, and whatever strangers send.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad"  # controls; tabs and line feeds are left
    "\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)


EMOJI = "\u200d\ufe0e\ufe0f"
"""Marks that say how an emoji is drawn: programs write many, and nothing hides behind these."""


def visible(text: str, kept: str = "") -> str:
    """Return the text with each such character as ``\\x1b`` or ``\\u202e``; tabs, line feeds and
    those that are ``kept`` stay."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] in kept else _escaped(found), text)


def one_line(text: str) -> str:
    """Return the same with ``\\n`` for each line feed, so that it stays one line."""
    return visible(text.rstrip("\n")).replace("\n", "\\n")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
