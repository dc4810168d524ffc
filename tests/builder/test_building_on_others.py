"""Attacks: a Dockerfile that would build on what the portal has built for somebody else.

Each is tried with both readers; none may get a plan. A port of buildah's own parser, a third one,
shows what buildah makes of the same texts.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from bindery_builder import instructions, plainparser, plan
from bindery_builder.buildspec import BuildSpec
from bindery_builder.dockerfile import read
from bindery_builder.here_documents import CONTEXT
from bindery_builder.result import BuildFailed
from hypothesis import given
from hypothesis import strategies as st

from tests.builder import olderbuilder

OWN = "r.example:5000/own/"
EVIL = f"{OWN}ada:built"
READERS = [plainparser.read, *([instructions._buildkit] if platform.machine() == "x86_64" else [])]

ATTACKS = {
    "a tab": "FROM\t{evil}\n",
    "a tab, in a later stage": "FROM debian\nRUN x\nFROM\t{evil}\n",
    "a form feed": "FROM debian\nFROM\f{evil}\n",
    "a vertical tab": "FROM debian\nFROM\v{evil}\n",
    "small letters": "from {evil}\n",
    "blanks in front": "FROM debian\n \t FROM {evil}\n",
    "a byte order mark": "\ufeffFROM {evil}\n",
    "in two lines": "FROM \\\n{evil}\n",
    "in two lines with a comment": "FROM debian\nFROM \\\n# x\n\n  {evil}\n",
    "in the middle of a word": "FR\\\nOM {evil}\n",
    "blanks after the escape": "FROM \\ \t\n{evil}\n",
    "line ends of Windows": "FROM debian\r\nFROM {evil}\r\n",
    "two carriage returns": "FROM debian\nRUN x \\\r\r\nFROM {evil}\n",
    "a doubled escape": "FROM debian\nRUN x \\\\\nFROM {evil}\n",
    "an escape that only some honour":
        "# syntax=x\n# escape=`\nFROM debian\nRUN x `\nFROM {evil}\n",
    "an escape after a blank line": "\n# escape=`\nFROM debian\nRUN x `\nFROM {evil}\n",
    "an escape with more after it": "# escape=`x\nFROM debian\nRUN x `\nFROM {evil}\n",
    "a here-document": "FROM debian\nRUN <<EOF\nFROM {evil}\nEOF\n",
    "a here-document of COPY": "FROM debian\nCOPY <<EOF /x\nFROM {evil}\nEOF\n",
    "NUL": "FROM debian\n\0\nFROM {evil}\n",
    "capitals in the host": "FROM R.EXAMPLE:5000/own/ada:built\n",
    "another tag": "FROM {own}ada\n",
    "a digest": "FROM {own}ada@sha256:" + "0" * 64 + "\n",
    "a tag and a digest": "FROM {evil}@sha256:" + "0" * 64 + "\n",
    "a transport": "FROM docker://{evil}\n",
    "the builder's storage": "FROM containers-storage:{evil}\n",
    "a folder": "FROM dir:/run/bindery/pull\n",
    "an archive": "FROM docker-archive:/trusted/x:{evil}\n",
    "a layout": "FROM oci:/build/x\n",
    "an id": "FROM " + "0" * 64 + "\n",
    "a port with a nought in front": "FROM r.example:05000/own/ada:built\n",
    "a dot after the host": "FROM r.example.:5000/own/ada:built\n",
    "a path with dots": "FROM r.example:5000/other/../own/ada:built\n",
    "the cache of a branch": "FROM {own}cache-0123:step-001\n",
    "a platform": "FROM --platform=linux {evil}\n",
    "a platform in quotes": "FROM '--platform=linux' {evil}\n",
    "quotes": 'FROM "{evil}"\n',
    "quotes in the middle": "FROM r.example:5000/o'w'n/ada\n",
    "an escape in the name": "FROM r.example:5000/o\\wn/ada\n",
    "an argument": "ARG X={evil}\nFROM $X\n",
    "an argument in quotes": "ARG X='{evil}'\nFROM ${{X}}\n",
    "an argument in pieces": "ARG A=r.example:5000 B=own\nARG C=$A/$B\nFROM ${{C}}/ada:built\n",
    "an argument after a tab": "ARG\tX={evil}\nFROM\t$X\n",
    "a value for want of another": "ARG X\nFROM ${{X:-{evil}}}\n",
    "a value for want of another, unset": "FROM ${{NONE-{evil}}}\n",
    "a value instead of another": "ARG X=1\nFROM ${{X:+{evil}}}\n",
    "an argument that the build is given": "ARG NB_USER\nFROM r.example:5000/own/$NB_USER\n",
    "an argument that the build is given, with a default":
        "ARG NB_USER=../other\nFROM r.example:5000/own/$NB_USER\n",
    "an argument that everybody has": "FROM r.example:5000/own/x-$TARGETARCH\n",
    "a form of variables that few know": "ARG X=x{evil}\nFROM ${{X#x}}\n",
    "COPY": "FROM debian\nCOPY --from={evil} /a /b\n",
    "COPY after a tab": "FROM debian\nCOPY\t--from={evil}\t/a /b\n",
    "COPY with other options": "FROM debian\nCOPY --link --chown=1 --from={evil} /a /b\n",
    "COPY in quotes": "FROM debian\nCOPY \"--from={evil}\" /a /b\n",
    "COPY with quotes inside": "FROM debian\nCOPY --from=\"{evil}\" /a /b\n",
    "COPY with an escape": "FROM debian\nCOPY --fr\\om={evil} /a /b\n",
    "COPY in two lines": "FROM debian\nCOPY --from=\\\n{evil} /a /b\n",
    "COPY twice": "FROM debian\nCOPY --from=debian --from={evil} /a /b\n",
    "COPY with a variable": "FROM debian\nARG X={evil}\nCOPY --from=$X /a /b\n",
    "COPY with a variable for the option": "FROM debian\nARG X=from={evil}\nCOPY --$X /a /b\n",
    "COPY in a list": "FROM debian\nCOPY --from={evil} [\"/a\", \"/b\"]\n",
    "ADD": "FROM debian\nADD --from={evil} /a /b\n",
    "RUN": "FROM debian\nRUN --mount=type=bind,from={evil},target=/x cp -r /x /y\n",
    "RUN in capitals": "FROM debian\nRUN --mount=type=bind,FROM={evil},target=/x cp -r /x /y\n",
    "RUN with a second mount":
        "FROM debian\nRUN --mount=type=tmpfs,target=/t --mount=from={evil},target=/x ls\n",
    "RUN of a cache": "FROM debian\nRUN --mount=type=cache,from={evil},target=/x ls\n",
    "RUN in quotes": "FROM debian\nRUN --mount='type=bind,\"from={evil}\",target=/x' ls\n",
    "RUN with a variable": "FROM debian\nENV X={evil}\nRUN --mount=from=$X,target=/x ls\n",
    "RUN with a variable for a field":
        "FROM debian\nENV X=from={evil}\nRUN --mount=$X,target=/x ls\n",
    "RUN with a variable for a kind":
        "FROM debian\nENV X=bind,from={evil}\nRUN --mount=type=$X,target=/x ls\n",
    "ONBUILD": "FROM debian AS x\nONBUILD COPY --from={evil} /a /b\nFROM x\n",
    "ONBUILD after a tab": "FROM debian\nONBUILD\tRUN --mount=from={evil},target=/x ls\n",
    "ONBUILD FROM": "FROM debian\nONBUILD FROM {evil}\n",
    "a frontend": "# syntax={evil}\nFROM debian\n",
    "a frontend, spaced": "#  SyNtAx = {evil}\nFROM debian\n",
    "a stage that has the name": "FROM debian AS {evil}\nFROM {evil}\n",
    "a stage that nearly has the name":
        "FROM debian AS R.example:5000/own/ada\nFROM r.example:5000/own/ada\n",
    "a stage that comes later": "FROM debian\nCOPY --from=r.example:5000/own/ada /a /b\n"
        "FROM debian AS x\n",
}  # fmt: skip


def spec(work: Path = Path("/")) -> BuildSpec:
    return BuildSpec(url="", commit="", image="", own_prefix=OWN, work=work)


SWALLOWED = {
    "two carriage returns",
    "an escape that only some honour",
    "an escape after a blank line",
    "a here-document",
    "a here-document of COPY",
    "COPY in quotes",
}
"""Attacks that can be read so that the image is only mentioned in another instruction's text."""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_dockerfile_cannot_build_on_another_persons_image(attack: str, reader, monkeypatch):
    monkeypatch.setattr(instructions, "default_reader", lambda: reader)
    text = ATTACKS[attack].format(evil=EVIL, own=OWN)
    found, code = None, ""
    try:
        found = plan._parse_dockerfile(text, spec())
    except BuildFailed as failed:
        code = failed.code
    assert code in ({"build.base-image", "build.dockerfile"} if found is None else {""})
    if found is not None:
        assert attack in SWALLOWED
        named = set(olderbuilder.images(found.text({}))) - {CONTEXT}
        assert named == {"docker.io/library/debian:latest"}


