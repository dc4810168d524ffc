"""Archives of research data, which give what they keep a DOI or an address of their own.

What names a data set is recognized here, however it is written. `sessions.git.archive` finds which
version is meant: that of a DOI is known only when its resolver has been asked.
"""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import parse_qs, quote, unquote

from django.utils.translation import gettext as _

from sessions.errors import UserError

from .address import HTTPS_HOSTS, Address, parse_address, refuse
from .repository import DOI_SITE, Repository, has_invisible

ARCHIVES = {
    "zenodo": "Zenodo",
    "figshare": "Figshare",
    "dataverse": "Dataverse",
    "hydroshare": "HydroShare",
    "ckan": "CKAN",
    "swh": "Software Heritage",
}
"""Names by the provider of a launch link."""
DOI = "doi"
KEYS = frozenset({DOI, *ARCHIVES})
"""Providers that keep versions of files, and are no Git servers."""

_DOI = re.compile(
    r"(?:(?:info:|urn:)?doi[:/ ] *)?(?:https?://)?(?:(?:dx|www)\.)?(?:doi\.org/)?"
    r"(?P<doi>10\.[0-9]{4,9}(?:/|%2f).+)",
    re.IGNORECASE,
)
_END_OF_SENTENCE = "/.,;:"
_SWHID = re.compile(
    r"(?P<id>swh:1:(?P<kind>cnt|dir|rev|rel|snp):[0-9a-f]{40})(?:;.*)?", re.IGNORECASE
)
_RESOLVERS = frozenset({"doi.org", "dx.doi.org", "www.doi.org"})
_HOSTS = {
    "zenodo.org": "zenodo",
    "data.caltech.edu": "zenodo",
    "figshare.com": "figshare",
    "hydroshare.org": "hydroshare",
    "archive.softwareheritage.org": "swh",
    "dataverse.harvard.edu": "dataverse",
}
_OF_DOI = (
    (re.compile(r"10\.5281/zenodo\.", re.IGNORECASE), "zenodo"),
    (re.compile(r"10\.\d+/m9\.figshare\.", re.IGNORECASE), "figshare"),
    (re.compile(r"10\.4211/hs\.", re.IGNORECASE), "hydroshare"),
    (re.compile(r"10\.7910/DVN/", re.IGNORECASE), "dataverse"),
)
"""DOIs that say where they lead; what a page shows about others is known later."""
_DATAVERSE_PAGES = ("citation", "dataset.xhtml", "file.xhtml")
_DATAVERSE_FILES = ("api", "access", "datafile")
_RESOURCE = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_QUERIES = ("persistentId", "activity_id")
"""The parameters of a page's query that name a data set."""


class Archive:
    """One kind of archive; that of the key `DOI` is known only when the launch begins."""

    def __init__(self, key: str, label: str) -> None:
        self.key, self.label = key, label

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether the text is an identifier or a page of this kind of archive."""
        return _kind(text, address) == self.key

    def parse(self, text: str, address: Address | None) -> Repository:
        """Return what the text names, with its page's address to fetch. Raises UserError."""
        if _SWHID.fullmatch(text) and self.key in {"swh", DOI}:
            return _software(text)
        if address is None and (doi := _doi_in(text)):
            return self._of_doi(doi)
        if address is None and self.key == "hydroshare" and _RESOURCE.fullmatch(text):
            page = f"https://www.hydroshare.org/resource/{text.lower()}"
            return Repository(self.key, page, page)
        if address is None:
            self._refuse()
        if doi := _doi_at(address):
            return self._of_doi(doi)
        if self.key == "swh":
            return _software("/".join(address.segments))
        is_other = address.host in _RESOLVERS or archive_of(address) not in {"", self.key}
        if address.scheme == "ssh" or is_other:
            self._refuse()
        page = _page(address)
        return Repository(self.key, page, page, path=_file_in(self.key, address))

    def _of_doi(self, doi: str) -> Repository:
        kind = self.key if self.key != DOI else _kind_of_doi(doi)
        return Repository(kind, doi, f"{DOI_SITE}{quote(doi, safe='/:.()-_;')}")

    def _refuse(self) -> NoReturn:
        refuse(
            _(
                "This names nothing in an archive. Paste a DOI, such as 10.5281/zenodo.3242074, or "
                "the address of the page."
            )
        )


PROVIDERS = (Archive(DOI, "DOI"), *(Archive(key, label) for key, label in ARCHIVES.items()))


def is_identifier(text: str) -> bool:
    """Return whether the text is a DOI, in any spelling, or a Software Heritage identifier."""
    return bool(_DOI.fullmatch(text) or _SWHID.fullmatch(text))


