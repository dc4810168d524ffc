"""Text in every encoding and with every line end that editors write."""

from __future__ import annotations

import pytest

from sessions.repofiles.configuration.encoding import (
    UndecodableText,
    decode,
    is_plain,
    plain_script,
    without_mark,
)

TEXT = "numpy\n# Größe\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        b"\xff\xfe" + TEXT.replace("\n", "\r\n").encode("utf-16-le"),  # what PowerShell's > writes
    ],
)
def test_a_text_reads_the_same_in_each_encoding(content: bytes):
    assert decode(content) == TEXT


@pytest.mark.parametrize("name", ["latin-1", "iso-8859-15", "cp1252", "utf8"])
def test_a_declared_encoding_is_followed_as_pip_follows_it(name: str):
    content = f"# -*- coding: {name} -*-\n# Größe".encode(name)
    assert decode(content).endswith("# Größe")
    assert is_plain(content) == (name == "utf8")


@pytest.mark.parametrize("name", ["rot13", "unicode_escape", "punycode", "idna", "nonsense", "hex"])
def test_other_declared_encodings_are_not_followed(name: str):
    assert decode(f"# coding: {name}\nx\\n".encode()) == f"# coding: {name}\nx\\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a\nb\n# Gr\xf6\xdfe\n", 3),
        (b"\x89PNG\r\n", 1),
        (b"a\n\0", 2),
        ("a\nb".encode("utf-16-le"), 1),
        (b"\xff\xfea", 1),
        (b"\xed\xa0\x80", 1),
    ],
)
def test_what_is_no_text_names_its_first_line(content: bytes, line: int):
    with pytest.raises(UndecodableText) as caught:
        decode(content)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("content", "plain"),
    [
        (b"#!/bin/bash\r\nls\r\n", b"#!/bin/bash\nls\n"),
        (b"\xef\xbb\xbf#!/bin/bash\nls\n", b"#!/bin/bash\nls\n"),
        (b"\xef\xbb\xbf#!/bin/bash\r\nls\r\n", b"#!/bin/bash\nls\n"),
        ("#!/bin/sh\r\nls\r\n".encode("utf-16"), b"#!/bin/sh\nls\n"),
        (b"#!/bin/sh\rls\r", b"#!/bin/sh\nls\n"),
        (b"\n\n #!/bin/sh\nls\n", b"#!/bin/sh\nls\n"),
        (b"ls\r\n", b"ls\n"),
        (b"#!/bin/sh\nprintf 'a\rb'\n", b"#!/bin/sh\nprintf 'a\rb'\n"),
        (b"#!/bin/sh\n# Gr\xf6\xdfe\n", b"#!/bin/sh\n# Gr\xf6\xdfe\n"),
        (b"\x7fELF\0\r\n", b"\x7fELF\0\r\n"),
        (b"", b""),
    ],
)
def test_a_script_becomes_one_that_linux_starts(content: bytes, plain: bytes):
    assert plain_script(content) == plain
    assert plain_script(plain) == plain


def test_a_file_with_rules_of_its_own_loses_only_its_mark():
    assert without_mark("x".encode("utf-16")) == b"x"
    assert without_mark(b"# coding: latin-1\r\n\xf6") == b"# coding: latin-1\r\n\xf6"
    assert without_mark(b"\xff\xfex") == b"\xff\xfex"
