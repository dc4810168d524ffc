"""Dockerfiles: what the builder reads from one, and the text that it passes to buildah."""

from __future__ import annotations

import platform

import pytest
from bindery_builder import instructions, native, plainparser
from bindery_builder.dockerfile import Dockerfile, read
from bindery_builder.result import BuildFailed

HAS_BUILDKIT = platform.machine() == "x86_64"
READERS = {"the plain one": plainparser.read, **({"BuildKit's": None} if HAS_BUILDKIT else {})}
HUB = "docker.io/library"
DEBIAN = f"{HUB}/debian:latest"
A, B, C = (f"{HUB}/{name}:latest" for name in "abc")


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> instructions.Reader | None:
    return READERS[request.param]


def refusal(text: str, reader: instructions.Reader | None = None) -> str:
    with pytest.raises(BuildFailed) as failed:
        read(text, reader=reader)
    assert failed.value.message.endswith(".")
    return failed.value.code


def test_buildkits_parser_is_used_where_available():
    assert (instructions.default_reader() is not plainparser.read) == HAS_BUILDKIT


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM debian:bookworm\nRUN x\n", [f"{HUB}/debian:bookworm"]),
        ("from debian\nrun x", [DEBIAN]),
        ("  FROM   debian  \n", [DEBIAN]),
        ("FROM\tdebian\tas\tone\n\tFROM\tone\n", [DEBIAN]),
        ("FROM\tr.example/x\nRUN x\n \t FROM\v\fr.example/y\n",
         ["r.example/x:latest", "r.example/y:latest"]),
        ("FROM --platform=$BUILDPLATFORM debian AS one\n", [DEBIAN]),
        ("FROM --platform=linux debian\n", [DEBIAN]),
        ("FROM debian AS One\nFROM one\nFROM ONE as two\n", [DEBIAN]),
        ("FROM scratch\nCOPY a /a\n", []),
        ("FROM a\nFROM b\nFROM a\n", [A, B]),
        ("FROM \\\n# a comment\n\n  debian \\\n  AS one\nFROM one", [DEBIAN]),
        ("FR\\\nOM deb\\\nian\n", [DEBIAN]),
        ("FROM debian\n\n\\\n", [DEBIAN]),
        ("FROM debian\nRUN x \\\n", [DEBIAN]),
        ("FROM debian \\\r\n  AS one\r\nFROM one\r\n", [DEBIAN]),
        ("\ufeffFROM debian\n", [DEBIAN]),
        ("FROM debian\nRUN x\u2028FROM b\nRUN x\x85FROM b\nRUN x\x1eFROM b\n", [DEBIAN]),
        ("# syntax=docker/dockerfile:1\n# escape=`\nFROM `\ndebian\nRUN a \\\nFROM b\n",
         [DEBIAN, B]),
        ("# escape=`\n# syntax=x\nFROM `\ndebian\n", [DEBIAN]),
        ("# check=skip=all\n# escape=`\nFROM `\ndebian\n", [DEBIAN]),
        ("#\n# escape=`\nFROM \\\ndebian\n", [DEBIAN]),
        ("# other=x\n# escape=`\nFROM \\\ndebian\n", [DEBIAN]),
        ("ARG V=12\nFROM debian:$V\n", [f"{HUB}/debian:12"]),
        ("ARG V='12' W=x\nFROM debian:${V}-$W\n", [f"{HUB}/debian:12-x"]),
        ('ARG V="12"\nARG W=$V.1\nFROM "debian":$W\n', [f"{HUB}/debian:12.1"]),
        ("ARG V\nFROM debian:${V:-9}\nFROM debian${V:+no}\n", [f"{HUB}/debian:9", DEBIAN]),
        ("ARG V=\nFROM a${V-no}:${V:-9}\nFROM b${W+no}${V:-${W:-x}}\n",
         [f"{HUB}/a:9", f"{HUB}/bx:latest"]),
        ("ARG V=1\nFROM a:${V:?missing}\n", [f"{HUB}/a:1"]),
        ("ARG V=1\nARG V\nFROM a:$V\n", [f"{HUB}/a:1"]),
        ("ARG NB_USER=x\nFROM a:$NB_USER\n", [f"{HUB}/a:jovyan"]),
        ("FROM a:$TARGETARCH\n", [f"{HUB}/a:{native.ARCHITECTURE}"]),
        ("FROM a AS x\nFROM b\nCOPY --from=x /a /b\nCOPY --from=0 /a /b\n", [A, B]),
        ("FROM a AS x\nFROM b\nCOPY --from=X /a /b\n", [A, B]),
        ("FROM a\nCOPY --chown=1 --from=c:1 /a /b\n", [A, f"{HUB}/c:1"]),
        ("FROM a\nADD\t--from=c\t/a /b\n", [A, C]),
        ("FROM a\nCOPY --from=c [\"/a\", \"/b\"]\n", [A, C]),
        ("FROM a\nRUN --mount=type=bind,from=c,target=/e x --from=f\n", [A, C]),
        ("FROM a\nRUN --mount=FROM=c,target=/e --mount=type=cache,target=$HOME x\n", [A, C]),
        ("FROM a\nRUN echo \\\n# FROM no\n  FROM b\n", [A]),
        ("FROM a\nCOPY --from=a /a /b\nCOPY --from=c /a /b\n", [A, C]),
        ("FROM b AS a\nCOPY --from=a /a /b\n", [B, A]),
    ],
)  # fmt: skip
def test_the_images_that_a_build_needs_are_found(text: str, found: list[str], reader):
    assert list(read(text, {"NB_USER": "jovyan"}, reader).images) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# syntax=r.example/own/x:1\nFROM scratch\n", ["r.example/own/x:1"]),
        ("FROM a\nONBUILD COPY --from=r.example/own/x /a /b\n", ["r.example/own/x:latest"]),
        ("FROM a\nONBUILD\tRUN --mount=type=bind,from=x/y z\n", ["docker.io/x/y:latest"]),
        ("# syntax=!\nFROM a\nONBUILD COPY --from=$X /a /b\n", []),
    ],
)
def test_images_named_in_syntax_and_onbuild_lines_are_found(text: str, found: list[str], reader):
    assert list(read(text, reader=reader).mentioned) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RUN x\n",
        "RUN x\nFROM a\n",
        "FROM a b\n",
        "FROM a AS\n",
        "FROM a AS b c\n",
        "FROM a AS r.example/own/x\n",
        "FROM a AS scratch\n",
        "FROM --platform=linux/s390x a\n",
        "FROM --platform=linux --platform=linux a\n",
        "FROM --other=x a\n",
        "FROM ${A#x}\n",
        "ARG A=\nFROM a:${A:?missing}\n",
        "FROM a:${A?missing}\n",
        "FROM ${A\n",
        "FROM 'a\n",
        "FROM $1\n",
        f"FROM {'${A:-' * 50}x{'}' * 50}\n",
        "FROM a\nFORM b\n",
        "FROM\u00a0a\n",
        "FROM a\n\u3000FROM\u3000b\n",
        "FROM a\nRUN x\\\\\nFROM b\n",
        "FROM a\nCOPY --from=$X /a /b\n",
        "FROM a\nCOPY --$X /a /b\n",
        "FROM a\nCOPY --from=5 /a /b\n",
        "FROM a\nCOPY --from=0 /a /b\n",
        "FROM a\nRUN --mount=type=bind,$X y\n",
        "FROM a\nRUN --mount=type=$X y\n",
        "FROM a\nRUN --mount=type=bind,from=$X,target=/x y\n",
        "FROM a\nONBUILD FROM b\n",
        "FROM a\nONBUILD ONBUILD RUN x\n",
        "# escape=x\nFROM a\n",
        "# escape=`\n# escape=`\nFROM a\n",
        "FROM a\n\0FROM b\n",
        f"FROM a\nRUN {'x' * 1_000_000}\n",
    ],
)
def test_an_ambiguous_or_invalid_dockerfile_is_refused(text: str, reader):
    assert refusal(text, reader) == "build.dockerfile"


