"""An image is assembled from what `build` left and what `pull` kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from bindery_builder import assemble, export
from bindery_builder.buildspec import BuildSpec
from bindery_builder.result import BuildFailed

CONTENT = f"sha256:{'1' * 64}"


@pytest.fixture
def spec(tmp_path) -> BuildSpec:
    spec = BuildSpec("https://example.org/a.git", "c0ffee", "r/a:1")
    return dataclasses.replace(spec, work=tmp_path, trusted=tmp_path / "trusted")


def leave(spec: BuildSpec, layers: Any, contents: Any = (CONTENT,), blob: bytes = b"packed") -> str:
    """Write the files that `build` leaves; return the digest of the one layer."""
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    export.blob(spec.images, digest).parent.mkdir(parents=True)
    export.blob(spec.images, digest).write_bytes(blob)
    said = json.dumps({CONTENT: {"digest": digest}} if layers is None else layers)
    export.layers(spec.images).write_text(said)
    config = json.dumps({"rootfs": {"diff_ids": contents}})
    export.config(spec.images, export.FINAL).write_text(config)
    return digest


def put(spec: BuildSpec, **kept: str) -> dict[str, Any]:
    folder = spec.work / "put"
    folder.mkdir()
    assemble.Images(spec.images, {CONTENT: kept} if kept else {}).write_image(export.FINAL, folder)
    return dict(json.loads((folder / "manifest.json").read_text()))


def test_the_manifest_lists_the_configuration_and_the_layers(spec):
    digest = leave(spec, None)
    manifest = put(spec)
    config = export.config(spec.images, export.FINAL).read_bytes()
    name = hashlib.sha256(config).hexdigest()
    assert manifest["config"]["digest"] == f"sha256:{name}"
    assert (spec.work / "put" / name).read_bytes() == config
    assert [layer["digest"] for layer in manifest["layers"]] == [digest]
    assert manifest["layers"][0]["size"] == len(b"packed")
    assert (spec.work / "put" / digest.partition(":")[2]).read_bytes() == b"packed"


def test_a_cached_base_layer_is_used_unchanged(spec):
    leave(spec, {})
    digest = f"sha256:{'b' * 64}"
    (spec.work / "kept").write_text("as it came")
    assert put(spec, digest=digest, path=str(spec.work / "kept"))["layers"][0]["digest"] == digest
    assert (spec.work / "put" / ("b" * 64)).read_text() == "as it came"


def test_a_layer_may_occur_twice(spec):
    digest = leave(spec, None, contents=[CONTENT, CONTENT])
    assert [layer["digest"] for layer in put(spec)["layers"]] == [digest, digest]


def test_an_image_may_have_no_layers(spec):
    leave(spec, {}, contents=None)
    assert put(spec)["layers"] == []


@pytest.mark.parametrize(
    "layers",
    [
        {},
        [],
        "x",
        {CONTENT: None},
        {CONTENT: {"digest": None}},
        {CONTENT: {"digest": "sha256:../../../../run/bindery/push/config.json"}},
        {CONTENT: {"digest": f"sha256:{'a' * 64}/.."}},
        {CONTENT: {"digest": f"sha256:{'a' * 64}"}},
    ],
)
def test_a_malformed_layer_fails_the_push(layers: Any, spec):
    leave(spec, layers)
    with pytest.raises(BuildFailed, match="not produce a valid image"):
        put(spec)


@pytest.mark.parametrize("contents", [7, [CONTENT, {}], [f"{CONTENT}0"]])
def test_a_configuration_without_valid_layers_fails_the_push(contents: Any, spec):
    leave(spec, None, contents=contents)
    with pytest.raises(BuildFailed, match="not produce a valid image"):
        put(spec)


@pytest.mark.parametrize("config", ["", "[]", "{}", "[" * 100_000, " " * 5_000_000])
def test_a_malformed_configuration_fails_the_push(config: str, spec):
    leave(spec, None)
    export.config(spec.images, export.FINAL).write_text(config)
    with pytest.raises(BuildFailed, match="not produce a valid image"):
        put(spec)


def test_a_missing_image_fails_the_push(spec):
    with pytest.raises(BuildFailed, match="not produce a valid image"):
        put(spec)
