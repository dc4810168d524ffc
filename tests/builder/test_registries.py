"""How the builder connects to registries."""

from __future__ import annotations

import pytest
from bindery_builder import registries
from bindery_builder.buildspec import BuildSpec


@pytest.mark.parametrize(
    ("source", "target", "plain"),
    [
        ("docker://registry:5000/base:1", "dir:/trusted/base-0", ["--src-tls-verify=false"]),
        ("dir:/tmp/image", "docker://registry:5000/a/b:built", ["--dest-tls-verify=false"]),
        ("docker://registry:5001/base:1", "dir:/trusted/base-0", []),
        ("docker://registry:5000.example.org/base", "dir:/trusted/base-0", []),
    ],
)
def test_plain_http_is_used_only_for_registries_listed_as_insecure(
    source: str, target: str, plain: list[str]
) -> None:
    spec = BuildSpec(url="", commit="", image="", insecure=("registry:5000",))
    words = registries.copy_command(spec, "pull", source, target)
    assert [word for word in words if "tls" in word] == plain
    assert words[-3:] == ["--", source, target]
