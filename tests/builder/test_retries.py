"""A registry that is briefly unavailable does not end a build; a refusal does at once."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from bindery_builder import pull, retry
from bindery_builder.output import Output


@pytest.fixture
def output() -> Output:
    return Output(io.BytesIO(), 10_000)


def program(tmp_path: Path, says: str, times: int) -> list[str]:
    """Return the command of a program that fails this many times, and counts its runs."""
    script = f'echo x >> {tmp_path}/runs; [ "$(wc -l < {tmp_path}/runs)" -gt {times} ] && exit 0'
    return ["sh", "-c", f"{script}; echo {says!r}; exit 125"]


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text().splitlines())


def insist(words: list[str], output: Output, seconds: float = 30) -> bool:
    again = {"seconds": seconds, "pause": 0.01}
    return retry.run_with_retries(
        words, output, {}, should_retry=lambda: pull._is_transient(output), **again
    )


@pytest.mark.parametrize(
    "says",
    [
        "Error: initializing source docker://a/b:1: dial tcp 192.0.2.1:5000: i/o timeout",
        "Error: reading manifest 1 in a/b: received unexpected HTTP status code 503",
        "dial tcp 192.0.2.1:443: connect: connection refused",
        "Get https://a/v2/: net/http: TLS handshake timeout",
        "initializing source docker://a/b:1: can't talk to a V1 container registry",
    ],
)
def test_a_transient_registry_error_is_retried(tmp_path, output, says):
    assert insist(program(tmp_path, says, 2), output)
    assert runs(tmp_path) == 3


@pytest.mark.parametrize(
    "says",
    [
        "Error: reading manifest 1 in a/b: manifest unknown",
        "unauthorized: authentication required",
        "Error: dial tcp: lookup nowhere.example: no such host",
    ],
)
def test_a_permanent_registry_error_is_not_retried(tmp_path, output, says):
    assert not insist(program(tmp_path, says, 2), output)
    assert runs(tmp_path) == 1


def test_retries_end_after_the_time_limit(tmp_path, output):
    assert not insist(program(tmp_path, "i/o timeout", 9), output, seconds=0)
    assert runs(tmp_path) == 1