def page_of(url: str) -> tuple[str, str] | None:
    """Return which archive a DOI leads to, and the address of the page there; None if to none.

    Raises UserError for an address that must not be used.
    """
    address = parse_address(re.sub(r"^http:", "https:", url))
    if address is None:
        return None
    kind = archive_of(address) or ("zenodo" if "records" in address.segments[:1] else "")
    return (kind, _page(address)) if kind else None


def _kind(text: str, address: Address | None) -> str:
    """Return the key of the archive that a text is about; "" if it is about none."""
    if address is not None:
        if address.host in _RESOLVERS:
            return _kind_of_doi("/".join(address.segments))
        return archive_of(address)
    if _SWHID.fullmatch(text):
        return "swh"
    return _kind_of_doi(doi) if (doi := _doi_in(text)) else ""


def _doi_in(text: str) -> str:
    """Return the DOI that a text is, in its usual spelling; "" if it is none."""
    found = _DOI.fullmatch(text)
    doi = unquote(re.sub(r"[?#].*", "", found["doi"], flags=re.DOTALL)).strip() if found else ""
    doi = doi.rstrip(_END_OF_SENTENCE if "(" in doi else f"{_END_OF_SENTENCE})")
    if not re.fullmatch(r"10\.[0-9]{4,9}/[^\s?#]{1,300}", doi) or has_invisible(doi):
        return ""
    return doi.lower() if _kind_of_doi(doi) in {"zenodo", "figshare", "hydroshare"} else doi


def _doi_at(address: Address) -> str:
    """Return the DOI in its resolver's address, or in that of Zenodo's badge for it; "" for none.

    A badge is at ``/badge/DOI/<doi>.svg``.
    """
    if address.host in _RESOLVERS:
        return _doi_in("/".join(address.segments))
    is_badge = archive_of(address) == "zenodo" and address.segments[0] == "badge"
    return _doi_in("/".join(address.segments[2:]).removesuffix(".svg")) if is_badge else ""


def _kind_of_doi(doi: str) -> str:
    return next((kind for pattern, kind in _OF_DOI if pattern.match(doi)), DOI)


def _software(text: str) -> Repository:
    """Return what a Software Heritage identifier names. Raises UserError."""
    found = _SWHID.search(text)
    if not found or found["kind"].lower() not in {"dir", "rev"}:
        raise UserError(
            "launch.repository-not-understood",
            _(
                "Of Software Heritage, folders and revisions can be launched. Paste an identifier "
                "that begins with swh:1:dir: or swh:1:rev:, which the page shows under Permalinks."
            ),
        )
    name = found["id"].lower()
    return Repository("swh", name, f"https://archive.softwareheritage.org/{name}")


def _page(address: Address) -> str:
    """Return the address of a page, with what counts of its query."""
    query = parse_qs(address.query[:2000])
    words = [f"{name}={quote(query[name][0], safe=':/')}" for name in _QUERIES if name in query]
    url = address.url.replace("://hydroshare.org", "://www.hydroshare.org")
    return "?".join(filter(None, [url, "&".join(words)]))


def _file_in(key: str, address: Address) -> str:
    """Return the file that a page of Zenodo shows."""
    names = address.segments
    return "/".join(names[3:]) if key == "zenodo" and names[2:3] == ("files",) else ""


def _is_article(segments: tuple[str, ...]) -> bool:
    """Return whether a page is one of Figshare's, which many universities have on their host.

    It is below ``/articles/<kind>/<title>/<number>[/<version>]``.
    """
    return (
        segments[:1] == ("articles",)
        and len(segments) in {4, 5}
        and all(re.fullmatch("[0-9]{1,12}", each) for each in segments[3:])
    )


def archive_of(address: Address) -> str:
    """Return the archive with this page; "" if it is none's. Some archives run on many hosts."""
    if address.scheme == "ssh" or address.segments[-1].endswith(".git"):
        return ""
    for host, key in _HOSTS.items():
        if address.host == host or address.host.endswith(f".{host}"):
            return key
    if address.host in HTTPS_HOSTS:
        return ""
    if _is_article(address.segments):
        return "figshare"
    page, query = address.segments[-1], parse_qs(address.query[:2000])
    is_data_set = page in _DATAVERSE_PAGES and "persistentId" in query
    if is_data_set or address.segments[-4:-1] == _DATAVERSE_FILES:
        return "dataverse"
    is_ckan = "dataset" in address.segments[:2] and len(address.segments) > 1
    return "ckan" if is_ckan and address.segments[-1] != "dataset" else ""
