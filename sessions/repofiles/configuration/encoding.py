"""Turn the bytes of a file that somebody wrote into text, whatever their editor saved it as."""

from __future__ import annotations

import codecs
import re

# That of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_DECLARED = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_DECLARABLE = ("utf-8", "iso8859", "cp125", "koi8", "mac-", "gb", "big5", "shift_jis", "euc")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\xad"))
_BLANKS = dict.fromkeys(map(ord, "\xa0\u1680\u202f\u205f\u3000"), " ") | dict.fromkeys(
    range(0x2000, 0x200B), " "
)
_SCRIPT_START = re.compile(rb"\s+(?=#!)")


class UndecodableText(ValueError):
    """Raised if the bytes are no text; ``line`` is the first line of which that is true."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is not text in UTF-8")
        self.line = line


def decode(content: bytes) -> str:
    """Return the text, with LF at the end of lines and without a byte order mark.

    The encoding is that of the byte order mark, else the one that a comment in the first two lines
    declares (PEP 263, as pip reads it), else UTF-8. Raises `UndecodableText`.
    """
    marked = _marked_encoding(content)
    try:
        text = content.decode(marked or _declared_encoding(content))
    except UnicodeDecodeError as error:
        before = b"" if marked in {"utf-16", "utf-32"} else content[: error.start]
        raise UndecodableText(before.count(b"\n") + 1) from None
    if "\0" in text:
        raise UndecodableText(text[: text.index("\0")].count("\n") + 1)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def without_invisible(text: str) -> str:
    """Return the text with usual blanks, and without the invisible characters of web pages."""
    return text.translate(_INVISIBLE | _BLANKS)


def is_plain(content: bytes) -> bool:
    """Return whether every tool reads these bytes like `decode`: UTF-8, no mark, usual line ends.

    A declared encoding counts as plain only if it is UTF-8.
    """
    if _marked_encoding(content) or _declared_encoding(content) != "utf-8":
        return False
    return b"\r" not in content.replace(b"\r\n", b"\n")


def plain_script(content: bytes) -> bytes:
    """Return a script as Linux starts it: no byte order mark, and LF at the end of lines.

    Other bytes stay as they are, because a script may hold any; so do programs that are no script.
    """
    if _marked_encoding(content):
        try:
            content = decode(content).encode()
        except UndecodableText:
            return content
    if b"\0" in content:
        return content
    content = content.replace(b"\r\n", b"\n")
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return _SCRIPT_START.sub(b"", content, count=1) if _SCRIPT_START.match(content) else content


def without_mark(content: bytes) -> bytes:
    """Return the bytes in UTF-8 if they have a byte order mark, else as they are.

    For files whose own format says which encoding they have.
    """
    try:
        return decode(content).encode() if _marked_encoding(content) else content
    except UndecodableText:
        return content


def _marked_encoding(content: bytes) -> str:
    return next((name for mark, name in _MARKS if content.startswith(mark)), "")


def _declared_encoding(content: bytes) -> str:
    for line in content.split(b"\n", 2)[:2]:
        if found := _DECLARED.match(line):
            try:
                name = codecs.lookup(found[1].decode("ascii", "replace")).name
            except LookupError:
                continue
            if name.startswith(_DECLARABLE):
                return "utf-8" if name == "utf-8-sig" else name
    return "utf-8"
