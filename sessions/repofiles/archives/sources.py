"""Know what each archive's API answers: which version there is, and which files it has.

A source is made from the address of a page at its archive. ``resolve`` names the version that is
meant now, as its page's address and a short text; ``listed`` has the files of that version.
`packed` has the sources that give everything as one packed file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from .answers import address_in, epoch, get, list_of, md5_in, number_of
from .failures import ArchiveError, host_of, missing
from .web import Web

_DOI_PROXY = "https://doi.org"
_RECORD = re.compile(r"/(?:record|records)/([A-Za-z0-9-]{1,60})(?:/(?!latest/?$)|$)")
"""The page of a record; that of its newest version is asked for."""
_ARTICLE = re.compile(r"/articles/(?:.*?/)?(\d+)(?:/(\d{1,4}))?/?$")
_FIGSHARE_DOI = re.compile(r"10\.\d+/m9\.figshare\.(?:\w+\.)?(\d+)(?:\.v(\d+))?/?$")

_FIGSHARE_FILES, _FIGSHARE_PAGE_SIZE, _FIGSHARE_PAGES = 10, 1000, 51
"""Files in an article's own answer, files on a page of its list, and pages beyond which there are
more files than are taken. See https://docs.figshare.com/#article_version_files."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of an archive; size and MD5 are those that the archive gives, if it does."""

    path: str
    url: str
    size: int | None = None
    md5: str = ""


@dataclass(frozen=True)
class Version:
    """Name the version that was found: the address of its page, and the version's own text."""

    url: str
    version: str


