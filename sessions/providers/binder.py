"""Binder's launch links: read those of any hub, and make our own. Pure functions of the text.

A link is ``/v2/<provider>/<spec>``, below a hub's address or alone, with ``labpath=``,
``filepath=`` or ``urlpath=`` in its query; ``content=`` names another repository for the files. Its
escapes count: ``%2F`` does not separate names. So everything here takes and returns addresses as
they are sent, with their escapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, Protocol
from urllib.parse import parse_qsl, quote, unquote

from django.utils.translation import gettext as _

from sessions.errors import UserError

from .archives import ARCHIVES, KEYS
from .repository import PULL, Repository, clean_path, clean_ref, has_invisible

PREFIX = "/v2/"
MAX_URLPATH_LENGTH = 2000
LAB = "lab/tree"
"""Where a notebook's host shows a file in JupyterLab; the others are Binder's words for one."""
_ABOVE_FILES = {"labpath": "doc/tree", "filepath": "tree"}

_LINK = re.compile(
    r"(?:(?:https?://)?(?P<host>[^/?#\s@]+)(?P<base>(?:/+[^/?#\s]+)*?)/+|/*)v2/+"
    rf"(?P<provider>gh|gl|git|gist|doi|{'|'.join(ARCHIVES)})/+"
    r"(?P<spec>[^?#]+)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL | re.IGNORECASE,
)
_ANY_LINK = re.compile(
    r"/v2/(?P<provider>[^/?#]*)/*(?P<spec>[^?#]*)(?:\?(?P<query>.*))?", re.DOTALL
)
_FORGES = re.compile(
    r"(?:.*\.)?(?:github|gitlab|bitbucket|codeberg|githubusercontent)\.(?:com|org)"
)
_PAGES = re.compile(r"/(?:-|tree|blob|src|raw|commits?|dataset)(?:/|$)")
_FORMS = {"gh": "user/repo/ref", "gl": "namespace/ref", "git": "url/ref", "gist": "user/id/ref"}
_NEWEST_OF_GIST = frozenset({"HEAD", "master", "main"})
_ESCAPED = re.compile("%(?:2f|3a)", re.IGNORECASE)
_ESCAPED_TWICE = re.compile("%25(?:2f|3a)", re.IGNORECASE)
"""On the way through a page that led to the link, since no repository's name has an escape."""
_ESCAPED_COLON = re.compile("^(https?|ssh)%3a(?=/)", re.IGNORECASE)
_SAME_FOLDER = re.compile(r"(?<!:)/(?:\.?/)+")
"""Slashes and dots that a notebook's host reads as one slash."""
_UNESCAPED_URL = re.compile(r"(?P<scheme>https?|ssh|git):/+(?P<rest>.+)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class LaunchLink:
    """Holds what a launch link names, like a launch's fields; ``urlpath`` is as in `Repository`.

    ``provider`` is "" if the repository's address says it. ``content`` is the text of ``content=``.
    """

    repository: str
    provider: str
    ref: str
    path: str
    urlpath: str
    content: str = ""


class Linkable(Protocol):
    """A `Repository`, or a project."""

    @property
    def provider(self) -> str:
        """Return the key of the provider."""

    @property
    def repository(self) -> str:
        """Return the repository as it is stored and shown."""

    @property
    def url(self) -> str:
        """Return the address to clone from."""

    @property
    def ref(self) -> str:
        """Return the branch, tag or commit; "" is the default branch."""

    @property
    def path(self) -> str:
        """Return the file or folder to open."""

    @property
    def urlpath(self) -> str:
        """Return where to go on the notebook's host, as in `Repository`."""

    @property
    def content_source(self) -> Repository | None:
        """Return the repository of the files, as in `Repository`."""


def is_launch_link(text: str) -> bool:
    """Return whether a text is a launch link of this or any other hub."""
    found = _LINK.fullmatch(text)
    if not found or not found["host"]:
        return found is not None
    return not _FORGES.fullmatch(found["host"].lower()) and not _PAGES.search(found["base"])


def read_link(text: str) -> LaunchLink:
    """Return what a launch link names. Raises UserError, which says how to write it."""
    found = _LINK.fullmatch(text) or _ANY_LINK.fullmatch(text)
    provider, spec = (found["provider"].lower(), found["spec"].strip("/")) if found else ("", "")
    if provider not in _FORMS and provider not in KEYS:
        sentence = _(
            "No provider found for prefix %(prefix)s. A launch link has gh, gl, git, gist or the "
            "name of an archive after /v2/, such as /v2/gh/owner/repository/HEAD."
        )
        prefix = "" if has_invisible(_decoded(provider)) else _decoded(provider)[:40]
        raise UserError("launch.provider-unknown", sentence % {"prefix": f"“{prefix}”"})
    if provider in KEYS:
        repository, ref = _archived(spec), ""
    else:
        repository, ref = _split(provider, spec)
    # The first of each counts.
    query = dict(reversed(parse_qsl(found["query"] or "" if found else "", errors="replace")))
    path, urlpath = _place(query)
    ref = "" if provider == "gist" and ref in _NEWEST_OF_GIST else ref
    provider = "" if provider == "git" else provider
    return LaunchLink(repository, provider, ref, path, urlpath, query.get("content", ""))


def _archived(spec: str) -> str:
    """Return the DOI, the identifier or the address in the spec of an archive."""
    name = _decoded(spec)
    return re.sub(r"^(https?):/+", r"\1://", name) if name[:4].lower() == "http" else name


def _split(provider: str, spec: str) -> tuple[str, str]:
    """Return the repository and the ref in a spec. Raises UserError if either is missing."""
    if _ESCAPED_TWICE.search(spec.partition("/")[0]):
        spec = unquote(spec)
    spec = _ESCAPED_COLON.sub(r"\1:", spec)
    bare = _UNESCAPED_URL.fullmatch(spec) if provider == "git" else None
    parts = [part for part in (bare["rest"] if bare else spec).split("/") if part]
    if not bare and parts and _ESCAPED.search(parts[0]):
        names = 1
    elif provider in {"gh", "gist"}:
        names = 2
    else:
        with_host = bare or (provider == "git" and ":" not in spec.partition("/")[0])
        names = _length_of_repository(parts, 3 if with_host else 2)
    name = (f"{bare['scheme']}://" if bare else "") + "/".join(parts[:names])
    ref = _decoded("/".join(parts[names:]))
    if len(parts) < names or (not ref and provider != "gist"):
        _refuse_without_ref(provider, spec)
    return _decoded(name), clean_ref(ref)


def _length_of_repository(parts: list[str], usual: int) -> int:
    """Return how many parts name a repository where nothing but ``.git`` says where it ends."""
    ends = (n for n, part in enumerate(parts, 1) if part.endswith(".git"))
    return next(ends, usual)


def _refuse_without_ref(provider: str, spec: str) -> NoReturn:
    shown = spec if len(spec) <= 200 and not has_invisible(_decoded(spec)) else "…"
    sentence = _(
        "The link names no branch, tag or commit: “%(spec)s” is not of the form “%(form)s”."
    )
    details = {}
    if shown != "…" and shown:
        sentence += " " + _("Did you mean “%(spec)s/HEAD”?")
        details = {"meant": f"{PREFIX}{provider}/{quote(spec, safe=_SAFE)}/HEAD"}
    raise UserError(
        "launch.link-without-ref", sentence % {"form": _FORMS[provider], "spec": shown}, **details
    )


def _place(query: Mapping[str, str]) -> tuple[str, str]:
    """Return the file that a query opens, and the address on the notebook's host."""
    for name, above in _ABOVE_FILES.items():
        if path := clean_path(_SAME_FOLDER.sub("/", query.get(name, ""))):
            return path, above
    urlpath = clean_urlpath(query.get("urlpath", ""))
    if query.get("content"):  # only who knows its folder can tell a file of it
        return "", urlpath
    return file_in_lab(urlpath) or ("", urlpath)


def clean_urlpath(text: str) -> str:
    """Return an address on a notebook's host, without slashes around it. Raises UserError."""
    urlpath = text.strip("/")
    if len(urlpath) > MAX_URLPATH_LENGTH or has_invisible(urlpath) or "\\" in urlpath:
        raise UserError(
            "launch.path-not-understood",
            _(
                "The link's urlpath is too long, or has characters that an address cannot have. "
                "Open the repository without it."
            ),
        )
    return urlpath


def file_in_lab(urlpath: str, folder: str = "") -> tuple[str, str] | None:
    """Return the file that an address opens just as its path alone would, and "" beside it.

    Paths are those in the home folder, or in a ``folder`` of it.
    """
    file = urlpath.removeprefix(f"{LAB}/{folder}/" if folder else f"{LAB}/")
    path = _decoded(file)
    if file == urlpath or "?" in file or "#" in file or quote(path) != quote(file, safe="/%"):
        return None
    try:
        return (path, "") if clean_path(path) == path else None
    except UserError:
        return None


def _decoded(text: str) -> str:
    """Return the text without %-escapes; as it is if they stand for no text."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


_SAFE = "/:@!$&'()*+,;=~%"


def launch_link(of: Linkable) -> str:
    """Return the launch link of a repository or project, without the portal's address."""
    if of.provider == "gl":
        spec = quote(of.repository, safe="")
    elif of.provider in {"gh", "gist"}:
        spec = quote(of.repository)
    elif of.provider in KEYS:
        spec = quote(of.repository, safe="" if "://" in of.repository else "/:;")
    else:
        spec = quote(of.url, safe="")
    key = of.provider if of.provider in {"gh", "gl", "gist", *KEYS} else "git"
    ref = "" if of.provider in KEYS else f"/{quote(of.ref or 'HEAD')}"
    source = None if of.urlpath.startswith(PULL) else of.content_source
    content = f"content={quote(source.as_content)}" if source else ""
    query = "&".join(filter(None, [content, _place_query(of, source.folder if source else "")]))
    return f"{PREFIX}{key}/{spec}{ref}{'?' if query else ''}{query}"


def _place_query(of: Linkable, folder: str) -> str:
    """Return the part of a launch link's query that says what opens; "" without any."""
    for name, above in _ABOVE_FILES.items():
        if of.path and of.urlpath == above:
            return f"{name}={quote(of.path)}"
    if not of.path and not of.urlpath:
        return ""
    file = quote(of.path) if re.search("[%?#]", of.path) else of.path
    place = f"{LAB}/{folder}/{file}" if folder else f"{LAB}/{file}"
    return f"urlpath={quote(place if of.path else of.urlpath)}"


class WebPage(NamedTuple):
    """Addresses of a repository's page, and of that of its ref where its site is known to have one.

    A repository that is fetched by SSH has its own address instead.
    """

    repository: str
    ref: str


_ABOVE_REF = {"gh": "/tree/", "gl": "/-/tree/", "gist": "/"}


def web_page(of: Linkable) -> WebPage:
    """Return the addresses of the web pages of a repository or project."""
    page = of.url.removesuffix(".git")
    above = _ABOVE_REF.get(of.provider)
    return WebPage(page, f"{page}{above}{quote(of.ref)}" if above and of.ref else page)


def _repo_provider(
    key: str, name: str, site: str, examples: str, spec: str, *, escaped: bool = False
) -> dict[str, Any]:
    detect = {"regex": rf"^(https?://{re.escape(site)}/)?(?<repo>.*)"} if site else {}
    repo = {"label": f"{name} repository", "placeholder": f"example: {examples}"}
    return {
        "id": key,
        "displayName": name,
        "spec": {"validateRegex": spec},
        "detect": detect,
        "repo": repo | {"urlEncode": escaped},
        "ref": {"enabled": True, "default": "HEAD"},
    }


def _archive_provider(key: str, name: str, label: str, examples: str) -> dict[str, Any]:
    found = _repo_provider(key, name, "", examples, r".+", escaped="://" in examples)
    repo = found["repo"] | {"label": label}
    return found | {"repo": repo, "ref": {"enabled": False}}


REPO_PROVIDERS = [
    _repo_provider("gh", "GitHub", "github.com", "ada/flowers", r"[^/]+/[^/]+/.+"),
    _repo_provider(
        "gist", "GitHub Gist", "gist.github.com", "ada/0123456789abcdef", r"[^/]+/[^/]+(/[^/]+)?"
    ),
    _repo_provider("git", "Git", "", "https://example.org/flowers.git", r"[^/]+/.+", escaped=True),
    _repo_provider("gl", "GitLab", "gitlab.com", "ada/flowers", r"[^/]+/.+", escaped=True),
    _archive_provider("zenodo", "Zenodo", "Zenodo DOI", "10.5281/zenodo.3242074"),
    _archive_provider("figshare", "Figshare", "Figshare DOI", "10.6084/m9.figshare.9782777.v3"),
    _archive_provider("dataverse", "Dataverse", "Dataverse DOI", "10.7910/DVN/TJCLKP"),
    _archive_provider(
        "hydroshare", "HydroShare", "HydroShare id or DOI", "b8f6eae9d89241cf8b5904033460af61"
    ),
    _archive_provider(
        "ckan", "CKAN", "Address of a data set", "https://demo.ckan.org/dataset/sample-dataset-1"
    ),
    _archive_provider(
        "swh", "Software Heritage", "SWHID", "swh:1:dir:0123456789abcdef0123456789abcdef01234567"
    ),
]
"""The providers of launch links, as BinderHub lists them for forms, with patterns of JavaScript."""