LINES = [
    "FROM debian", "FROM\tdebian AS x", "from x", "FROM r.example:5000/own/ada", "FROM \\",
    "  FROM evil/x", "RUN x \\", "RUN x `", "RUN x\\\\", "# comment", "   # comment \\", "", " ",
    "# escape=`", "# syntax=y", "COPY --from=x a b", "COPY --from=evil/y a b", "EOF", "RUN <<EOF",
    "RUN --mount=from=x,target=/x ls", "ARG V=1", "FROM a:$V", "\tx y", "ENV a=b \\", "\ufeff",
    "RUN x \\\r", "LABEL a='b", "\u00a0FROM evil/z", "ONBUILD RUN x", "x\u2028FROM evil/w",
]  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=8), st.sampled_from(READERS))
def test_buildah_gets_no_unchecked_image(lines, reader):
    try:
        found = read("\n".join(lines), reader=reader)
    except BuildFailed:
        return
    text = found.text({"PIP_CERT": "/x"})
    if found.has_here_documents:
        return  # no buildah of that age gets it
    stages = {f"{number}" for number in range(9)} | {"x", "scratch"}
    assert set(olderbuilder.images(text)) - stages == set(found.images)
    again = read(text, reader=reader)
    assert (again.images, again.text({})) == (found.images, text)


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_buildkit_agrees_with_every_text_that_the_plain_parser_accepts(lines):
    text = "\n".join(lines)
    try:
        plain, other = read(text, reader=plainparser.read), read(text)
    except BuildFailed:
        return
    assert other.text({}) == plain.text({})
