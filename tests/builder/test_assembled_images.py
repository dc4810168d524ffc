"""An image is assembled from what `build` left and what `pull` kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from bindery_builder import assemble, export
from bindery_builder.order import BuildSpec
from bindery_builder.result import BuildFailed

CONTENT = f"sha256:{'1' * 64}"


@pytest.fixture
def order(tmp_path) -> BuildSpec:
    order = BuildSpec("https://example.org/a.git", "c0ffee", "r/a:1")
    return dataclasses.replace(order, work=tmp_path, trusted=tmp_path / "trusted")


def leave(
    order: BuildSpec, layers: Any, contents: Any = (CONTENT,), blob: bytes = b"packed"
) -> str:
    """Write the files that `build` leaves; return the digest of the one layer."""
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    export.blob(order.images, digest).parent.mkdir(parents=True)
    export.blob(order.images, digest).write_bytes(blob)
    said = json.dumps({CONTENT: {"digest": digest}} if layers is None else layers)
    export.layers(order.images).write_text(said)
    config = json.dumps({"rootfs": {"diff_ids": contents}})
    export.config(order.images, export.FINAL).write_text(config)
    return digest


def put(order: BuildSpec, **kept: str) -> dict[str, Any]:
    folder = order.work / "put"
    folder.mkdir()
    assemble.Images(order.images, {CONTENT: kept} if kept else {}).write_image(export.FINAL, folder)
    return dict(json.loads((folder / "manifest.json").read_text()))


def test_the_manifest_names_the_configuration_and_the_layers(order):
    digest = leave(order, None)
    manifest = put(order)
    config = export.config(order.images, export.FINAL).read_bytes()
    name = hashlib.sha256(config).hexdigest()
    assert manifest["config"]["digest"] == f"sha256:{name}"
    assert (order.work / "put" / name).read_bytes() == config
    assert [layer["digest"] for layer in manifest["layers"]] == [digest]
    assert manifest["layers"][0]["size"] == len(b"packed")
    assert (order.work / "put" / digest.partition(":")[2]).read_bytes() == b"packed"


def test_a_layer_that_was_kept_is_taken_as_it_came(order):
    leave(order, {})
    digest = f"sha256:{'b' * 64}"
    (order.work / "kept").write_text("as it came")
    assert put(order, digest=digest, path=str(order.work / "kept"))["layers"][0]["digest"] == digest
    assert (order.work / "put" / ("b" * 64)).read_text() == "as it came"


def test_a_layer_may_be_there_twice(order):
    digest = leave(order, None, contents=[CONTENT, CONTENT])
    assert [layer["digest"] for layer in put(order)["layers"]] == [digest, digest]


def test_an_image_may_have_no_layers(order):
    leave(order, {}, contents=None)
    assert put(order)["layers"] == []


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
def test_a_layer_that_is_none_ends_the_push(layers: Any, order):
    leave(order, layers)
    with pytest.raises(BuildFailed, match="not an image"):
        put(order)


@pytest.mark.parametrize("contents", [7, [CONTENT, {}], [f"{CONTENT}0"]])
def test_a_configuration_that_names_no_layers_ends_the_push(contents: Any, order):
    leave(order, None, contents=contents)
    with pytest.raises(BuildFailed, match="not an image"):
        put(order)


@pytest.mark.parametrize("config", ["", "[]", "{}", "[" * 100_000, " " * 5_000_000])
def test_a_configuration_that_is_none_ends_the_push(config: str, order):
    leave(order, None)
    export.config(order.images, export.FINAL).write_text(config)
    with pytest.raises(BuildFailed, match="not an image"):
        put(order)


def test_nothing_built_ends_the_push(order):
    with pytest.raises(BuildFailed, match="not an image"):
        put(order)