class Source:
    """An archive's page at ``url``; ``version`` is the one to list, "" to resolve."""

    unpacks = False
    """Whether a ZIP that is the only file is unpacked."""
    label = ""

    def __init__(self, web: Web, url: str, version: str, wait: float) -> None:
        self.web, self.url, self.version, self.wait = web, url, version, wait
        parts = urlsplit(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.path = unquote(parts.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}

    def resolve(self) -> Version:
        """Return the version that is meant now. Raises `ArchiveError`."""
        raise NotImplementedError

    def listed(self) -> list[RemoteFile]:
        """Return the files of the version. Raises `ArchiveError`."""
        raise NotImplementedError

    def require_version(self) -> None:
        """Raise `ArchiveError` if the archive has another version now, where it keeps only one."""
        if (now := self.resolve().version) != self.version:
            raise ArchiveError(
                "archive.changed",
                f"{self.label} has another version of this by now ({now} instead of "
                f"{self.version}). Rebuild the project, or launch it again, to get that one.",
            )


def doi_address(web: Web, doi: str) -> str:
    """Return the address that a DOI leads to. Raises `ArchiveError`."""
    unknown = ArchiveError(
        "archive.no-such-doi", f"There is no DOI {doi}, or it leads nowhere. Check how it is spelt."
    )
    try:
        found = web.json(f"{_DOI_PROXY}/api/handles/{quote(doi, safe='/')}")
    except ArchiveError as error:
        raise unknown if error.code == "archive.not-found" else error from error
    for value in list_of(found, "values"):
        address = get(value, "data", "value")
        if get(value, "type") == "URL" and re.match(r"https?://", str(address)):
            return str(address)
    raise unknown


class Zenodo(Source):
    """Zenodo, and other hosts that run InvenioRDM."""

    unpacks, label = True, "Zenodo"

    def resolve(self) -> Version:
        if not _RECORD.search(self.path):  # a DOI's page, which leads to the newest record
            self.path = urlsplit(self.web.last_address(self.url)).path
        record = self._record()
        number = str(get(record, "id") or self._id())
        return Version(f"{self.base}/records/{number}", number)

    def listed(self) -> list[RemoteFile]:
        address = get(self._record(), "links", "files")
        found = self.web.json(self._api(address) if address else f"{self._address()}/files")
        return [
            RemoteFile(
                str(get(entry, "key")),
                self._api(get(entry, "links", "content")),
                number_of(get(entry, "size")),
                md5_in(get(entry, "checksum")),
            )
            for entry in list_of(found, "entries")
        ]

    def _id(self) -> str:
        if not (found := _RECORD.search(self.path)):
            raise missing(host_of(self.url))
        return found[1]

    def _address(self) -> str:
        return f"{self.base}/api/records/{self._id()}"

    def _record(self) -> Any:
        return self.web.json(self._address())

    def _api(self, address: Any) -> str:
        return address_in(address, self.url)


class Figshare(Source):
    """Figshare, and the sites that it runs for others."""

    unpacks, label = True, "Figshare"
    api = "https://api.figshare.com/v2/articles"

    def resolve(self) -> Version:
        article, wanted = self._article()
        versions = [
            number_of(get(each, "version"))
            for each in list_of(self.web.json(f"{self.api}/{article}/versions"))
        ]
        there = sorted(each for each in versions if each)
        if not there or (wanted and wanted not in there):
            raise missing("figshare.com")
        number = wanted or there[-1]
        url = f"https://figshare.com/articles/dataset/_/{article}/{number}"
        return Version(url, f"{article}.v{number}")

    def listed(self) -> list[RemoteFile]:
        return [
            RemoteFile(
                str(get(each, "name")),
                address_in(get(each, "download_url"), self.url),
                number_of(get(each, "size")),
                md5_in(get(each, "supplied_md5")),
            )
            for each in self._entries()
            if not get(each, "is_link_only")
        ]

    def _entries(self) -> list[Any]:
        """Return the list of a version's files, of which its own answer has the first ten only."""
        article, number = self._article()
        version = f"{self.api}/{article}/versions/{number}"
        found = list_of(self.web.json(version), "files")
        if len(found) < _FIGSHARE_FILES:
            return found
        found = []
        for page in range(1, _FIGSHARE_PAGES + 1):
            address = f"{version}/files?page={page}&page_size={_FIGSHARE_PAGE_SIZE}"
            found += (more := list_of(self.web.json(address)))
            if len(more) < _FIGSHARE_PAGE_SIZE:
                break
        return found

    def _article(self) -> tuple[int, int]:
        """Return the article's number, and that of the version; 0 is the newest."""
        found = _FIGSHARE_DOI.search(self.path) or _ARTICLE.search(self.path)
        if not found:
            raise missing(host_of(self.url))
        return int(found[1]), int(found[2] or 0)


class Dataverse(Source):
    """A Dataverse, which may be on any host."""

    label = "The Dataverse"

    def resolve(self) -> Version:
        name = self._name()
        latest = self._latest(name)
        major, minor = get(latest, "versionNumber"), get(latest, "versionMinorNumber")
        if not isinstance(major, int):
            raise missing(host_of(self.url))
        url = f"{self.base}/dataset.xhtml?persistentId={quote(name, safe=':/')}"
        number = re.sub(r"[^A-Za-z0-9]+", "-", name.partition("/")[2]).strip("-")
        return Version(url, f"{number}.v{major}.{minor or 0}")

    def listed(self) -> list[RemoteFile]:
        self.require_version()
        found = list_of(self._latest(self._name()), "files")
        return [self._file(each) for each in found]

    def _file(self, entry: Any) -> RemoteFile:
        data = get(entry, "dataFile")
        original = get(data, "originalFileName")
        name = str(original or get(entry, "label"))
        folder = str(get(entry, "directoryLabel") or "").strip("/")
        number = number_of(get(data, "id"))
        address = f"{self.base}/api/access/datafile/{number}?format=original"
        # The size and the MD5 of a table are those of what the archive made of it.
        is_table = bool(original)
        return RemoteFile(
            f"{folder}/{name}" if folder else name,
            address,
            None if is_table else number_of(get(data, "filesize")),
            "" if is_table else md5_in(get(data, "md5")),
        )

    def _name(self) -> str:
        """Return the persistent name of the data set, from the address of it or a file of it."""
        name = self.query.get("persistentId", "")
        if file := re.search(r"/api/access/datafile/(\d+)$", self.path):
            query = f"?q=entityId:{file[1]}&type=file"
            found = self.web.json(f"{self.base}/api/search{query}")
            items = list_of(get(found, "data"), "items")
            name = str(get(items[0], "dataset_persistent_id") or "") if items else ""
        if self.path.endswith("/file.xhtml") and name.count("/") > 2:
            name = name.rpartition("/")[0]
        if not re.fullmatch(r"(?:doi|hdl|perma):[!-~]{1,300}", name):
            raise missing(host_of(self.url))
        return name

    def _latest(self, name: str) -> Any:
        query = f"persistentId={quote(name, safe=':/')}"
        found = self.web.json(f"{self.base}/api/datasets/:persistentId?{query}")
        return get(found, "data", "latestVersion")


class Ckan(Source):
    """A CKAN, which may be on any host."""

    label = "The CKAN site"

    def resolve(self) -> Version:
        try:
            self.web.json(f"{self._api}/status_show")
        except ArchiveError as error:
            if error.code not in {"archive.not-found", "archive.not-json"}:
                raise
            raise _not_ckan(self.url) from error
        found = self._package()
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", str(get(found, "name")))[:40]
        return Version(self.url, f"{name}.v{epoch(get(found, 'metadata_modified'))}")

    def listed(self) -> list[RemoteFile]:
        if not self._activity:
            self.require_version()
        return list(self._files(list_of(self._package(), "resources")))

    def _files(self, resources: list[Any]) -> Iterator[RemoteFile]:
        for each in resources:
            address = address_in(get(each, "url"), self.url)
            name = unquote(urlsplit(address).path).rstrip("/").rpartition("/")[2]
            yield RemoteFile(name or str(get(each, "id")), address)

    @property
    def _api(self) -> str:
        above = self.path.partition("/dataset/")[0]
        above = re.sub(r"^/[a-z]{2}(?:_[A-Z]{2})?$", "", above)  # the language of the page
        return f"{self.base}{above}/api/3/action"

    @property
    def _words(self) -> list[str]:
        return [word for word in self.path.partition("/dataset/")[2].split("/") if word]

    @property
    def _activity(self) -> str:
        words = self._words
        if words[:1] == ["activity"] and len(words) > 2:
            return words[2]
        history = words[2] if words[1:2] == ["history"] and len(words) > 2 else ""
        return self.query.get("activity_id") or history

    def _package(self) -> Any:
        words = self._words
        name = words[1] if words[:1] == ["activity"] and len(words) > 2 else words[0]
        address = f"{self._api}/package_show?id={quote(name, safe='')}"
        if self._activity:
            activity = quote(self._activity, safe="")
            address = f"{self._api}/activity_data_show?id={activity}&object_type=package"
        return get(self.web.json(address), "result")


def _not_ckan(url: str) -> ArchiveError:
    return ArchiveError(
        "archive.unknown",
        f"{host_of(url)} has a page that looks like one of CKAN, but its API does not answer. If "
        "this is a Git repository, write .git at its end.",
    )