@pytest.mark.parametrize(
    "name",
    ["$V", "''", "Debian", "docker://debian", "dir:/run", "oci:x", "sha256:" + "0" * 64, "-x"],
)
def test_a_base_image_outside_a_registry_is_refused(name: str, reader):
    assert refusal(f"FROM {name}\n", reader) == "build.base-image"
    if not set(name) & set("$'"):
        assert refusal(f"FROM a\nCOPY --from={name} /a /b\n", reader) == "build.base-image"


ONLY_BUILDKIT = {
    "FROM a\nRUN <<EOF\nFROM b\nEOF\nFROM c\n": [A, C],
    "FROM a\nRUN cat <<-'E' >x\n\tFROM b\n\tE\n": [A],
    "FROM a\nCOPY <<E --from=b /a\nFROM b\nE\n": [A],
    "FROM a\nCOPY --fr\\om=c /a /b\n": [A, C],
    'FROM a\nCOPY --from="c" /a /b\n': [A, C],
    "ARG V=\\1\nFROM a:$V\n": [f"{HUB}/a:1"],
}


@pytest.mark.parametrize("text", ONLY_BUILDKIT)
def test_syntax_that_only_buildkit_reads_is_refused_without_it(text: str):
    assert refusal(text, plainparser.read) == "build.dockerfile"
    if HAS_BUILDKIT:
        assert list(read(text).images) == ONLY_BUILDKIT[text]


