"""Git LFS for the git server of the tests: pointers, and downloads by the batch API."""

from __future__ import annotations

import hashlib
import json

ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


def pointer(content: bytes) -> str:
    """Return the text that stands for the content in a commit."""
    digest = hashlib.sha256(content).hexdigest()
    version = "version https://git-lfs.github.com/spec/v1"
    return f"{version}\noid sha256:{digest}\nsize {len(content)}\n"


class LfsStore:
    """The contents that a server has; ``served`` are the ids of those it has sent.

    ``replaced`` are contents that it sends instead of others, by the others' ids.
    """

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self.served: list[str] = []
        self.replaced: dict[str, bytes] = {}

    def add(self, content: bytes) -> str:
        """Store the content; return its pointer."""
        self._contents[hashlib.sha256(content).hexdigest()] = content
        return pointer(content)

    def answer(self, base: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Answer a request below ``base``, the server's address, with a status and a body."""
        if path == "/info/lfs/objects/batch":
            objects = [self._object(base, each["oid"]) for each in json.loads(body)["objects"]]
            return 200, json.dumps({"transfer": "basic", "objects": objects}).encode()
        oid = path.rpartition("/")[2]
        self.served.append(oid)
        return 200, self.replaced.get(oid, self._contents[oid])

    def _object(self, base: str, oid: str) -> dict[str, object]:
        if oid not in self._contents:
            error = {"code": 404, "message": "Object does not exist on the server"}
            return {"oid": oid, "error": error}
        return {"oid": oid, "actions": {"download": {"href": f"{base}/content/{oid}"}}}
