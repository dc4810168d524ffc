"""Results that a container leaves behind fit into the pod's status, whatever they contain."""

from __future__ import annotations

import json

import pytest
from bindery_builder import result
from bindery_builder.buildspec import BuildSpec
from bindery_builder.main import run
from bindery_builder.output import Output
from bindery_builder.result import MAX_BYTES, BuildFailed, bounded_json

ORDER = BuildSpec(url="https://example.org/a.git", commit="c" * 40, image="r.example/a:1")


def test_a_short_result_is_unchanged(tmp_path):
    result.write({"pack": "python", "resources": "gpu 1\n"}, tmp_path / "result")
    assert json.loads((tmp_path / "result").read_bytes()) == {
        "pack": "python",
        "resources": "gpu 1\n",
    }


@pytest.mark.parametrize("letter", ["x", "\u20ac", "\U0001f600", '"', "\n"])
def test_a_long_result_is_cut_and_ends_with_an_ellipsis(letter: str):
    raw = bounded_json({"code": "build.dockerfile", "message": letter * 10_000})
    assert len(raw) <= MAX_BYTES
    cut = json.loads(raw)
    assert cut["code"] == "build.dockerfile"
    assert cut["message"].endswith("…")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BuildFailed("build.fetch", "No."), "build.fetch"),
        (OSError(28, "No space left on device"), "build.disk-full"),
        (OSError(2, "No such file"), "build.internal"),
        (KeyError("x"), "build.internal"),
    ],
)
def test_every_exception_has_an_error_code(error: Exception, code: str, tmp_path):
    def stage(spec: BuildSpec, output: Output) -> dict[str, str]:
        raise error

    with (tmp_path / "log").open("wb") as log:
        assert run(stage, ORDER, Output(log, 10_000))["code"] == code
