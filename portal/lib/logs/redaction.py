"""Keep secrets and invisible characters out of the log.

Characters that are not seen, written as what they are: a log says what stands in it.

An override of the direction turns a line round, a carriage return or an escape sequence of a
terminal paints over it, and a line break of another kind makes two of one. Names of files,
branches and people may have them in them, and whatever strangers send.

What never stands in a log, whoever logs it: keys, tokens, tickets, cookies, passwords.

Our own code logs none of them. Libraries and tracebacks may: an error tells of an address with a
password in it, or of a header. So every text is looked through before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

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


HIDDEN = "…"
SHORTEST = 8
"""Characters of a secret that is looked for as it is; a shorter one would be found in any text."""

_PRIVATE_KEY = re.compile(
    # To its end, or to the end of what is there of it.
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SHAPES = (
    # The portal's tokens, and whatever a header names as one.
    r"\bbdy_[\w-]+",
    r"(?i:(?<=\bbearer )|(?<=\btoken )|(?<=\bbasic ))[\w.~+/=-]{20,}",
    # Cookies, to the end of the line: a header may be told of in any way.
    r"(?i:(?<=\bcookie)|(?<=\bauthorization))['\"]?\s*[:=,][^\r\n]+",
    # The query of an address: tickets, codes of sign-in, tokens of notebooks.
    r"(?<=[\w/])\?[\w.%-]+=[^\s\"'<>]*",
    r"(?<=://)[^\s/@\"'<>]+(?=@)",
    # What `secrets.token_urlsafe(32)` makes, and a signature. Names of projects have no capitals,
    # fingerprints of keys are public.
    r"(?<![\w/-])(?<!SHA256:)(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])",
)


def masking(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """What replaces everything secret in a text by “…”: by its shape, and ``secrets`` as such."""
    known = sorted((re.escape(one) for one in secrets if len(one) >= SHORTEST), reverse=True)
    shapes = re.compile("|".join([*known, *_SHAPES]))
    # A key first: its lines belong together, and another shape would take the first one away.
    return lambda text: shapes.sub(HIDDEN, _PRIVATE_KEY.sub(HIDDEN, text))