def given(text: str, values: dict[str, str], reader=None) -> str:
    return read(text, reader=reader).text(values)


def test_buildah_gets_one_instruction_per_line_and_full_image_names(reader):
    text = (
        "# syntax=docker/dockerfile:1\nARG V=1\n\nFROM debian:$V AS One\n# no\nRUN x \\\n  # no\n"
        "\n  FROM y\nfrom \\\n  one\ncopy --link --from=ONE a b\n"
        'RUN --mount=from=busybox,target=/x ["a", "b"]\nLABEL a=b\t\\\n  c=d'
    )
    assert given(text, {}, reader) == (
        "# escape=\\\n"
        "ARG V=1\n"
        f"FROM {HUB}/debian:1 AS one\n"
        "RUN x   FROM y\n"
        "FROM one\n"
        "COPY --link --from=one a b\n"
        f'RUN --mount=from={HUB}/busybox:latest,target=/x ["a", "b"]\n'
        "LABEL a=b\t  c=d\n"
    )


def test_variables_are_declared_after_every_from(reader):
    text = "ARG V=1\nFROM debian:$V AS one\nRUN x\nfrom \\\n# comment\n  debian\nRUN z"
    assert given(text, {"PIP_CERT": "/etc/a b.crt", "X": ""}, reader) == (
        "# escape=\\\n"
        "ARG V=1\n"
        f"FROM {HUB}/debian:1 AS one\n"
        "ARG PIP_CERT='/etc/a b.crt'\n"
        "ARG X=''\n"
        "RUN x\n"
        f"FROM {DEBIAN}\n"
        "ARG PIP_CERT='/etc/a b.crt'\n"
        "ARG X=''\n"
        "RUN z\n"
    )


def test_the_escape_character_is_preserved(reader):
    assert given("# escape=`\nFROM a\nRUN x `\n  c:\\\n", {}, reader) == (
        f"# escape=`\nFROM {A}\nRUN x   c:\\\n"
    )


@pytest.mark.skipif(not HAS_BUILDKIT, reason="only BuildKit's parser reads here-documents")
def test_a_here_document_is_left_unchanged():
    start = "FROM a\nRUN --mount=from=b,target=/b <<EOF bash\n"
    text = f"{start}set -e\n# no comment\n\nx \\\nEOF\nRUN y\n"
    found = read(text)
    assert found.has_here_documents
    assert found.text({}) == f"# escape=\\\n{text}".replace("FROM a", f"FROM {A}").replace(
        "from=b", f"from={B}"
    )
    assert not read("FROM a\nRUN cat <<< x\n").has_here_documents


