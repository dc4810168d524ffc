"""A build: a repository at a commit becoming an image, shared by all who launch that commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User
from sessions import disclosure
from sessions.models.record import Transition
from sessions.states import BUILD_ACTIVE, BUILD_TRANSITIONS, SESSION_LIVE, BuildState, SessionState

if TYPE_CHECKING:
    from sessions.models.project import Project


class BuildQuerySet(models.QuerySet["Build"]):
    def active(self) -> BuildQuerySet:
        return self.filter(state__in=BUILD_ACTIVE)

    def visible_to(self, user: User) -> BuildQuerySet:
        """All for staff with the right to; a person sees the builds of their projects there."""
        may = user.may_enter and user.is_staff and user.has_perm("notebook_sessions.view_build")
        return self.all() if may else self.none()

    def of(self, project: Project) -> BuildQuerySet:
        """Those that this project may use: everybody's, or its owner's own where it is private."""
        return self.filter(url=project.url, owner=project.owner_id if project.is_private else None)

    def kept(self) -> BuildQuerySet:
        """Those whose image is there."""
        return self.filter(state=BuildState.BUILT, dropped=False)

    def unused(self) -> BuildQuerySet:
        """Those that no live session has, be it waiting, running or being stopped."""
        return self.exclude(sessions__state__in=SESSION_LIVE)

    def like(self, commit: str, content: str) -> BuildQuerySet:
        """Those of this commit first, then those of others that have the same content."""
        same = models.Q(content=content) if content else models.Q(pk=None)
        is_other = models.Case(models.When(commit=commit, then=0), default=1)
        return self.filter(same | models.Q(commit=commit)).order_by(is_other, "-id")

    def newest_built(self, project: Project, commit: str, content: str = "") -> Build | None:
        """The image to use for a commit, if one was ever finished for it or for its content."""
        return self.of(project).kept().like(commit, content).first()

    def advance(self, pk: int, to: BuildState, *, by: str, why: str = "", **fields: Any) -> bool:
        """Move build ``pk`` to ``to`` if that is allowed from where it is; say whether it was.

        The only writer of ``state``. Exactly one of several who try at once wins.
        """
        return Transition.objects.move(self.model, pk, BUILD_TRANSITIONS, to, by, why, fields)


class Build(models.Model):
    """``owner`` is None for what everybody may use; what one person's SSH key has fetched is that
    person's alone, with its log. ``image`` names the result in the back end; ``chunks`` counts
    the stored pieces of the log, ``position`` is how far the back end's output has been read.
    ``fresh``: nothing of earlier builds is used. ``digest`` tells the very image where the back
    end has such; ``resources`` is the text of the repository's ``.resources``, None until it was
    read. ``content`` tells the repository's files apart from those of other commits, whatever
    their ``.resources`` says; "" where nobody has looked. ``used`` is when a notebook was last
    given the image or has given it back, ``size`` its bytes, None where nobody knows and 0 once
    it was removed. ``dropped``: nobody is given the image any more, and it is gone from the back
    end or about to go. ``log_size`` is the bytes of the log, None while nobody has counted and 0
    once it was removed."""

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
        return f"{self.url} @ {self.commit[:7]}"

    def may_be_cancelled_by(self, user: User) -> bool:
        """Whether this person may end it for everybody: staff with the right to."""
        return user.is_staff and user.has_perm("notebook_sessions.cancel_build")

    def shows_log_to(self, user: User) -> bool:
        """Whether this person may read what it says; of a private one its owner alone."""
        return self.owner_id is None or self.owner_id == user.pk

    @property
    def public_message(self) -> str:
        """The message as staff may read it, whose build it is."""
        return self.message if self.owner_id is None else disclosure.shown(self.message, self.code)

    def is_wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return self.sessions.filter(state=SessionState.WAITING).exists()
