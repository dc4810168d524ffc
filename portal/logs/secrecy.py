"""What never stands in a log, whoever logs it: keys, tokens, tickets, cookies, passwords.

Our own code logs none of them. Libraries and tracebacks may: an error tells of an address with a
password in it, or of a header. So every text is looked through before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

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
