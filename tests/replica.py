"""All archives in one server on loopback, with the answers of their APIs, and bad ones on request.

    with Replica() as replica:
        replica.zenodo("3242074", {"index.ipynb": "{}"})
        settings.PORTAL_ARCHIVE_HOSTS = replica.hosts

Each host of an archive is a folder of its addresses: ``zenodo.org/api/records/3242074``. `put`
sets what an address answers; several replies are given one after the other, the last one again and
again. ``asked`` has the addresses in the order in which they were asked for.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from tests.threadserver import ThreadServer

HOSTS = (
    "doi.org", "zenodo.org", "api.figshare.com", "ndownloader.figshare.com", "www.hydroshare.org",
    "archive.softwareheritage.org", "dataverse.harvard.edu", "demo.ckan.org", "s3.example.org",
)  # fmt: skip
Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Reply:
    """Answer requests for one address.

    ``drip`` sends so many bytes each second, ``length`` is the one that is claimed.
    """

    body: bytes = b""
    status: int = 200
    type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: int = 0
    length: int | None = None
    parts: bool = True


def data(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return JSON, as an API answers."""
    return Reply(json.dumps(value).encode(), status, "application/json", headers)


def moved(address: str, status: int = 302) -> Reply:
    """Return a redirect."""
    return Reply(b"", status, headers={"Location": address})


PAGE = Reply(b"<!DOCTYPE html><html><title>Sign in</title></html>", type="text/html")


