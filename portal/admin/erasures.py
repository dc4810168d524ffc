"""Erase a person from their admin page, and list the people who were erased.

The page says what will happen and asks for the username to confirm; `portal.privacy.erase` does it.
The list shows whose volume is still in use, must be removed or is removed. The portal never removes
anybody's files: whoever removes a volume by hand says so in the list.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.models import Erasure, User
from portal.privacy import erase
from portal.templatetags.bindery import ago
from sessions.admin import display
from sessions.admin.bulk_action import BulkAction, ReadOnlyAdmin
from sessions.errors import StateConflict
from sessions.lifecycle import files
from sessions.models import Build, Project, Session

from .actions import staff_user


class EraseForm(forms.Form):
    """Asks for the person's username, so that nobody is erased by a slip of the hand."""

    username = forms.CharField(label=gettext_lazy("Their username, to confirm"), max_length=150)

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        self.fields["username"].widget.attrs |= {"autocomplete": "off", "class": "vTextField"}

    def clean_username(self) -> str:
        """Return the typed username. Raises `ValidationError` if it is not this person's."""
        typed: str = self.cleaned_data["username"]
        if typed != self.person.username:
            raise forms.ValidationError(_("This is not their username. Nothing was done."))
        return typed


class EraseMixin:
    """Gives a ``ModelAdmin`` the view of a page ``erase/`` for each person."""

    opts: Any
    admin_site: Any

    def erase_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show the page that asks for confirmation, and erase the person once it is confirmed.

        Raises `PermissionDenied` if the signed-in user may not erase them, `Http404` if there is
        nobody.
        """
        by, person = staff_user(request), User.objects.filter(pk=object_id).first()
        if not by.has_perm("portal.view_user"):
            raise PermissionDenied
        if person is None:
            raise Http404
        if not erase.may_erase(by, person):
            raise PermissionDenied
        form = EraseForm(request.POST or None, person=person)
        if request.method == "POST" and form.is_valid():
            return self._erase(request, person)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Erase a person"),
            "opts": self.opts,
            "person": person,
            "form": form,
            "immediate_effects": immediate_effects(person),
            "later_effects": later_effects(person),
            "kept_data": kept_data(person),
        }
        return TemplateResponse(request, "admin/portal/user/erase.html", context)

    def _erase(self, request: HttpRequest, person: User) -> HttpResponse:
        by = staff_user(request)
        row = erase.erase(person, by)
        said = _(
            "They are signed out, their projects are deleted, and their personal data are "
            "removed as soon as their notebooks have stopped. Remove the volume %(volume)s "
            "by hand."
        )
        messages.success(request, said % {"volume": row.volume})
        lists = "erasure" if by.has_perm("portal.view_erasure") else "user"
        return redirect(f"admin:portal_{lists}_changelist")


def immediate_effects(person: User) -> list[str]:
    """Return sentences on what happens when the button is pressed."""
    projects = Project.objects.kept().filter(owner=person).count()
    running = Session.objects.live().filter(project__owner=person).count()
    tokens = person.tokens.count()
    return [
        _("They are signed out everywhere and can never sign in again."),
        ngettext("%(n)d running notebook is stopped.",
                 "%(n)d running notebooks are stopped.", running) % {"n": running},
        ngettext("%(n)d project is deleted, and cannot be restored.",
                 "%(n)d projects are deleted, and cannot be restored.", projects) % {"n": projects},
        ngettext("%(n)d token is revoked, and the SSH key pair is gone for good.",
                 "%(n)d tokens are revoked, and the SSH key pair is gone for good.", tokens)
        % {"n": tokens},
        _("Their name, email address, groups, own limits, mail and requests are removed."),
    ]  # fmt: skip


def later_effects(person: User) -> list[str]:
    """Return sentences on what happens within a minute of their last notebook's end."""
    builds = Build.objects.filter(owner=person).count()
    return [
        ngettext("The log of %(n)d private build is removed.",
                 "The logs of %(n)d private builds are removed.", builds) % {"n": builds},
        _("The events of their projects and the addresses of private repositories are removed."),
        _("In the audit log and wherever else they are named, “%(alias)s” replaces their name.")
        % {"alias": f"erased-{person.pk}"},
    ]  # fmt: skip


