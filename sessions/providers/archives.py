"""Archives of research data, which give what they keep a DOI or an address of their own.

None of them can be launched yet. What names one is recognized here, however it is written, so that
people read what to do instead. An archive that can be launched gets a class with ``parse``, like
the forges, and leaves `ARCHIVES`.
"""

from __future__ import annotations

import re
from typing import ClassVar, NoReturn
from urllib.parse import parse_qs

from django.utils.translation import gettext as _

from sessions.errors import UserError

from .address import HTTPS_HOSTS, Address

ARCHIVES = {
    "zenodo": "Zenodo",
    "figshare": "Figshare",
    "dataverse": "Dataverse",
    "hydroshare": "HydroShare",
    "ckan": "CKAN",
    "swh": "Software Heritage",
}
"""Names by the provider of a launch link."""

_DOI = re.compile(
    r"(?:(?:info:|urn:)?doi[: ] *)?(?:https?://)?(?:(?:dx|www)\.)?(?:doi\.org/)?10\.[0-9]{4,9}/.+",
    re.IGNORECASE,
)
_SWHID = re.compile(r"swh:1:(?:cnt|dir|rev|rel|snp):[0-9a-f]{40}(?:;.*)?", re.IGNORECASE)
_RESOLVERS = frozenset({"doi.org", "dx.doi.org", "www.doi.org"})
_HOSTS = {
    "zenodo.org": "zenodo",
    "data.caltech.edu": "zenodo",
    "figshare.com": "figshare",
    "hydroshare.org": "hydroshare",
    "archive.softwareheritage.org": "swh",
    "dataverse.harvard.edu": "dataverse",
}
_DATAVERSE_PAGES = ("citation", "dataset.xhtml", "file.xhtml")
_DATAVERSE_FILES = ("api", "access", "datafile")


class Doi:
    """Archives that give a repository a DOI, and everything else that names a data set."""

    key: ClassVar = "doi"
    label: ClassVar = "DOI"

    def claims(self, text: str, address: Address | None) -> bool:
        """Return whether the text is a DOI, an identifier of an archive, or one of its pages."""
        if address is None:
            return is_identifier(text)
        return address.host in _RESOLVERS or bool(_archive_of(address))

    def parse(self, text: str, address: Address | None) -> NoReturn:
        """Raise UserError: none of them can be launched yet."""
        if _SWHID.fullmatch(text):
            refuse_archive("swh")
        if address is not None and address.host not in _RESOLVERS and _archive_of(address):
            refuse_archive(_archive_of(address))
        refuse_doi()


def is_identifier(text: str) -> bool:
    """Return whether the text is a DOI, in any spelling, or a Software Heritage identifier."""
    return bool(_DOI.fullmatch(text) or _SWHID.fullmatch(text))


def refuse_doi() -> NoReturn:
    """Raise UserError: a DOI cannot be launched yet."""
    raise UserError(
        "launch.doi-not-supported",
        _(
            "DOIs cannot be launched yet. Open the DOI's page and paste the address of the "
            "Git repository that it names."
        ),
    )


def refuse_archive(key: str) -> NoReturn:
    """Raise UserError: what this archive keeps cannot be launched yet."""
    sentence = _(
        "%(archive)s is an archive, and what it keeps cannot be launched yet. Open its page and "
        "paste the address of the Git repository that it names."
    )
    if key == "ckan":
        sentence += " " + _("If this is a Git repository itself, write .git at its end.")
    raise UserError(
        "launch.archive-not-supported", sentence % {"archive": ARCHIVES[key]}, archive=key
    )


def _archive_of(address: Address) -> str:
    """Return the archive with this page; "" if it is none's. Some archives run on many hosts."""
    if address.scheme == "ssh" or address.segments[-1].endswith(".git"):
        return ""
    for host, key in _HOSTS.items():
        if address.host == host or address.host.endswith(f".{host}"):
            return key
    if address.host in HTTPS_HOSTS:
        return ""
    page, query = address.segments[-1], parse_qs(address.query[:2000])
    if page in _DATAVERSE_PAGES and "persistentId" in query:
        return "dataverse"
    if address.segments[-4:-1] == _DATAVERSE_FILES:
        return "dataverse"
    is_ckan = "dataset" in address.segments[:2] and len(address.segments) > 1
    return "ckan" if is_ckan and address.segments[-1] != "dataset" else ""