def content(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def zipped(files: Files, top: str = "flowers-1.0") -> bytes:
    """Return a ZIP with one top folder."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(f"{top}/{name}" if top else name, content(text))
    return whole.getvalue()


def tarred(files: Files, top: str, links: Mapping[str, str] | None = None) -> bytes:
    """Return a compressed tar file with one top folder."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content(text))
            packed.addfile(member, io.BytesIO(content(text)))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            packed.addfile(member)
    return whole.getvalue()


class Replica:
    """The server, while the `with` block lasts."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.asked: list[str] = []
        self.over = threading.Event()
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"replica": self})
        self._server = ThreadServer(handler, address)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self.over.set()
        self._server.__exit__()

    @property
    def hosts(self) -> dict[str, str]:
        """Return the value of PORTAL_ARCHIVE_HOSTS."""
        return {host: f"http://{self._server.address}/{host}" for host in HOSTS}

    @property
    def setting(self) -> str:
        """Return the same as the environment has it."""
        return " ".join(f"{host}={address}" for host, address in self.hosts.items())

    @property
    def address(self) -> str:
        return self._server.address

    def put(self, address: str, *replies: Reply) -> None:
        with self._lock:
            self._replies[address] = list(replies)

    def reply(self, address: str) -> Reply:
        with self._lock:
            self.asked.append(address)
            found = self._replies.get(address) or [data({"message": "Not found"}, 404)]
            return found.pop(0) if len(found) > 1 else found[0]

    def doi(self, doi: str, address: str) -> None:
        """Register a DOI."""
        value = {"type": "URL", "data": {"format": "string", "value": address}}
        self.put(f"doi.org/api/handles/{doi}", data({"responseCode": 1, "values": [value]}))

    def zenodo(self, number: str, files: Files, *, newest_of: str = "") -> None:
        """Publish a record; with ``newest_of``, it is the newest version of that one."""
        api = f"zenodo.org/api/records/{number}"
        links = {"files": f"https://{api}/files"}
        self.put(api, data({"id": number, "links": links}))
        entries = [
            {
                "key": name,
                "size": len(content(text)),
                "checksum": f"md5:{hashlib.md5(content(text)).hexdigest()}",
                "links": {"content": f"https://{api}/files/{name}/content"},
            }
            for name, text in files.items()
        ]
        self.put(f"{api}/files", data({"enabled": True, "entries": entries}))
        for name, text in files.items():
            self.put(f"{api}/files/{name}/content", Reply(content(text)))
        self.doi(f"10.5281/zenodo.{number}", f"https://zenodo.org/record/{number}")
        if newest_of:
            self.doi(
                f"10.5281/zenodo.{newest_of}",
                f"https://zenodo.org/doi/10.5281/zenodo.{newest_of}",
            )
            page = f"zenodo.org/doi/10.5281/zenodo.{newest_of}"
            self.put(page, moved(f"https://zenodo.org/records/{number}"))
            self.put(f"zenodo.org/records/{newest_of}/latest", moved(f"/records/{number}"))
            self.put(f"zenodo.org/records/{number}", PAGE)

    def figshare(self, article: int, version: int, files: Files) -> None:
        """Publish a version of an article, the newest one."""
        api = f"api.figshare.com/v2/articles/{article}/versions"
        self.put(api, data([{"version": n, "url": "…"} for n in range(1, version + 1)]))
        listed: list[dict[str, Any]] = [{"name": "linked", "is_link_only": True, "size": 0}]
        for number, (name, text) in enumerate(files.items()):
            listed.append(
                {
                    "name": name,
                    "size": len(content(text)),
                    "is_link_only": False,
                    "download_url": f"https://ndownloader.figshare.com/files/{article}{number}",
                    "supplied_md5": hashlib.md5(content(text)).hexdigest(),
                }
            )
            stored = f"s3.example.org/{article}/{number}"
            self.put(f"ndownloader.figshare.com/files/{article}{number}",
                     moved(f"https://{stored}?signature=x"))  # fmt: skip
            self.put(f"{stored}?signature=x", Reply(content(text)))
        self.put(f"{api}/{version}", data({"files": listed[:10]}))
        for page in range(len(listed) // 1000 + 1):
            address = f"{api}/{version}/files?page={page + 1}&page_size=1000"
            self.put(address, data(listed[page * 1000 :][:1000]))

    def dataverse(self, name: str, version: tuple[int, int], files: Files) -> None:
        """Publish a data set; ``name`` is its DOI."""
        host = "dataverse.harvard.edu"
        listed = []
        for number, (path, text) in enumerate(files.items()):
            folder, _slash, label = path.rpartition("/")
            file = {"id": 3000 + number, "filesize": len(content(text))}
            file["md5"] = hashlib.md5(content(text)).hexdigest()  # type: ignore[assignment]
            listed.append({"label": label, "directoryLabel": folder, "dataFile": file})
            address = f"{host}/api/access/datafile/{3000 + number}?format=original"
            self.put(address, Reply(content(text)))
            item = {"file_id": str(3000 + number), "dataset_persistent_id": f"doi:{name}"}
            self.put(
                f"{host}/api/search?q=entityId:{3000 + number}&type=file",
                data({"status": "OK", "data": {"total_count": 1, "items": [item]}}),
            )
        latest = {"versionNumber": version[0], "versionMinorNumber": version[1], "files": listed}
        self.put(
            f"{host}/api/datasets/:persistentId?persistentId=doi:{name}",
            data({"status": "OK", "data": {"latestVersion": latest}}),
        )
        self.doi(name, f"https://{host}/citation?persistentId=doi:{name}")

    def hydroshare(self, number: str, modified: str, files: Files, waits: int = 0) -> None:
        """Publish a resource, which is packed after being asked for ``waits`` times."""
        host = "www.hydroshare.org"
        dates = [{"type": "created", "start_date": "2000-01-01T00:00:00Z"},
                 {"type": "modified", "start_date": modified}]  # fmt: skip
        self.put(f"{host}/hsapi/resource/{number}/scimeta/elements", data({"dates": dates}))
        inside = {f"{number}/data/contents/{name}": text for name, text in files.items()}
        bag = zipped({**inside, f"{number}/bagit.txt": "BagIt-Version: 0.97"}, top="")
        self.put(
            f"{host}/django_s3/download/bags/{number}.zip",
            *[data({"bag_status": "Not ready", "task_id": 1})] * waits,
            moved(f"https://s3.example.org/bags/{number}.zip?X-Amz=1"),
        )
        self.put(f"s3.example.org/bags/{number}.zip?X-Amz=1", Reply(bag))
        self.doi(f"10.4211/hs.{number}", f"http://www.hydroshare.org/resource/{number}")

    def ckan(self, name: str, modified: str, resources: list[tuple[str, str, bytes]]) -> None:
        """Publish a data set; each resource has an id, an address and a content."""
        api = "demo.ckan.org/api/3/action"
        self.put(f"{api}/status_show", data({"success": True, "result": {"ckan_version": "2.9"}}))
        listed = [{"id": key, "url": url, "name": "x"} for key, url, _text in resources]
        result = {"name": name, "metadata_modified": modified, "resources": listed}
        found = data({"success": True, "result": result})
        self.put(f"{api}/package_show?id={name}", found)
        self.put(f"{api}/activity_data_show?id=0c5f&object_type=package", found)
        for _key, url, text in resources:
            self.put(url.removeprefix("https://"), Reply(text))

    def software(
        self, revision: str, folder: str, files: Files, waits: int = 0, **links: str
    ) -> None:
        """Archive a revision with its folder, which is packed after ``waits`` questions."""
        api = "archive.softwareheritage.org/api/1"
        self.put(f"{api}/revision/{revision}/", data({"id": revision, "directory": folder}))
        raw = f"{api}/vault/flat/swh:1:dir:{folder}/raw/"
        pending = data({"status": "pending", "fetch_url": f"https://{raw}"})
        done = data({"status": "done", "fetch_url": f"https://{raw}"})
        self.put(f"{api}/vault/flat/swh:1:dir:{folder}/", *[pending] * waits, done)
        self.put(raw, Reply(tarred(files, f"swh:1:dir:{folder}", links)))


class _Handler(BaseHTTPRequestHandler):
    replica: Replica
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        reply = self.replica.reply(self.path.lstrip("/"))
        body, status, headers = reply.body, reply.status, dict(reply.headers)
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if part and status == 200 and reply.parts and not reply.drip:
            start, end = int(part[1]), min(int(part[2]) + 1, len(body))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            body, status = body[start:end], 206
        self.send_response(status)
        self.send_header("Content-Type", reply.type)
        length = len(body) if reply.length is None else reply.length
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self._send(body, reply.drip)
        except OSError:  # the client has gone
            self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def _send(self, body: bytes, drip: int) -> None:
        if not drip:
            self.wfile.write(body)
            return
        began = time.monotonic()
        for at in range(0, len(body), drip):
            self.wfile.write(body[at : at + drip])
            if self.replica.over.wait(began + at / drip + 1 - time.monotonic()):
                return

    def log_message(self, *arguments: Any) -> None:
        pass
