"""Another build of an image in the registry of the cluster: the same, with further files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

import httpx

from tests.stack import NO_AUTHORITIES

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LAYERS = {
    MANIFESTS[0]: "application/vnd.oci.image.layer.v1.tar+gzip",
    MANIFESTS[1]: "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


def rebuilt(image: str, files: Mapping[str, str]) -> str:
    """Return the name of an image that has one more layer, with these files by their paths."""
    address, _slash, rest = image.partition("/")
    name, _at, reference = rest.partition("@")
    base = f"http://{address}/v2/{name}"
    with httpx.Client(verify=NO_AUTHORITIES, timeout=60) as registry:
        accepted = {"Accept": ", ".join(MANIFESTS)}
        manifest = registry.get(f"{base}/manifests/{reference}", headers=accepted).json()
        config = registry.get(f"{base}/blobs/{manifest['config']['digest']}").json()

        tar = _tar(files)
        layer = gzip.compress(tar, 1)
        config["rootfs"]["diff_ids"].append(_digest(tar))
        config.setdefault("history", []).append({"created_by": "another build"})
        kind = manifest["mediaType"]
        manifest["layers"].append({"mediaType": LAYERS[kind], **_pushed(registry, base, layer)})
        manifest["config"] |= _pushed(registry, base, json.dumps(config).encode())
        content = json.dumps(manifest).encode()
        registry.put(
            f"{base}/manifests/{_digest(content)}",
            content=content,
            headers={"Content-Type": kind},
        ).raise_for_status()
    return f"{address}/{name}@{_digest(content)}"


def _tar(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _pushed(registry: httpx.Client, base: str, content: bytes) -> dict[str, str | int]:
    digest = _digest(content)
    place = registry.post(f"{base}/blobs/uploads/").raise_for_status().headers["Location"]
    url = httpx.URL(place).copy_merge_params({"digest": digest})
    registry.put(url, content=content).raise_for_status()
    return {"digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
