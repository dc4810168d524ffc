"""The model of a project: a person's repository at a ref, running or not.

It counts against the person's limit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.lib.db import CompiledQuery, Param
from portal.models import User
from portal.models.mail import ATTEMPTS, UNDELIVERABLE_AFTER
from sessions import disclosure
from sessions.models.sources import WithSources
from sessions.states import BUILD_ACTIVE, ProjectState, SessionState

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

VIEW_PERMISSION = "notebook_sessions.view_project"
ACT_PERMISSION = "notebook_sessions.act_on_project"
ALL_OWNERS = "all"
_STALE = timedelta(hours=1)
"""A mail sent this long before the warning belongs to an earlier one, as older code may leave it.
Clocks of two machines differ by less.
"""
_AWAITING_LETTER = (
    models.Q(letter__sent=None) | models.Q(letter__sent__lt=models.F("warned") - _STALE)
) & (models.Q(owner__is_active=True) & ~models.Q(owner__email=""))
_RESTORABLE = models.Q(removed__isnull=False, drops__gt=models.F("removed"))


class ProjectQuerySet(models.QuerySet["Project"]):
    """Queries on projects: who sees which, and which are deleted, announced or restorable."""

    def existing(self) -> ProjectQuerySet:
        """Return the projects that nobody has deleted."""
        return self.filter(removed__isnull=True)

    def restorable(self) -> ProjectQuerySet:
        """Return the projects that were deleted and can be restored.

        All that is theirs is kept until ``drops``, and until `mark_unrestorable` has said so. No
        clock is read here: either a restore or the removal wins.
        """
        return self.filter(_RESTORABLE)

    def kept(self) -> ProjectQuerySet:
        """Return the projects of which everything is kept: they exist, or they can be restored."""
        return self.filter(models.Q(removed__isnull=True) | _RESTORABLE)

    def mark_unrestorable(self) -> int:
        """Mark deleted projects as no longer restorable; return how many there were."""
        return self.restorable().update(drops=models.F("removed"))

    def pending_removal(self) -> ProjectQuerySet:
        """Return the projects that nobody can restore and that the back end still has."""
        return self.filter(removed__isnull=False, drops__lte=models.F("removed"))

    def mark_removed(self) -> int:
        """Note that the back end keeps nothing of them any more; return how many there were.

        No row names a volume longer than it has to: it may be the volume of somebody who is erased.
        """
        return self.pending_removal().update(
            drops=None, files_volume="", files_size=None, files_measured=None
        )

    def visible_to(self, user: User | AnonymousUser) -> ProjectQuerySet:
        """Return the projects that a person may see: their own, or all for staff who may view them.

        Pages, API and sockets find projects only in this way, by `get_visible`, or among a person's
        `own`.
        """
        return _visible_to(user, self.existing())

    def restorable_by(self, user: User | AnonymousUser) -> ProjectQuerySet:
        """Return deleted projects that can be restored, among those that this person may see.

        `Project.may_be_changed_by` says whether they may restore them.
        """
        return _visible_to(user, self.restorable())

    def get_visible(self, name: str, user: User | AnonymousUser) -> Project | None:
        """Return the project of this name if ``user`` may see it, else None.

        Nearly every request calls this, so its query is prepared.
        """
        if not user.is_authenticated or not user.may_enter:
            return None
        for project in _NAMED(name=name):
            if project.owner_id == user.pk or _may_as_staff(user, VIEW_PERMISSION):
                return project
        return None

    def get_restorable(self, name: str, user: User | AnonymousUser) -> Project | None:
        """Return the project of this name if it can be restored and ``user`` may see it."""
        return self.restorable_by(user).filter(name=name).first()

    def owned_by(self, owner: str, user: User) -> ProjectQuerySet:
        """Return the projects of this owner: "" is ``user``, `ALL_OWNERS` all people, for staff.

        Raises `User.DoesNotExist` for an owner whom ``user`` may know nothing of.
        """
        if owner in {"", user.username}:
            return self.filter(owner=user)
        if not _may_as_staff(user, VIEW_PERMISSION):
            raise User.DoesNotExist
        return self if owner == ALL_OWNERS else self.filter(owner=User.objects.get(username=owner))

    def in_state(self, state: str) -> ProjectQuerySet:
        """Return the projects that show this state, by the same rule as `Project.state`."""
        building = models.Q(current__build__state__in=BUILD_ACTIVE)
        if state == ProjectState.BUILDING:
            return self.filter(building, current__state=SessionState.WAITING)
        if state == ProjectState.WAITING:
            return self.filter(current__state=SessionState.WAITING).exclude(building)
        never_run = models.Q(current=None) if state == ProjectState.STOPPED else models.Q()
        return self.filter(models.Q(current__state=state) | never_run)

    def touch(self) -> int:
        """Note that the person has just done something with it, which cancels its deletion."""
        return self.update(last_activity=timezone.now(), warned=None, goes=None)

    def expiring(self) -> ProjectQuerySet:
        """Return the projects whose owner knows that they will be deleted, the next one first."""
        return self.existing().filter(goes__isnull=False).order_by("goes", "pk")

    def awaiting_letter(self) -> ProjectQuerySet:
        """Return the projects of `expiring` whose owner is still to be told by letter.

        Owners who get no letters, for want of an address or of a mail server, are told by pages
        alone.
        """
        return (
            self.expiring().filter(_AWAITING_LETTER) if settings.PORTAL_EMAIL_URL else self.none()
        )

    def with_refused_letter(self) -> ProjectQuerySet:
        """Return the projects whose owner's letter is refused for so long that staff decide."""
        long_ago = timezone.now() - UNDELIVERABLE_AFTER
        return self.awaiting_letter().filter(warned__lte=long_ago, letter__attempts__gte=ATTEMPTS)

    def own(self, user: User) -> list[Project]:
        """Return this person's own, the last used first."""
        return _OWN(owner=user.pk) if user.may_enter else []

    def expiring_of(self, user: User) -> list[Project]:
        """Return this person's own that are about to be deleted, the next one first."""
        return _EXPIRING(owner=user.pk) if user.may_enter else []

    def deleted_of(self, user: User, since: datetime) -> list[Project]:
        """Return this person's deleted projects that can be restored, the latest deletion first.

        Also return those that the portal itself has deleted after ``since``.
        """
        return _GONE(owner=user.pk, since=since)


