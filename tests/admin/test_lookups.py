"""A list reveals no column that it does not show: not by filtering, searching or sorting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.auth.models import Permission
from django.db.models import ForeignObjectRel, Model
from django.test import Client

import portal.urls  # noqa: F401  which has the admin find all that is in it
from keys.models import Token
from portal import roles
from portal.adminsite.guard import AdminGuard
from portal.models import Letter, User
from quotas.models import LimitSet
from sessions.models import Project, Session
from sessions.states import ProjectState
from tests.conftest import signed_in
from tests.stages import project_in

pytestmark = pytest.mark.django_db

LISTS: dict[type[Model], ModelAdmin[Any]] = {
    model: site
    for model, site in admin.site._registry.items()
    if not model._meta.label.startswith("quotas.Support") and model is not LimitSet  # one row
}
ENDS = ("", "__exact", "__iexact", "__startswith", "__icontains", "__gt", "__regex", "__in",
        "__isnull")  # fmt: skip
SEARCHED = {
    "portal.User": {"username", "first_name", "last_name", "email"},
    "auth.Group": {"name"},
    "portal.Announcement": {"text"},
    "portal.Letter": {"subject", "to__username", "address"},
    "portal.Erasure": {"volume", "by__username"},
    "portal.Installation": set(),
    "keys.Token": {"name", "start", "user__username", "user__email"},
    "keys.KnownHost": {"host", "fingerprint", "first_user__username"},
    "quotas.Grant": {"user__username", "user__email", "reason"},
    "quotas.Profile": {"title", "gpu_type"},
    "quotas.LimitRequest": {"user__username", "user__email", "why"},
    "notebook_sessions.Project": {"name", "repository", "owner__username", "commit"},
    "notebook_sessions.Session": {"node"},
    "notebook_sessions.Build": {"url", "commit", "image"},
    "notebook_sessions.Removal": {"name"},
    "notebook_sessions.RepositoryRule": {"pattern", "reason"},
    "notebook_sessions.SetAside": {"name"},
    "auditlog.LogEntry": {"object_repr", "actor__username"},
}
"""Searched columns, each of which is in the list or on the row's page."""
SECRET = frozenset({"password", "digest", "sealed", "sealed_token", "text", "html", "message",
                    "resources", "key", "cookie", "ticket", "claimed", "subject"})  # fmt: skip


def address_of(model: type[Model]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def lookups_of(model: type[Model], deep: int = 2) -> Iterator[str]:
    """Yield every column of a model, and of related models, in both directions."""
    for field in model._meta.get_fields():
        name = field.name
        if isinstance(field, ForeignObjectRel):
            name = str(field.field.related_query_name())
        yield name
        if deep > 1 and isinstance(field.related_model, type):
            yield from (f"{name}__{inner}" for inner in lookups_of(field.related_model, deep - 1))


def filters_of(site: Any) -> tuple[set[str], set[str]]:
    """Return the columns that a list can be filtered by, and the parameters of its own filters."""
    own: set[Any] = {each for each in site.list_filter if isinstance(each, type)}
    columns = [each for each in site.list_filter if each not in own]
    fields = {each if isinstance(each, str) else str(each[0]) for each in columns}
    return fields, {str(each.parameter_name) for each in own}


def test_every_model_admin_has_the_guard():
    assert all(isinstance(site, AdminGuard) for site in admin.site._registry.values())


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_lists_accept_only_the_filters_that_they_offer(model, rf, root):
    """All ways that there are are asked for, over two relations."""
    site, request = LISTS[model], rf.get("/")
    request.user = root
    fields, words = filters_of(site)
    allowed = {f"{name}{end}" for name in fields
               for end in ("", "__exact", "__isnull", "__gte", "__lt", "__id__exact")}  # fmt: skip
    allowed |= words | set(getattr(site, "linked_by", ()))
    asked = {f"{name}{end}" for name in lookups_of(model) for end in ENDS}
    let = {lookup for lookup in asked if site.lookup_allowed(lookup, "x", request)}
    assert let <= allowed
    assert not {lookup for lookup in let if set(lookup.split("__")) & SECRET}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("keys/token/", "digest__startswith=a"),
        ("keys/token/", "user__password__startswith=a"),
        ("portal/letter/", "text__icontains=secret"),
        ("portal/letter/", "html__icontains=secret"),
        ("portal/user/", "password__startswith=pbkdf2"),
        ("portal/user/", "key_pair__sealed__startswith=a"),
        ("portal/user/", "tokens__digest__startswith=a"),
        ("portal/user/", "letters__text__icontains=secret"),
        ("notebook_sessions/session/", "sealed_token__startswith=a"),
        ("notebook_sessions/session/", "message__icontains=Traceback"),
        ("notebook_sessions/session/", "project__owner__password__startswith=a"),
        ("notebook_sessions/build/", "message__icontains=Traceback"),
        ("notebook_sessions/build/", "log__text__icontains=password"),
        ("notebook_sessions/build/", "resources__icontains=gpu"),
        ("notebook_sessions/project/", "owner__password__startswith=a"),
        ("notebook_sessions/project/", "events__message__icontains=a"),
        ("auth/group/", "user__password__startswith=a"),
        ("auditlog/logentry/", "actor__password__startswith=a"),
        ("auditlog/logentry/", "changes__icontains=a"),
        ("quotas/grant/", "user__password__startswith=a"),
    ],
)  # fmt: skip
def test_lookups_on_hidden_columns_are_refused(as_vera, path, query):
    assert as_vera.get(f"/admin/{path}?{query}").status_code == 400


