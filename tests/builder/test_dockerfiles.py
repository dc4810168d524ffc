"""What is read from a Dockerfile, and what is added to it."""

from __future__ import annotations

import pytest
from bindery_builder import bases
from bindery_builder.dockerfile import arguments, images, is_reference, with_arguments
from bindery_builder.order import Order
from bindery_builder.result import Failed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM debian:bookworm\nRUN x\n", ["debian:bookworm"]),
        ("from debian\nrun x", ["debian"]),
        ("  FROM   debian  \n", ["debian"]),
        ("FROM --platform=linux/amd64 debian AS one\n", ["debian"]),
        ("FROM debian AS One\nFROM one\nFROM ONE as two\n", ["debian"]),
        ("FROM scratch\nCOPY a /a\n", []),
        ("FROM a\nFROM b\nFROM a\n", ["a", "b"]),
        ("FROM \\\n# a comment\n\n  debian \\\n  AS one\nFROM one", ["debian"]),
        ("# syntax=docker/dockerfile:1\n# escape=`\nFROM `\ndebian\nRUN a \\\nFROM b\n",
         ["debian", "b"]),
        ("#\n# escape=`\nFROM \\\ndebian\n", ["debian"]),
        ("ARG V=12\nFROM debian:$V\n", ["debian:12"]),
        ("ARG V='12' W=x\nFROM debian:${V}-$W\n", ["debian:12-x"]),
        ('ARG V="12"\nARG W=$V.1\nFROM debian:$W\n', ["debian:12.1"]),
        ("ARG V\nFROM debian:${V:-9}\nFROM debian${V:+no}\n", ["debian:9", "debian"]),
        ("ARG V\nFROM $V\n", [""]),
        ("FROM a\nARG V=1\nFROM b:$V\n", ["a", "b:"]),
        ("FROM a AS x\nFROM b\nCOPY --from=x /a /b\nCOPY --from=0 /a /b\n", ["a", "b"]),
        ("FROM a\nCOPY --chown=1 --from=c:1 /a /b\nADD --from=d /a /b\n", ["a", "c:1", "d"]),
        ("FROM a\nRUN --mount=type=bind,from=e,target=/e x --from=f\n", ["a", "e"]),
        ("FROM a\nRUN echo \\\n# FROM no\n  FROM b\n", ["a"]),
        ("RUN x\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_the_images_that_a_build_needs_are_found(text: str, found: list[str]):
    assert images(text) == found


def test_variables_are_declared_after_every_from():
    text = "ARG V=1\nFROM debian:$V AS one\nRUN x \\\n  FROM y\nfrom \\\n# comment\n  debian\nRUN z"
    assert with_arguments(text, {"PIP_CERT": "/etc/a b.crt", "X": ""}) == (
        "ARG V=1\n"
        "FROM debian:$V AS one\n"
        "ARG PIP_CERT='/etc/a b.crt'\n"
        "ARG X=''\n"
        "RUN x \\\n  FROM y\n"
        "from \\\n# comment\n  debian\n"
        "ARG PIP_CERT='/etc/a b.crt'\n"
        "ARG X=''\n"
        "RUN z\n"
    )


def test_without_variables_a_dockerfile_stays_as_it_is():
    text = "FROM a\n\nRUN \\\n  b\n"
    assert with_arguments(text, {}) == text


@pytest.mark.parametrize(("name", "value"), [("A B", "x"), ("A", "x\ny"), ("A", "it's"), ("", "")])
def test_a_variable_that_would_be_more_than_one_is_refused(name: str, value: str):
    with pytest.raises(ValueError, match="cannot be given"):
        with_arguments("FROM a\n", {name: value})


def test_arguments_that_are_declared_are_found():
    assert arguments("ARG V=1\nFROM a\narg NB_USER NB_UID=1000\nRUN ARG x\n") == {
        "V",
        "NB_USER",
        "NB_UID",
    }


@pytest.mark.parametrize(
    "name",
    ["debian", "debian:12", "a/b", "r.example:5000/a/b-c:1", "R.example/a", f"a@sha256:{'0' * 64}"],
)
def test_names_of_images_are_taken(name: str):
    assert is_reference(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "oci:/etc",
        "dir:/run",
        "docker://debian",
        "../x",
        "-x",
        "a b",
        "A",
        "debian:",
        "a\n",
        "$A",
    ],
)
def test_what_is_no_name_of_an_image_is_not(name: str):
    assert not is_reference(name)


def order(prefix: str) -> Order:
    return Order(url="", commit="", image="", own_prefix=prefix, python_image="r:5000/own/base:1")


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("r:5000/own/", "r:5000/own/ada:1"),
        ("r:5000/own/", "R:5000/own/ada"),
        ("docker.io/own/", "own/ada"),
        ("own/", "index.docker.io/own/ada"),
        ("", "dir:/run"),
    ],
)
def test_an_image_that_is_somebodys_is_refused(prefix: str, name: str):
    with pytest.raises(Failed) as failed:
        bases.check(name, order(prefix))
    assert failed.value.code == "build.base-image"


@pytest.mark.parametrize("name", ["debian", "r:5000/other/x", "r:5000/own/base:1", "own/ada"])
def test_any_other_image_is_taken(name: str):
    bases.check(name, order("r:5000/own/"))