def kept_data(person: User) -> list[str]:
    """Return sentences on what erasing does not remove."""
    return [
        _(
            "Their usage in hours, counted for “%(alias)s”, and the addresses of public "
            "repositories."
        )
        % {"alias": f"erased-{person.pk}"},
        _("The volume %(volume)s: remove it by hand, then confirm that under “Erased people”.")
        % {"volume": f"{files.volume_of(person)}-nfs-pvc"},
        _("Images of private builds: remove them from the registry by hand."),
        _("The username stays taken, so that nobody else gets the volume."),
    ]


def confirm_volume_removed(row: Erasure, _user: User) -> None:
    """Record that the volume was removed, and forget its name, which contains the person's.

    Raises `StateConflict` if the volume is still in use or already removed.
    """
    if not _effect(row):
        raise StateConflict("erasure.state", _("Its volume is still in use, or is already gone."))
    row.confirm_removal()


def _effect(row: Erasure) -> str:
    if row.removed or erase.unfinished_erasures([row]):
        return ""
    return _("The removal of the volume is recorded, and the volume’s name is deleted here.")


class VolumeRemovedFilter(admin.SimpleListFilter):
    """Filter by whether the volume is removed."""

    title = gettext_lazy("volume")
    parameter_name = "volume"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("there", gettext_lazy("to be removed")), ("removed", gettext_lazy("removed"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Erasure]) -> QuerySet[Erasure]:
        wanted = {"there": True, "removed": False}.get(self.value() or "")
        return rows if wanted is None else rows.filter(removed__isnull=wanted)


class ErasureChangeList(ChangeList):
    """The change list of erasures; each row knows whether it still waits for notebooks to stop."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = erase.unfinished_erasures(self.result_list)
        for row in self.result_list:
            row.is_awaited = row.pk in found


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    """The list of people who were erased, and of their volumes."""

    list_display = ("volume_name", "progress", "erased_ago", "erased_by")
    list_filter = (VolumeRemovedFilter,)
    list_select_related = ("by",)
    search_fields = ("volume", "by__username")
    ordering = ("-erased", "-pk")
    actions = ("export",)
    bulk_actions = (
        BulkAction(
            "volume_removed",
            gettext_lazy("Volume removed"),
            "portal.confirm_removal",
            confirm_volume_removed,
            _effect,
        ),
    )
    columns = (
        ("volume", lambda row: row.volume),
        ("erased", lambda row: row.erased),
        ("by", lambda row: row.by.username if row.by else ""),
        ("volume_removed", lambda row: row.removed),
    )
    fields = ("volume_name", "progress", "erased", "erased_by", "removed")
    readonly_fields = ("volume_name", "progress", "erased_by")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ErasureChangeList]:
        return ErasureChangeList

    @admin.display(description=gettext_lazy("volume"), ordering="volume")
    def volume_name(self, row: Erasure) -> str:
        """Return the volume's name, or "removed"."""
        return row.volume or _("removed")

    @admin.display(description=gettext_lazy("status"))
    def progress(self, row: Any) -> str:
        """Return whether notebooks still stop, the volume must be removed, or all is done."""
        if row.removed:
            return _("completed")
        if row.is_awaited if hasattr(row, "is_awaited") else erase.unfinished_erasures([row]):
            return _("notebooks are still stopping: the volume is in use")
        return _("remove the volume by hand")

    @admin.display(description=gettext_lazy("erased"), ordering="erased")
    def erased_ago(self, row: Erasure) -> Any:
        """Return how long ago the person was erased."""
        return display.labelled(_("erased"), ago(row.erased))

    @admin.display(description=gettext_lazy("by"), ordering="by__username")
    def erased_by(self, row: Erasure) -> SafeString | str:
        """Return the username of whoever erased them."""
        return display.labelled(_("by"), row.by.username if row.by else "")
