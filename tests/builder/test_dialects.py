"""Options that a buildah does not know: left out, or refused before anything is pulled."""

from __future__ import annotations

import platform

import pytest
from bindery_builder import instructions, plainparser
from bindery_builder.dialect import Dialect, of_version
from bindery_builder.dockerfile import read
from bindery_builder.result import BuildFailed

OLD = of_version("buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)")
HAS_BUILDKIT = platform.machine() == "x86_64"
MIDDLE = of_version("buildah version 1.39.3 (image-spec 1.1.0, runtime-spec 1.2.0)")
READERS = [plainparser.read, *([None] if HAS_BUILDKIT else [])]


def given(line: str, dialect: Dialect, reader: instructions.Reader | None = None) -> str:
    """Return the first line that buildah gets for a line."""
    return (
        read(f"FROM a AS one\nFROM a\n{line}\n", reader=reader, dialect=dialect)
        .text({})
        .split("\n")[3]
    )


@pytest.mark.parametrize(
    ("said", "here_documents", "link"),
    [
        ("buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)", False, False),
        ("buildah version 1.33.0", True, False),
        ("buildah version 1.39.3 (image-spec 1.1.0)", True, False),
        ("buildah version 1.41.0-dev", True, True),
        ("buildah version 2.0.0", True, True),
        ("", False, False),
    ],
)
def test_a_version_tells_what_buildah_reads(said: str, here_documents: bool, link: bool):
    assert of_version(said) == Dialect(here_documents, link)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY --link a b", "COPY a b"),
        ("COPY --link=true --chown=1 a b", "COPY --chown=1 a b"),
        ("COPY --from=One --link a b", "COPY --from=one a b"),
        ('COPY --link ["a b", "/c"]', 'COPY ["a b", "/c"]'),
        ("ADD --link a b", "ADD a b"),
        ("COPY --chmod=0755 a b", "COPY --chmod=0755 a b"),
        ("COPY --chmod=$M a b", "COPY --chmod=$M a b"),
        ("HEALTHCHECK --interval=5s CMD x", "HEALTHCHECK --interval=5s CMD x"),
        ("RUN --mount=type=cache,target=/x y", "RUN --mount=type=cache,target=/x y"),
        ("RUN x --link", "RUN x --link"),
    ],
)
def test_what_changes_nothing_is_left_out(line: str, expected: str, reader):
    assert given(line, OLD, reader) == expected


MIDDLE_OPTIONS = [
    "COPY --exclude=x a b", "ADD --checksum=sha256:0 a b", "RUN --network=none x",
    "HEALTHCHECK --start-interval=5s CMD x",
]  # fmt: skip
NEW_OPTIONS = [
    "COPY --parents a b", "ADD --keep-git-dir=true a b", "ADD --unpack=true a b",
    "RUN --security=insecure x", "COPY --chmod=u=rwX a b",
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("line", [*MIDDLE_OPTIONS, *NEW_OPTIONS])
def test_what_an_old_buildah_does_not_know_is_refused(line: str, reader):
    with pytest.raises(BuildFailed, match=r"Line 3 of the Dockerfile .*(newer buildah|octal)"):
        given(line, OLD, reader)
    assert given(line, Dialect(), reader) == line


@pytest.mark.parametrize("line", NEW_OPTIONS)
def test_what_the_buildah_of_debian_13_does_not_know_is_refused(line: str):
    with pytest.raises(BuildFailed, match=r"newer buildah|octal"):
        given(line, MIDDLE)


@pytest.mark.parametrize("line", MIDDLE_OPTIONS)
def test_what_the_buildah_of_debian_13_knows_is_kept(line: str):
    assert given(line, MIDDLE) == line
    assert given("COPY --link a b", MIDDLE) == "COPY a b"


@pytest.mark.skipif(not HAS_BUILDKIT, reason="only BuildKit's parser reads them")
def test_options_beside_a_here_document_follow_the_same_rules():
    copied = "COPY --from=bindery-documents --chmod=755 3/E /f"
    assert given("COPY --link --chmod=755 <<E /f\nx\nE", OLD) == copied
    with pytest.raises(BuildFailed, match="octal"):
        given("COPY --chmod=u+x <<E /f\nx\nE", OLD)
    with pytest.raises(BuildFailed, match="newer buildah"):
        given("RUN --network=none <<E\nx\nE", OLD)