def test_a_line_that_is_too_long_for_buildah_is_folded(reader):
    words = " ".join(["package"] * 9_000)
    folded = given(f"FROM a\nRUN {words}\n".replace("e p", "e \\\np", 4_000), {}, reader)
    assert max(map(len, folded.split("\n"))) < 64 * 1024
    assert folded.replace("\\\n", "").endswith(f"\nRUN {words}\n")
    assert refusal(f"FROM a\nRUN {'- ' * 30_000}\n", plainparser.read) == "build.dockerfile"


@pytest.mark.parametrize(("name", "value"), [("A B", "x"), ("A", "x\ny"), ("A", "it's"), ("", "")])
def test_a_variable_that_could_inject_instructions_is_refused(name: str, value: str):
    with pytest.raises(ValueError, match="cannot be passed"):
        given("FROM a\n", {name: value})


def test_declared_build_arguments_are_found(reader):
    found: Dockerfile = read("ARG V=1\nFROM a\narg NB_USER NB_UID=1000\nRUN ARG x\n", reader=reader)
    assert found.arguments == {"V", "NB_USER", "NB_UID"}


SHELL_FORM = [
    "ENTRYPOINT python app.py",
    "ENTRYPOINT exec python app.py",
    "entrypoint [python, app.py]",
    "ENTRYPOINT ['python', 'app.py']",
    'ENTRYPOINT ["sh", "-c", "python app.py"]',
    'ENTRYPOINT ["/bin/bash", "-lc", "python app.py"]',
    'SHELL ["/bin/bash", "-c"]\nENTRYPOINT python app.py',
    'ENTRYPOINT ["/x"]\nENTRYPOINT y',
]


@pytest.mark.parametrize("lines", SHELL_FORM)
def test_an_entry_point_that_ignores_its_arguments_is_refused(lines: str, reader):
    assert refusal(f"FROM a\n{lines}\n", reader) == "build.dockerfile"
    assert refusal(f"FROM a AS One\n{lines}\nFROM one\nRUN x\n", reader) == "build.dockerfile"


@pytest.mark.parametrize("lines", SHELL_FORM)
def test_an_entry_point_of_another_stage_does_not_matter(lines: str, reader):
    read(f"FROM a AS one\n{lines}\nFROM b\nCOPY --from=one /x /x\n", reader=reader)
    read(f"FROM a AS one\n{lines}\nFROM one\nENTRYPOINT []\n", reader=reader)


@pytest.mark.parametrize(
    "line",
    [
        "ENTRYPOINT",
        "ENTRYPOINT []",
        'ENTRYPOINT ["/x.sh"]',
        'ENTRYPOINT ["tini", "--", "/x.sh"]',
        'ENTRYPOINT ["sh", "-c", "exec \\"$@\\"", "sh"]',
        'ENTRYPOINT ["sh", "-c", "exec \\"$0\\" \\"$@\\""]',
        'ENTRYPOINT exec "$0" "$@"',
        "CMD python app.py",
        "ONBUILD ENTRYPOINT python app.py",
    ],
)
def test_an_entry_point_that_may_run_its_arguments_is_accepted(line: str, reader):
    read(f"FROM a\n{line}\n", reader=reader)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no FROM"),
        ("# nothing\n\n", "has no FROM"),
        ("FROM a # pinned\n", "a comment after an instruction needs a line of its own"),
        ("FROM Debian\n", "Names of images are in lower case."),
        ("FROM $REGISTRY/x\n", "'$REGISTRY/x', which is not the name of an image"),
        ("FROM $REGISTRY/x\n", "Its variables need a value, in an ARG above the first FROM."),
        ("FROM https://hub.docker.com/_/debian\n", "something other than a registry."),
    ],
)
def test_common_mistakes_get_a_sentence_of_their_own(text: str, words: str, reader):
    with pytest.raises(BuildFailed) as failed:
        read(text, reader=reader)
    assert words in failed.value.message


@pytest.mark.skipif(not HAS_BUILDKIT, reason="only BuildKit's parser reads here-documents")
def test_a_here_document_without_an_end_gets_a_sentence_of_its_own():
    with pytest.raises(BuildFailed, match="that ends a here-document"):
        read("FROM a\nRUN <<EOF\nx\n")