def test_links_between_lists_still_filter_the_rows(as_vera, ada, backend):
    project_in(ProjectState.FAILED, ada)
    session = Session.objects.get()
    group = ada.groups.create(name="physics")
    for path, query, count in (
        ("notebook_sessions/project/", f"owner__id__exact={ada.pk}", 1),
        ("notebook_sessions/session/", f"project__id__exact={session.project_id}", 1),
        ("notebook_sessions/session/", f"build__id__exact={session.build_id}", 1),
        ("notebook_sessions/session/", "state__exact=failed&code__exact=build.requirements", 1),
        ("quotas/limitrequest/", "state__exact=open", 0),
        ("portal/user/", f"groups__id__exact={group.pk}", 1),
    ):
        page = as_vera.get(f"/admin/{path}?{query}")
        assert page.status_code == 200, query
        assert len(page.context["cl"].result_list) == count, query


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_search_covers_exactly_the_expected_columns(model):
    found = {each.lstrip("^=@") for each in LISTS[model].search_fields}
    assert found == SEARCHED[model._meta.label]


def test_searching_by_email_needs_permission_to_view_people(ada):
    """Whoever sees tokens and not people does not find out by them who has which address."""
    Token.objects.issue(ada, "laptop")
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_token"))

    def rows(query: str) -> int:
        page = signed_in(clerk).get(f"/admin/keys/token/?q={query}")
        return len(page.context["cl"].result_list)

    assert (rows("laptop"), rows("ada@example.org")) == (1, 0)
    roles.assign_role(clerk, "viewer")
    assert rows("ada@example.org") == 1


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_lists_are_never_sorted_by_a_secret_column(model, as_root: Client):
    """By whichever column and however many of them."""
    columns = len(LISTS[model].list_display) + 3
    for number in range(-1, columns):
        page = as_root.get(f"{address_of(model)}?o={number}.-{number + 1}")
        if page.status_code == 302:
            continue
        ordering = [str(each) for each in page.context["cl"].queryset.query.order_by]
        words = {word for each in ordering for word in each.strip("-").split("__")}
        assert not words & (SECRET - {"subject"} if model is Letter else SECRET), ordering


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_computed_columns_never_share_a_name_with_a_database_column(model):
    """Django would show, and sort by, what is stored under that name."""
    site = LISTS[model]
    names = {str(name) for name in (*site.list_display, *site.readonly_fields)}
    stored = {field.name for field in model._meta.concrete_fields}
    ours = {name for name in names if callable(getattr(site, name, None))}
    assert not ours & stored


def test_every_list_is_covered_by_these_tests():
    assert {model._meta.label for model in LISTS} == set(SEARCHED)
    assert Project in LISTS
