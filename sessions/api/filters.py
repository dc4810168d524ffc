"""What a list of projects may be narrowed to, and in which order it comes."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import Q
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from portal.models import User
from sessions.models import Project
from sessions.models.project import ProjectQuerySet
from sessions.providers import PROVIDERS
from sessions.states import ProjectState

ORDERS = ["-created", "created", "-last_activity", "last_activity", "name", "-name"]


class ProjectFilter(filters.FilterSet):  # type: ignore[misc]  # untyped
    """Without ``owner`` the list is of one's own projects, for staff too."""

    state = filters.MultipleChoiceFilter(
        choices=ProjectState.choices,
        method="in_states",
        help_text=_("The state; give it several times for any of several."),
    )
    provider = filters.ChoiceFilter(
        choices=[(name, name) for name in PROVIDERS], help_text=_("Where the repository is.")
    )
    repository = filters.CharFilter(help_text=_("The repository, as it stands in the answers."))
    ref = filters.CharFilter(help_text=_("The branch, tag or commit that was asked for."))
    q = filters.CharFilter(
        method="with_text", help_text=_("Some text from the name or the repository.")
    )
    ordering = filters.ChoiceFilter(
        choices=[(order, order) for order in ORDERS],
        method="in_order",
        help_text=_("The order; the newest first where nothing is said."),
    )
    owner = filters.CharFilter(
        help_text=_("For staff: a username, or `all` for everybody's. Rows then have `owner`."),
    )

    deleted = filters.BooleanFilter(
        help_text=_(
            "`true`: instead, those that were deleted and can be restored. Rows then have "
            "`owner`, `deleted` and `restorable_until`."
        ),
    )

    class Meta:
        model = Project
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: ProjectQuerySet) -> ProjectQuerySet:
        owner, asks = self.form.cleaned_data.pop("owner"), self.request.user
        if self.form.cleaned_data.pop("deleted"):
            queryset = Project.objects.restorable_by(asks).order_by("-created")
        try:
            rows = queryset.of(owner, asks)
        except User.DoesNotExist:
            raise Http404 from None
        found: ProjectQuerySet = super().filter_queryset(rows)
        return found

    def in_states(
        self, rows: ProjectQuerySet, name: str, states: list[ProjectState]
    ) -> ProjectQuerySet:
        return reduce(or_, (rows.in_state(state) for state in states)) if states else rows

    def with_text(self, rows: ProjectQuerySet, name: str, text: str) -> ProjectQuerySet:
        return rows.filter(Q(name__icontains=text) | Q(repository__icontains=text))

    def in_order(self, rows: ProjectQuerySet, name: str, order: str) -> ProjectQuerySet:
        return rows.order_by(order)
