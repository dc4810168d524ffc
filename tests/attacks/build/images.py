"""Dockerfiles that name another person's image: in a later stage, as a source of COPY or of a
mount, by parts, and in every spelling that the builder would understand.

Each is read as the `plan` stage of a build reads it. On a cluster some are launched as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bindery_builder import plan
from bindery_builder.buildspec import BuildSpec
from bindery_builder.result import BuildFailed

from tests.attacks.attempt import ON_A_CLUSTER, Attempt, Verdict
from tests.attacks.build.repository import Repository

KIND = "base images"
PREFIX = "registry.example.org:5000/portal"
OTHERS = f"{PREFIX}/eves-image"
ORDER = BuildSpec(url="https://example.org/x", commit="a" * 40, image=f"{PREFIX}/mine",
              own_prefix=f"{PREFIX}/")  # fmt: skip
CODES = frozenset({"build.base-image", "build.dockerfile"})
_FIRST = "FROM debian:bookworm AS first\n"
DOCKERFILES: dict[str, str] = {
    "in the first stage": "FROM {image}\n",
    "in a later stage": _FIRST + "FROM {image}\n",
    "behind a tab": _FIRST + "FROM\t{image}\n",
    "behind a tab in a later stage with a name": _FIRST + "FROM\t{image}\tAS\tx\n",
    "behind a form feed": _FIRST + "FROM\f{image}\n",
    "behind a vertical tab": _FIRST + "FROM\v{image}\n",
    "in small letters": _FIRST + "from {image}\n",
    "behind a continued line": _FIRST + "FROM \\\n  {image}\n",
    "behind a comment in a continued line": _FIRST + "FROM \\\n# a comment\n  {image}\n",
    "behind an empty line in a continued line": _FIRST + "FROM \\\n\n  {image}\n",
    "in the middle of a word": _FIRST + "FR\\\nOM {image}\n",
    "behind another escape": "# escape=`\n" + _FIRST + "FROM `\n  {image}\n",
    "behind a byte order mark": "\ufeff" + _FIRST + "FROM {image}\n",
    "behind a byte order mark in the first line": "\ufeffFROM {image}\n",
    "with carriage returns": _FIRST.replace("\n", "\r\n") + "FROM {image}\r\n",
    "behind U+2028": _FIRST + "RUN echo \u2028FROM x\nFROM {image}\n",
    "behind a here-document": _FIRST + "RUN <<EOF\nFROM debian\nEOF\nFROM {image}\n",
    "behind a here-document of two": _FIRST + "RUN <<A <<B\nx\nA\ny\nB\nFROM {image}\n",
    "behind what only looks like a here-document": _FIRST
    + "RUN echo '<<EOF'\nFROM {image}\nRUN echo EOF\n",
    "behind a here-document with a quoted end": _FIRST + "RUN <<'E F'\nx\nE F\nFROM {image}\n",
    "behind a here-document with tabs": _FIRST + "RUN <<-EOF\n\tx\n\tEOF\nFROM {image}\n",
    "with a platform": _FIRST + "FROM --platform=linux/amd64 {image}\n",
    "with a platform of a variable": _FIRST + "FROM --platform=$BUILDPLATFORM {image}\n",
    "by COPY": _FIRST + "COPY --from={image} /home /home\n",
    "by COPY with another flag before": _FIRST + "COPY --chown=1000 --from={image} /home /home\n",
    "by COPY behind a tab": _FIRST + "COPY\t--from={image}\t/home\t/home\n",
    "by COPY with quotes": _FIRST + 'COPY --from="{image}" /home /home\n',
    "by ADD": _FIRST + "ADD --from={image} /home /home\n",
    "by a mount": _FIRST + "RUN --mount=type=bind,from={image},target=/x cp -r /x /y\n",
    "by a mount in another order": _FIRST
    + "RUN --mount=from={image},target=/x,type=bind cp -r /x /y\n",
    "by a mount with blanks": _FIRST
    + "RUN --mount=type=bind,target=/x,from={image} --network=none cp -r /x /y\n",
    "by a second mount": _FIRST
    + "RUN --mount=type=tmpfs,target=/t --mount=from={image},target=/x cp -r /x /y\n",
    "by a mount with quotes": _FIRST
    + 'RUN --mount=type=bind,"from={image}",target=/x cp -r /x /y\n',
    "by a mount in capitals": _FIRST + "RUN --mount=type=bind,FROM={image},target=/x cp -r /x /y\n",
    "by a mount of a cache": _FIRST + "RUN --mount=type=cache,from={image},target=/x cp -r /x /y\n",
    "by an argument": "ARG I={image}\n" + _FIRST + "FROM $I\n",
    "by an argument in braces": "ARG I={image}\n" + _FIRST + "FROM ${I}\n",
    "by an argument with quotes": 'ARG I="{image}"\n' + _FIRST + "FROM ${I}\n",
    "by an argument with an escape": "ARG I={image}\n" + _FIRST + "FROM $\\\n{I}\n",
    "by a default": _FIRST + "FROM ${NONE:-{image}}\n",
    "by a default without a colon": _FIRST + "FROM ${NONE-{image}}\n",
    "by an alternative": "ARG I=1\n" + _FIRST + "FROM ${I:+{image}}\n",
    "by parts of arguments": "ARG A={host}\nARG B={path}\n" + _FIRST + "FROM $A/$B\n",
    "by an argument of an argument": "ARG A={host}\nARG B=$A/{path}\n" + _FIRST + "FROM $B\n",
    "by a part taken off": "ARG I=xx{image}\n" + _FIRST + "FROM ${I#xx}\n",
    "by a part taken off at the end": "ARG I={image}yy\n" + _FIRST + "FROM ${I%yy}\n",
    "by a part exchanged": "ARG I={host}/portal/nobodys\n"
    + _FIRST
    + "FROM ${I/nobodys/eves-image}\n",
    "by arguments in one line": "ARG A=1 I={image}\n" + _FIRST + "FROM $I\n",
    "by an argument that COPY uses": _FIRST + "ARG I={image}\nCOPY --from=$I /home /home\n",
    "by an argument that a mount uses": "ARG I={image}\n"
    + _FIRST
    + "ARG I\nRUN --mount=from=$I,target=/x x\n",
    "by the image of the syntax": "# syntax={image}\n" + _FIRST,
    "by ONBUILD": _FIRST + "ONBUILD COPY --from={image} /home /home\n",
    "under a stage's name that is another's": "FROM debian AS {image}\nFROM {image}:built\n",
}
SPELLINGS = {
    "in capitals": "REGISTRY.Example.ORG:5000/portal/eves-image",
    "with a tag": f"{OTHERS}:built",
    "with a digest": f"{OTHERS}@sha256:" + "a" * 64,
    "with a tag and a digest": f"{OTHERS}:built@sha256:" + "a" * 64,
    "with a dot behind the host": "registry.example.org.:5000/portal/eves-image",
    "with a path that goes back": "registry.example.org:5000/other/../portal/eves-image",
    "with two slashes": "registry.example.org:5000//portal/eves-image",
    "as docker://": f"docker://{OTHERS}",
    "as containers-storage:": f"containers-storage:{OTHERS}",
    "as docker-daemon:": f"docker-daemon:{OTHERS}:built",
    "as oci:": "oci:/build/image",
    "as dir:": "dir:/build/image",
    "as docker-archive:": "docker-archive:/build/x.tar",
    "with https": f"https://{OTHERS}",
    "as the cache of another": f"{PREFIX}/cache-0123456789abcdef0123456789abcdef",
    "as the machine's own": "localhost/eves-image",
    "with the port of http": "registry.example.org:05000/portal/eves-image",
}


@dataclass(frozen=True)
class Read(Attempt):
    """A Dockerfile that the plan of a build must refuse; with ``fine``, one that it must accept."""

    text: str
    fine: bool = field(default=False, kw_only=True)

    def tried(self) -> Verdict:
        found = refusal(self.text)
        if self.fine:
            return Verdict("held" if not found else "broken", found or "taken")
        return Verdict("held" if found else self.severity, found or f"taken: {self.text!r}")


def refusal(text: str) -> str:
    """Return why a build of this Dockerfile is refused before anything is pulled, or ""."""
    try:
        plan._parse_dockerfile(text, ORDER)
    except BuildFailed as failure:
        return f"{failure.code}: {failure}"[:200] if failure.code in CODES else ""
    return ""


def _named(text: str, image: str = OTHERS) -> str:
    host, _, path = image.partition("/")
    for word, value in (("{image}", image), ("{host}", host), ("{path}", path)):
        text = text.replace(word, value)
    return text


FINE = {
    "a public image": "FROM debian:bookworm\n",
    "a stage by its name": "FROM debian AS One\nFROM one\nCOPY --from=ONE /a /b\n",
    "a stage by its number": "FROM debian\nFROM debian\nCOPY --from=0 /a /b\n",
    "a path that looks like it": "FROM registry.example.org:5000/portal2/image\n",
}
READ = (
    *(Read(KIND, f"name it {how}", _named(text)) for how, text in DOCKERFILES.items()),
    *(
        Read(KIND, f"spell it {how}", _named(DOCKERFILES["in a later stage"], image))
        for how, image in SPELLINGS.items()
    ),
    *(Read(KIND, f"name {what}", text, fine=True, control=True) for what, text in FINE.items()),
)
LAUNCHED = tuple(
    Repository(KIND, f"launch one that names it {how}",
               {"Dockerfile": _named(DOCKERFILES[how], "{registry}/eves-image:built")}, CODES,
               backends=ON_A_CLUSTER)
    for how in ("behind a tab", "by COPY", "by parts of arguments")
)  # fmt: skip
