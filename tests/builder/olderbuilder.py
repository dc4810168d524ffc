"""Split Dockerfiles as buildah up to 1.32 does; ported from openshift/imagebuilder 1.2.3.

That parser knows no here-documents, accepts a directive on the very first line only, and continues
a line whatever stands before the escape. Where it differs from BuildKit, a Dockerfile can mean one
thing to the checker and another to the builder.
"""

from __future__ import annotations

import re

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_ESCAPE = re.compile(r"#[ \t]*escape[ \t]*=[ \t]*(.).*", re.IGNORECASE)


def images(text: str) -> list[str]:
    """Return what follows each FROM, and each ``from=`` of an option."""
    found = []
    for line in _instructions(text):
        word, *rest = _BLANKS.split(line.strip(), maxsplit=1)
        words = _BLANKS.split(rest[0]) if rest else []
        if word.lower() == "from":
            found += [each for each in words if not each.startswith("--")][:1]
        for each in words:
            if not each.startswith("--"):
                break
            found += re.findall(r"(?:--|=|,)from=([^,]*)", each)
    return found


def _instructions(text: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    escape = "\\"
    if found := _ESCAPE.fullmatch(lines[0].lstrip()):
        escape = found[1]
    goes_on = re.compile(re.escape(escape) + r"[ \t]*$")
    whole: list[str] = []
    parts: list[str] | None = None
    for line in lines:
        bare = line if parts is not None else line.lstrip()
        if not bare.strip() or bare.lstrip().startswith("#"):
            continue
        parts = [*(parts or []), goes_on.sub("", bare)]
        if not goes_on.search(bare):
            whole.append("".join(parts))
            parts = None
    return [*whole, "".join(parts)] if parts else whole
