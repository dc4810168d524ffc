"""Layers of base images are kept as they came, and only those that buildah itself has unpacked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from bindery_builder import base_layers
from bindery_builder.buildspec import BuildSpec

DOCKER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI = "application/vnd.oci.image.layer.v1.tar"


def sha(letter: str) -> str:
    return f"sha256:{letter * 64}"


@pytest.fixture
def spec(tmp_path) -> BuildSpec:
    (tmp_path / "work/storage/overlay-layers").mkdir(parents=True)
    (tmp_path / "trusted").mkdir()
    spec = BuildSpec("https://example.org/a.git", "c0ffee", "r/a:1")
    return dataclasses.replace(spec, work=tmp_path / "work", trusted=tmp_path / "trusted")


def unpacks(spec: BuildSpec, pairs: dict[str, str]) -> None:
    layers = [{"compressed-diff-digest": k, "diff-digest": v} for k, v in pairs.items()]
    (spec.work / "storage/overlay-layers/layers.json").write_text(json.dumps(layers))


def pulls(spec: BuildSpec, layers: dict[str, str]) -> Path:
    folder = base_layers.base_folder(spec, 0)
    folder.mkdir()
    said = [{"digest": digest, "mediaType": kind, "size": 1} for digest, kind in layers.items()]
    (folder / "manifest.json").write_text(json.dumps({"layers": said}))
    for digest in layers:
        (folder / digest.partition(":")[2]).write_text("x")
    return folder


def noted(spec: BuildSpec) -> dict[str, dict[str, str]]:
    base_layers.record(spec, 1, cache=spec.work / "cache")
    return dict(json.loads((spec.trusted / base_layers.LAYERS).read_text()))


def test_base_layers_are_found_by_their_uncompressed_digest(spec):
    folder = pulls(spec, {sha("a"): DOCKER, sha("b"): f"{OCI}+gzip"})
    unpacks(spec, {sha("a"): sha("1"), sha("b"): sha("2"), sha("c"): sha("3")})
    assert noted(spec) == {
        sha("1"): {"digest": sha("a"), "path": str(folder / ("a" * 64))},
        sha("2"): {"digest": sha("b"), "path": str(folder / ("b" * 64))},
    }
    assert base_layers.unpacked(spec) == [sha("1"), sha("2")]


@pytest.mark.parametrize("kind", [OCI, f"{OCI}+zstd"])
def test_a_layer_that_is_not_gzip_is_not_cached(kind: str, spec):
    pulls(spec, {sha("a"): kind})
    unpacks(spec, {sha("a"): sha("1")})
    assert noted(spec) == {}


def test_a_layer_that_buildah_has_not_unpacked_is_not_cached(spec):
    pulls(spec, {sha("a"): DOCKER})
    unpacks(spec, {sha("b"): sha("1")})
    assert noted(spec) == {}


def test_a_layer_without_its_file_is_not_cached(spec):
    (pulls(spec, {sha("a"): DOCKER}) / ("a" * 64)).unlink()
    unpacks(spec, {sha("a"): sha("1")})
    assert noted(spec) == {}


def test_only_the_registry_blob_cache_is_kept(spec):
    (spec.work / "cache").mkdir()
    (spec.work / "cache/blob-info-cache-v1.boltdb").write_text("x")
    (spec.work / "cache/other").write_text("x")
    pulls(spec, {})
    noted(spec)
    there = [path.name for path in (spec.trusted / "cache").iterdir()]
    assert there == ["blob-info-cache-v1.boltdb"]


def test_kept_layers_are_world_readable(spec):
    folder = pulls(spec, {sha("a"): DOCKER})
    (folder / ("a" * 64)).chmod(0o600)
    noted(spec)
    assert (folder / ("a" * 64)).stat().st_mode & 0o777 == 0o644


def test_nothing_is_kept_without_the_folder(spec):
    assert not base_layers.is_available(spec)
    assert base_layers.layers(spec) == {}
    assert base_layers.unpacked(spec) == []
    with base_layers.registry_cache(spec) as variables:
        assert list(Path(variables["XDG_DATA_HOME"]).iterdir()) == []
