"""Keep secrets and invisible characters out of the log.

Invisible characters are written as escapes, so that a log says what it contains. A direction
override turns a line round, a carriage return or a terminal's escape sequence paints over it, and
other line separators split it in two. Names of files, branches and people may contain them, and so
may anything that strangers send.

Secrets are keys, tokens, tickets, cookies and passwords. Our own code logs none, but libraries and
tracebacks may: an error quotes an address with a password in it, or a header. So every text is
masked before it is written.
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
"""Characters that choose how an emoji is drawn: programs write many, and they hide nothing."""


def visible(text: str, kept: str = "") -> str:
    """Return the text with invisible characters escaped, such as ``\\x1b`` or ``\\u202e``.

    Tabs, line feeds and the characters in ``kept`` stay.
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in kept else _escaped(found), text)


def one_line(text: str) -> str:
    """Return the text on one line: like `visible`, with ``\\n`` for each line feed."""
    return visible(text.rstrip("\n")).replace("\n", "\\n")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


HIDDEN = "…"
SHORTEST = 8
"""Least length of a secret to search for literally; a shorter one would be found in any text."""

_PRIVATE_KEY = re.compile(
    # To the end of the key, or to the end of the text if it is cut off.
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SHAPES = (
    # The portal's tokens, and anything that a header calls a token.
    r"\bbdy_[\w-]+",
    r"(?i:(?<=\bbearer )|(?<=\btoken )|(?<=\bbasic ))[\w.~+/=-]{20,}",
    # Cookies, to the end of the line: a header may be quoted in any form.
    r"(?i:(?<=\bcookie)|(?<=\bauthorization))['\"]?\s*[:=,][^\r\n]+",
    # The query of an address: tickets, codes of sign-in, tokens of notebooks.
    r"(?<=[\w/])\?[\w.%-]+=[^\s\"'<>]*",
    r"(?<=://)[^\s/@\"'<>]+(?=@)",
    # Results of `secrets.token_urlsafe(32)`, and signatures. Project names have no capitals, and
    # key fingerprints are public.
    r"(?<![\w/-])(?<!SHA256:)(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])",
)


def masking(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """Return a function that replaces every secret in a text by “…”.

    It finds secrets by their shape, and those in ``secrets`` literally.
    """
    known = sorted((re.escape(one) for one in secrets if len(one) >= SHORTEST), reverse=True)
    shapes = re.compile("|".join([*known, *_SHAPES]))
    # Keys first: their lines belong together, and another pattern would take the first one away.
    return lambda text: shapes.sub(HIDDEN, _PRIVATE_KEY.sub(HIDDEN, text))
