"""Why an image could not be pulled, and whether trying again can help."""

from __future__ import annotations

import pytest
from bindery_builder import pull_failure

IMAGE = "docker.io/timeout/timeout:timeout"
PINGING = (
    f'initializing source docker://{IMAGE}: pinging container registry docker.io: Get "https:'
    '//docker.io/v2/": dial tcp'
)
READING = (
    f"initializing source docker://{IMAGE}: reading manifest timeout in docker.io/timeout/timeout"
)
CHOOSING = (
    f"choosing an image from manifest list docker://{IMAGE}: no image found in image index for"
)
BLOBS = f"copying system image from manifest list: copying blobs of {IMAGE}"


@pytest.mark.parametrize(
    ("line", "transient", "words"),
    [
        (f"{PINGING} 192.0.2.1:443: i/o timeout", True, "(i/o timeout). Try again later."),
        (f"{PINGING} 192.0.2.1:443: connect: connection refused", True, "(connection refused)"),
        (f"{PINGING}: lookup docker.io on 10.0.0.10:53: server misbehaving", True, "not answer"),
        (f"{PINGING}: lookup docker.io on 10.0.0.10:53: no such host", False, "no registry of"),
        (f"{PINGING}: tls: failed to verify certificate: x509: unknown authority", False, "trust"),
        (f"{PINGING}: http: server gave HTTP response to HTTPS client", False, "not trust"),
        (f"{READING}: manifest unknown", False, "it does not exist. Check its name and its tag."),
        (f"{READING}: name unknown: repository not found", False, "it does not exist. Check"),
        (f"{READING}: unauthorized: authentication required", False, "may not read it"),
        (f"{READING}: denied: requested access to the resource is denied", False, "may not read"),
        (f"{READING}: StatusCode: 503, busy", True, "does not answer properly"),
        (f"{READING}: received unexpected HTTP status: 429 Too Many Requests", True, "properly"),
        (f"{READING}: toomanyrequests: You have reached your pull rate limit: x", False, "no more"),
        (f'{CHOOSING} architecture "amd64", variant "", OS "linux"', False, "kind of processor"),
        (f"{BLOBS}: unexpected EOF", True, "(unexpected EOF)"),
        ("connection reset by peer", True, "(connection reset by peer)"),
        ("something new", False, "something new. Check its name"),
        ("", False, "Check its name"),
    ],
)
def test_the_reason_decides_what_is_said_and_whether_to_try_again(line, transient, words):
    assert pull_failure.is_transient(line, IMAGE) == transient
    sentence = pull_failure.sentence(line, IMAGE)
    assert sentence.startswith(f"The image {IMAGE} could not be pulled: ")
    assert words in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("image", ["r.example/denied/eof@sha256:" + "0" * 64, "x509.example/a:1"])
def test_words_in_the_name_of_an_image_are_no_reason(image: str):
    line = f"initializing source docker://{image}: reading manifest in {image}: manifest unknown"
    assert "it does not exist. Check" in pull_failure.sentence(line, image)
    assert not pull_failure.is_transient(line, image)
