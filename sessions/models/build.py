"""The model of a build: a repository at a commit becomes an image.

Everyone who launches that commit shares it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User
from sessions import disclosure
from sessions.models.record import AdvancingQuerySet
from sessions.names import short_commit
from sessions.states import BUILD_ACTIVE, BUILD_TRANSITIONS, SESSION_LIVE, BuildState, SessionState

if TYPE_CHECKING:
    from sessions.models.project import Project


class BuildQuerySet(AdvancingQuerySet["Build"]):
    """Queries on builds: who sees and uses which, and which images are there."""

    transitions = BUILD_TRANSITIONS

    def active(self) -> BuildQuerySet:
        """Return the builds that are pending or building."""
        return self.filter(state__in=BUILD_ACTIVE)

    def visible_to(self, user: User) -> BuildQuerySet:
        """Return all for staff with the permission, else none.

        People see builds in their projects.
        """
        may = user.may_enter and user.is_staff and user.has_perm("notebook_sessions.view_build")
        return self.all() if may else self.none()

    def usable_by(self, project: Project) -> BuildQuerySet:
        """Return the builds that this project may use: public or, if it is private, its owner's."""
        return self.filter(url=project.url, owner=project.owner_id if project.is_private else None)

    def with_image(self) -> BuildQuerySet:
        """Return the builds whose image is there."""
        return self.filter(state=BuildState.BUILT, dropped=False)

    def unused(self) -> BuildQuerySet:
        """Return the builds that no live session uses, be it waiting, running or being stopped."""
        return self.exclude(sessions__state__in=SESSION_LIVE)

    def with_content(self, commit: str, content: str) -> BuildQuerySet:
        """Return the builds of this commit, and then those of others with the same content."""
        same = models.Q(content=content) if content else models.Q(pk=None)
        is_other = models.Case(models.When(commit=commit, then=0), default=1)
        return self.filter(same | models.Q(commit=commit)).order_by(is_other, "-id")

    def newest_built(self, project: Project, commit: str, content: str = "") -> Build | None:
        """Return the newest build whose image serves this commit or its content, or None."""
        return self.usable_by(project).with_image().with_content(commit, content).first()


class Build(models.Model):
    """One run that turns a repository at a commit into an image.

    - ``owner`` is None for a build that everybody may use. One that was fetched with a person's SSH
      key is that person's alone, with its log.
    - ``image`` names the result in the back end; ``digest`` identifies the very image where the
      back end has digests.
    - ``chunks`` counts the stored pieces of the log; ``position`` is how far the back end's output
      has been read.
    - ``fresh`` means that nothing of earlier builds is used.
    - ``resources`` is the text of the repository's ``.resources``, None until it was read.
    - ``archive`` is the provider if that is an archive: then ``commit`` is a version.
    - ``content`` identifies the repository's files, whatever their ``.resources`` says: commits
      with the same files have the same one. "" if nobody has looked.
    - ``used`` is when a notebook was last given the image or has given it back.
    - ``size`` is the image's bytes, None if nobody knows and 0 once it was removed.
    - ``dropped`` means that nobody is given the image any more, and that it is gone from the back
      end or about to go.
    - ``kernel_seen`` means that a kernel has worked in a notebook of it, ``kernel_died`` that the
      first one of a notebook has died.
    - ``code`` and ``message`` say why it failed, or why a finished one is not used any more.
    - ``log_size`` is the bytes of the log, None while nobody has counted and 0 once it was removed.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="private_builds",
        verbose_name=_("private to"),
    )
    url = models.CharField(_("repository"), max_length=2000)
    ref = models.CharField(_("ref"), max_length=255, blank=True)
    commit = models.CharField(_("commit"), max_length=64)
    archive = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)
    image = models.CharField(_("image"), max_length=255)
    fresh = models.BooleanField(_("without cache"), default=False)
    state = models.CharField(
        _("state"), max_length=16, choices=BuildState.choices, default=BuildState.PENDING
    )
    pack = models.CharField(_("build pack"), max_length=64, blank=True)
    digest = models.CharField(_("digest"), max_length=255, blank=True)
    resources = models.TextField(_("resources"), null=True, blank=True)  # noqa: DJ001
    code = models.CharField(_("error code"), max_length=64, blank=True)
    message = models.TextField(_("error"), blank=True)
    chunks = models.PositiveIntegerField(default=0, editable=False)
    position = models.CharField(max_length=255, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    content = models.CharField(max_length=64, blank=True, editable=False)
    size = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    log_size = models.PositiveBigIntegerField(null=True, editable=False)
    used = models.DateTimeField(_("last used"), default=timezone.now)
    dropped = models.BooleanField(_("image dropped"), default=False)
    kernel_seen = models.BooleanField(default=False, db_default=False, editable=False)
    kernel_died = models.BooleanField(default=False, db_default=False, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now)
    started = models.DateTimeField(_("started"), null=True, blank=True)
    finished = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = BuildQuerySet.as_manager()

    class Meta:
        verbose_name = _("build")
        verbose_name_plural = _("builds")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=BuildState.values), name="build_state_is_known"
            ),
            models.UniqueConstraint(
                fields=["url", "commit"],
                condition=models.Q(state__in=BUILD_ACTIVE, owner=None),
                name="one_active_build_for_a_commit",
            ),
            models.UniqueConstraint(
                fields=["owner", "url", "commit"],
                condition=models.Q(state__in=BUILD_ACTIVE, owner__isnull=False),
                name="one_active_private_build",
            ),
        ]
        permissions = [("cancel_build", _("Can cancel builds"))]
        indexes = [
            models.Index(fields=["commit", "-id"], name="builds_of_commit"),
            models.Index(fields=["-finished"], name="builds_by_end"),
            models.Index(
                fields=["content", "-id"],
                condition=models.Q(state=BuildState.BUILT, dropped=False) & ~models.Q(content=""),
                name="images_of_content",
            ),
            models.Index(
                fields=["used"],
                condition=models.Q(state=BuildState.BUILT, dropped=False),
                name="images_by_use",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.url} @ {short_commit(self.commit)}"

    def may_be_cancelled_by(self, user: User) -> bool:
        """Return whether this person may cancel it for everybody: staff with the permission."""
        return user.is_staff and user.has_perm("notebook_sessions.cancel_build")

    def shows_log_to(self, user: User) -> bool:
        """Return whether this person may read its output.

        Only its owner may read that of a private build.
        """
        return self.owner_id is None or self.owner_id == user.pk

    @property
    def public_message(self) -> str:
        """Return the message as staff may read it, whoever the build belongs to."""
        return self.message if self.owner_id is None else disclosure.redact(self.message, self.code)

    def is_wanted(self) -> bool:
        """Return whether anybody still waits for it."""
        return self.sessions.filter(state=SessionState.WAITING).exists()
