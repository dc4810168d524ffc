"""Say which repositories a project is of: that of its environment, and that of its content.

Without a second repository, all files are the first one's. Content has a folder of its own: its ref
is looked up at each start, and `sessions.repofiles.merge` brings what is new into the folder.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from sessions.providers import PULL, Repository, is_private


class WithSources(models.Model):
    """Columns for the repository, and for the source of the content, which mean the same there.

    - ``repository`` is the address as people write it, ``url`` what git clones.
    - ``ref`` is what was typed ("" is the default branch), ``commit`` what it resolved to.
    - ``path`` is a file of the content if there is one.
    - ``urlpath`` is where a launch link leads on the notebook's host (`sessions.providers`).
    - All columns ``content_…`` are "" without one. `Project.content` has nothing to do with them.
    """

    provider = models.CharField(_("provider"), max_length=16)
    repository = models.CharField(_("repository"), max_length=2000)
    url = models.CharField(max_length=2000, editable=False)
    ref = models.CharField(_("ref"), max_length=255, blank=True)
    commit = models.CharField(_("commit"), max_length=64, blank=True)
    path = models.CharField(_("path to open"), max_length=1000, blank=True)
    tail = models.CharField(max_length=2000, blank=True, editable=False)
    urlpath = models.CharField(
        max_length=2000, blank=True, default="", db_default="", editable=False
    )
    content_provider = models.CharField(max_length=16, blank=True, default="", db_default="")
    content_repository = models.CharField(
        _("content"), max_length=2000, blank=True, default="", db_default=""
    )
    content_url = models.CharField(
        max_length=2000, blank=True, default="", db_default="", editable=False
    )
    content_ref = models.CharField(
        _("ref of the content"), max_length=255, blank=True, default="", db_default=""
    )
    content_commit = models.CharField(
        _("commit of the content"), max_length=64, blank=True, default="", db_default=""
    )
    content_tail = models.CharField(
        max_length=2000, blank=True, default="", db_default="", editable=False
    )

    class Meta:
        abstract = True

    @property
    def content_source(self) -> Repository | None:
        """Return the repository that the content comes from, at its ref; None without one."""
        if not self.content_url:
            return None
        named = (self.content_provider, self.content_repository, self.content_url, self.content_ref)
        path = "" if self.is_content_optional else self.path
        return Repository(*named, path, ambiguous_tail=self.content_tail)

    @property
    def is_content_optional(self) -> bool:
        """Return whether the content is only fetched where nbgitpuller does not do it."""
        return self.urlpath.startswith(PULL)

    @property
    def has_private_content(self) -> bool:
        """Return whether its owner's SSH key fetches the content."""
        return bool(self.content_url) and is_private(self.content_url)

    @property
    def is_private(self) -> bool:
        """Return whether it is fetched with its owner's SSH key: then its build is theirs alone."""
        return is_private(self.url)

    @property
    def is_confidential(self) -> bool:
        """Return whether a private repository's files are in it: what it says is its owner's."""
        return self.is_private or self.has_private_content

    @property
    def is_third_party(self) -> bool:
        """Return whether somebody else may have written something that it runs.

        This is assumed unless it is fetched with its owner's key or is one of the portal's own
        examples.
        """
        sources = filter(None, (self.url, self.content_url))
        ours = f"{settings.PORTAL_URL}/"
        return not all(is_private(url) or url.startswith(ours) for url in sources)

    def as_repository(self) -> Repository:
        """Return the repository that it is of, at its ref, with what it opens and its content."""
        return Repository(
            *(self.provider, self.repository, self.url, self.ref, self.path),
            ambiguous_tail=self.tail,
            urlpath=self.urlpath,
            content_source=self.content_source,
        )


def content_columns(source: Repository | None) -> dict[str, str]:
    """Return the values of the columns for this source; its commit is not known yet."""
    return {
        "content_provider": source.provider if source else "",
        "content_repository": source.repository if source else "",
        "content_url": source.url if source else "",
        "content_ref": source.ref if source else "",
        "content_tail": source.ambiguous_tail if source else "",
        "content_commit": "",
    }