class Project(WithSources):
    """A person's repository at a ref.

    - ``link`` is the digest of the launch link by which programs ask for it (`sessions.api.build`).
    - ``resources`` is the text of ``.resources`` there, None until a launch has read it;
      ``content`` is like `Build.content`.
    - ``files_volume`` names the volume that keeps its files ("" before the first run),
      ``files_size`` is their bytes at ``files_measured``.
    - ``warned`` is when its owner was told that it will be deleted for inactivity, ``goes`` when it
      will be. Both are None until that is near, and again as soon as somebody does something with
      it. ``letter`` is the one that says so.
    - ``removed`` is when it was deleted. ``drops`` is until when it can be restored, with all that
      is kept of it: not after ``removed`` once it cannot, None when nothing of it is kept.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="projects")
    name = models.CharField(_("name"), max_length=63, unique=True)
    link = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    current = models.OneToOneField(
        "notebook_sessions.Session", models.SET_NULL, null=True, related_name="+", editable=False
    )
    resources = models.TextField(null=True, editable=False)  # noqa: DJ001  not read yet
    content = models.CharField(max_length=64, blank=True, editable=False)
    events_written = models.PositiveIntegerField(default=0, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now)
    last_activity = models.DateTimeField(_("last activity"), default=timezone.now)
    warned = models.DateTimeField(_("warned"), null=True, blank=True, editable=False)
    goes = models.DateTimeField(_("goes"), null=True, blank=True, editable=False)
    letter = models.ForeignKey(
        "portal.Letter", models.SET_NULL, null=True, related_name="+", editable=False
    )
    removed = models.DateTimeField(_("deleted"), null=True, blank=True)
    drops = models.DateTimeField(_("can be restored until"), null=True, blank=True, editable=False)
    files_volume = models.CharField(
        max_length=63, blank=True, default="", db_default="", editable=False
    )
    files_size = models.BigIntegerField(_("size of its files"), null=True, editable=False)
    files_measured = models.DateTimeField(_("measured"), null=True, editable=False)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        permissions = [("act_on_project", _("Can start, stop and delete people's projects"))]
        indexes = [
            models.Index(fields=["-last_activity"], name="projects_by_activity"),
            models.Index(
                fields=["goes"],
                condition=models.Q(removed__isnull=True, goes__isnull=False),
                name="projects_that_go",
            ),
            models.Index(
                fields=["drops"],
                condition=models.Q(drops__isnull=False),
                name="projects_that_drop",
            ),
            models.Index(
                fields=["owner", "-created"],
                condition=models.Q(removed__isnull=True),
                name="existing_projects_of_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def may_be_changed_by(self, user: User) -> bool:
        """Return whether this person may change it: its owner, and staff with the permission.

        Only its owner may open its notebook: `sessions.gateway.authorize` sees to that.
        """
        return self.owner_id == user.pk or _may_as_staff(user, VIEW_PERMISSION, ACT_PERMISSION)

    @property
    def state(self) -> ProjectState:
        """Return the current session's state, with the build's part of it while it waits."""
        if self.current is None:
            return ProjectState.STOPPED
        build = self.current.build
        if self.current.state == SessionState.WAITING and build and build.state in BUILD_ACTIVE:
            return ProjectState.BUILDING
        return ProjectState(self.current.state)

    @property
    def is_restorable(self) -> bool:
        """Return whether it was deleted and can be restored."""
        return bool(self.removed and self.drops and self.drops > self.removed)

    def shows_log_to(self, user: User) -> bool:
        """Return whether this person may read the output of its builds and notebooks.

        For a confidential project, only its owner may.
        """
        return not self.is_confidential or self.owner_id == user.pk

    def message_for(self, user: User) -> str:
        """Return its current session's message, as this person may read it."""
        if self.current is None:
            return ""
        if self.shows_log_to(user):
            return self.current.message
        return disclosure.redact(self.current.message, self.current.code)

    @property
    def notebook_url(self) -> str:
        """Return the notebook's own address, which is an origin of its own."""
        return f"{settings.GATEWAY_SCHEME}://{self.name}.{settings.PORTAL_GATEWAY_DOMAIN}/"

    @property
    def is_live(self) -> bool:
        """Return whether a session is on its way, running, or not yet gone."""
        return self.state not in {ProjectState.STOPPED, ProjectState.FAILED}


_NAMED = CompiledQuery(
    lambda: (
        Project.objects.existing()
        .filter(name=Param("name", models.CharField()))
        .select_related("owner", "current__build")
    )
)
_OWNER = Param("owner", models.BigIntegerField())
_OWN = CompiledQuery(
    lambda: (
        Project.objects.existing()
        .filter(owner=_OWNER)
        .select_related("owner", "current__build")
        .order_by("-last_activity")
    )
)
_EXPIRING = CompiledQuery(lambda: Project.objects.filter(owner=_OWNER).expiring())
_GONE = CompiledQuery(
    lambda: Project.objects.filter(
        models.Q(removed__gt=Param("since", models.DateTimeField()), goes__isnull=False)
        | _RESTORABLE,
        owner=_OWNER,
    ).order_by("-removed", "-pk")
)


def _visible_to(user: User | AnonymousUser, rows: ProjectQuerySet) -> ProjectQuerySet:
    if not user.is_authenticated or not user.may_enter:
        return rows.none()
    rows = rows.select_related("owner", "current__build")
    return rows if _may_as_staff(user, VIEW_PERMISSION) else rows.filter(owner=user)


def _may_as_staff(user: User, *permissions: str) -> bool:
    return user.is_staff and user.has_perms(permissions)
