"""A whole portal keeps working, whatever is in the files of its keepers, in the answers of a git
server, and in the repository's names: after each, a good launch passes.
"""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.githttp import GitServer
from tests.marks import in_long_tests
from tests.stack import Api, Stack, eventually
from tests.strategies import ANYTHING

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("each launch is followed by a good one", seconds=300),
]
NUMBER = count(1)
AMOUNTS = [
    pytest.param(3, id="some"),
    pytest.param(
        200,
        id="many",
        marks=[pytest.mark.long, pytest.mark.slow("hundreds of launches", seconds=7200)],
    ),
]
CONTENT = st.binary(min_size=1, max_size=400) | ANYTHING.map(
    lambda value: json.dumps(value).encode("utf-8", "replace")
)
FILES = st.sampled_from(["status.json", "job.json", "log"])
SLOW = {"postBuild": "#!/bin/bash\necho begun\nsleep 300\n"}
GOOD_SECONDS = 60.0


def passes(api: Api, url: str) -> None:
    """Launch something that is built already, as somebody whose other launch met nonsense."""
    name = api.launch(url)
    api.until(name, "ready", within=GOOD_SECONDS)
    api.delete(name)


@pytest.fixture(scope="module")
def good(stack: Stack, git_server: GitServer) -> str:
    return git_server.repository("good/one", {"index.ipynb": "{}"})


def run_folder(stack: Stack, before: set[str]) -> Path:
    """Return the folder of the keeper that has just begun."""
    run = stack.data / "run"
    found = eventually(lambda: set(os.listdir(run)) - before, what="a keeper")
    return run / max(found)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_good_launch_passes_after_any_bytes_in_a_keepers_file(
    amount: int, stack: Stack, git: GitServer, ada: Api, bob: Api, good: str
) -> None:
    run = stack.data / "run"
    run.mkdir(exist_ok=True)

    @hypothesis.settings(max_examples=amount, phases=[hypothesis.Phase.generate])
    @given(FILES, CONTENT)
    def each(file: str, content: bytes) -> None:
        before = set(os.listdir(run))
        url = git.repository(f"slow/{next(NUMBER)}", SLOW, executable=["postBuild"])
        name = ada.launch(url)
        (run_folder(stack, before) / file).write_bytes(content)
        passes(bob, good)
        ada.delete(name)

    each()


def packet(line: bytes) -> bytes:
    return b"%04x%s" % (len(line) + 4, line)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_good_launch_passes_after_any_answer_of_a_git_server(
    amount: int, git: GitServer, ada: Api, bob: Api, good: str
) -> None:
    ref = packet(b"1" * 40 + b" refs/heads/\xff\x85\xe2\x80\xa8 x\n")
    service = packet(b"# service=git-upload-pack\n") + b"0000"

    @hypothesis.settings(max_examples=amount, phases=[hypothesis.Phase.generate])
    @given(st.sampled_from([b"", service, service + ref]), st.binary(max_size=400))
    def each(start: bytes, answer: bytes) -> None:
        name = ada.launch(git.mumble(f"mumbling/{next(NUMBER)}", start + answer))
        passes(bob, good)
        assert ada.project(name)["state"] in {"waiting", "failed"}  # it may be tried again
        ada.delete(name)

    each()


@pytest.mark.parametrize(
    "name",
    [
        "a\u2028b\u0085c\nd.txt".encode(),
        *in_long_tests(
            b"caf\xe9.txt",  # no text in UTF-8
            "photo\u202egnp.exe".encode(),  # turned round
            b"a\x1b[31mred",
            b"two\nlines.txt",
        ),
    ],
)
def test_repository_with_a_strange_name_is_launched_and_another_after_it(
    name: bytes, git: GitServer, ada: Api, bob: Api, good: str
) -> None:
    text = name.decode("utf-8", "surrogateescape")
    url = git.repository(f"strange/{next(NUMBER)}", {text: "x", "index.ipynb": "{}"})
    launched = ada.launch(url)
    ada.until(launched, "ready")
    ada.delete(launched)
    passes(bob, good)


def test_output_of_any_bytes_is_kept_as_lines_and_another_launch_passes(
    git: GitServer, ada: Api, bob: Api, good: str
) -> None:
    random = Random(7)
    noise = bytes(random.randrange(256) for _byte in range(20_000))
    files: dict[str, Any] = {
        "postBuild": "#!/bin/bash\ncat noise\necho; echo the end\n",
        "noise": noise.decode("latin-1"),
    }
    name = ada.launch(git.repository("noise/one", files, executable=["postBuild"]))
    ada.until(name, "ready")
    lines = ada.log(name)
    assert "the end" in lines
    assert not any("\u2028" in line or "\x85" in line or "\x0b" in line for line in lines)
    ada.delete(name)
    passes(bob, good)
