"""The model of a preview: a file of a repository at a commit, as HTML to read during the build.

It is stored in the database, since that is what worker and web always share, and for a day.
`sessions.lifecycle.previews` makes it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions.providers import is_archive, is_private

if TYPE_CHECKING:
    from sessions.models.project import Project

KEEP = timedelta(days=1)
_MAX_WAIT = timedelta(minutes=2)


class PreviewQuerySet(models.QuerySet["Preview"]):
    """Queries on previews: which one is a project's, and which are over."""

    def of(self, project: Project) -> Preview | None:
        """Return the preview of what the project opens, made or not, or None."""
        source = source_of(project)
        return self.defer("html").filter(key=source.key).first() if source else None

    def lost(self) -> PreviewQuerySet:
        """Return the previews that nobody makes any more, since their worker was killed."""
        return self.filter(made=None, created__lt=timezone.now() - _MAX_WAIT)

    def expired(self, now: datetime) -> PreviewQuerySet:
        """Return the previews that nobody waits beside any more."""
        return self.filter(created__lt=now - KEEP)


class Preview(models.Model):
    """A rendered file, for all projects that open it at the same commit.

    - ``owner`` is None for a public repository; a private one's is that person's alone.
    - ``path`` is what was asked for, "" for the README; ``name`` is the file that was found, "" if
      there is none.
    - ``html`` is harmless, unless a program was outwitted: `portal.pages.preview` trusts it not.
      ``code`` says why there is none.
    - ``made`` is None while it is being made.
    """

    key = models.CharField(max_length=64, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", editable=False
    )
    url = models.CharField(max_length=2000, editable=False)
    ref = models.CharField(max_length=255, blank=True, editable=False)
    commit = models.CharField(max_length=64, editable=False)
    path = models.CharField(max_length=1000, blank=True, editable=False)
    name = models.CharField(max_length=1000, blank=True, editable=False)
    html = models.TextField(blank=True, editable=False)
    code = models.CharField(max_length=64, blank=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    made = models.DateTimeField(null=True, editable=False)

    objects = PreviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("preview")
        verbose_name_plural = _("previews")
        indexes = [models.Index(fields=["created"], name="previews_by_age")]

    def __str__(self) -> str:
        return f"{self.url}: {self.name or self.path}"

    @property
    def is_pending(self) -> bool:
        """Return whether it is still to come."""
        return self.made is None and timezone.now() - self.created < _MAX_WAIT


def source_of(project: Project) -> Preview | None:
    """Return the preview of what the project opens, not stored; None if there can be none.

    That is a file of the content where there is one. Archives are read only in builds.
    """
    content = project.content_source if project.content_commit else None
    url = content.url if content else project.url
    found = Preview(
        owner_id=project.owner_id if is_private(url) else None,
        url=url,
        ref=content.ref if content else project.ref,
        commit=project.content_commit if content else project.commit,
        path=content.path if content else project.path,
    )
    if not found.commit or (content is None and is_archive(project.provider)):
        return None
    which = repr((found.owner_id, url, found.commit, found.path))
    found.key = hashlib.sha256(which.encode()).hexdigest()
    return found
