"""The site's limits, the bounds of support, and grants, as staff set them in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from quotas import changes
from quotas.limits import limits_of
from quotas.models import Grant, LimitSet, SupportBounds
from tests.admin.pages import filled_in

pytestmark = pytest.mark.django_db

SITE = "/admin/quotas/limitset/"
BOUNDS = "/admin/quotas/supportbounds/"
ADD = "/admin/quotas/grant/add/"


def day(number: int):
    return timezone.localdate() + timedelta(days=number)


def grant(client: Client, user, **fields):
    data = {"limit": "projects", "value": "8", "until": day(3).isoformat(), "reason": "course"}
    return client.post(ADD, {**data, "user": user.pk, **fields})


def save(client: Client, address: str, **changed):
    page = client.get(address, follow=True)
    path = page.request["PATH_INFO"]
    return client.post(path, {**filled_in(page), **changed, "_save": "Save"})


@pytest.fixture
def bounded(db) -> SupportBounds:
    return SupportBounds.objects.create(projects=10, max_cpu=4.5, days=30)


# --- The site ---
def test_the_list_of_limits_leads_to_the_sites_single_row(as_stan, ada):
    changes.set_own_limits(ada, {"projects": 9})
    for _time in range(2):
        page = as_stan.get(SITE, follow=True)
        assert "Limits for everybody" in page.content.decode()
    of_site = LimitSet.objects.get(user=None, group=None)
    assert not LogEntry.objects.get_for_object(of_site).exists()


def test_a_persons_limits_are_set_only_on_their_own_page(as_stan, ada):
    changes.set_own_limits(ada, {"projects": 9})
    answer = as_stan.post(f"{SITE}{ada.limit_set.pk}/change/", {"limit_projects": "50"})
    assert answer.status_code == 302
    assert limits_of(ada).projects == 9


def test_site_limits_take_effect_and_are_audited(as_stan, stan, ada):
    assert save(as_stan, SITE, limit_projects="7", limit_max_cpu="3.5").status_code == 302
    assert (limits_of(ada).projects, limits_of(ada).max_cpu) == (7, 3.5)
    entry = LogEntry.objects.get_for_object(LimitSet.objects.get()).latest()
    assert entry.actor == stan
    assert entry.changes == {"projects": ["None", "7"], "max_cpu": ["None", "3.5"]}
    save(as_stan, SITE, limit_projects="")
    assert limits_of(ada).projects == 5


def test_an_empty_field_shows_the_inherited_value(as_stan):
    page = as_stan.get(SITE, follow=True).content.decode()
    assert 'name="limit_projects"' in page
    assert 'placeholder="5"' in page


def test_a_groups_page_sets_limits_and_shows_inherited_ones(as_stan, ada):
    changes.set_own_limits(None, {"projects": 7})
    physics = Group.objects.create(name="physics")
    ada.groups.add(physics)
    address = f"/admin/auth/group/{physics.pk}/change/"
    rows = {row.field.name: row for row in as_stan.get(address).context["limits"]}
    assert rows["projects"].effective.inherited == 7
    assert rows["projects"].source_text == "set for everybody"
    assert save(as_stan, address, limit_projects="11").status_code == 302
    assert limits_of(ada).projects == 11


@pytest.mark.parametrize("who", ["as_vera", "as_sue"])
def test_viewers_and_support_cannot_change_site_limits_or_bounds(who, request, ada):
    client = request.getfixturevalue(who)
    for address in (SITE, BOUNDS):
        page = client.get(address, follow=True)
        assert 'name="_save"' not in page.content.decode()
        path = page.request["PATH_INFO"]
        answer = client.post(path, {"limit_projects": "50", "projects": "50", "days": "900"})
        assert answer.status_code == 403
    assert limits_of(ada).projects == 5
    assert SupportBounds.objects.get().projects == 10


def test_the_support_bounds_are_a_single_row(as_stan, stan):
    assert save(as_stan, BOUNDS, projects="12", days="60").status_code == 302
    row = SupportBounds.objects.get()
    assert (row.pk, row.projects, row.days) == (1, 12, 60)
    assert LogEntry.objects.get_for_object(row).latest().actor == stan


# --- Grants ---
def test_support_grants_within_the_bounds(as_sue, sue, ada, bounded):
    assert grant(as_sue, ada, value="10", until=day(30).isoformat()).status_code == 302
    given = Grant.objects.get()
    assert (given.value, given.given_by) == (10, sue)
    assert limits_of(ada).projects == 10
    assert LogEntry.objects.get_for_object(given).latest().actor == sue


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", "10.5"),
        ("value", "11"),
        ("value", "nan"),
        ("until", 31),
        ("until", -1),
        ("reason", ""),
    ],
)
def test_support_may_not_exceed_the_bounds_in_value_or_days(as_sue, ada, bounded, field, value):
    answer = grant(as_sue, ada, **{field: day(value) if field == "until" else value})
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]
    assert not Grant.objects.exists()


def test_support_may_not_grant_a_limit_without_a_default_bound(as_sue, ada, bounded):
    answer = grant(as_sue, ada, limit="max_gpu", value="1")
    assert "value" in answer.context["adminform"].form.errors


def test_support_may_not_grant_a_limit_whose_bound_is_unset(as_sue, ada):
    SupportBounds.objects.create(projects=None)
    assert grant(as_sue, ada, value="1").status_code == 200
    assert not Grant.objects.exists()


def test_support_may_not_change_or_delete_a_grant(as_sue, ada, bounded):
    grant(as_sue, ada)
    row = Grant.objects.get()
    base = f"/admin/quotas/grant/{row.pk}/"
    assert as_sue.post(f"{base}change/", {"value": "10"}).status_code == 403
    assert as_sue.post(f"{base}delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [row.pk], "post": "yes"}
    as_sue.post("/admin/quotas/grant/", chosen)
    assert Grant.objects.get().value == 8


def test_an_operator_may_exceed_the_bounds_but_not_grant_into_the_past(as_stan, ada, bounded):
    assert grant(as_stan, ada, value="50", until=day(300).isoformat()).status_code == 302
    assert grant(as_stan, ada, until=day(-1).isoformat()).status_code == 200
    assert limits_of(ada).projects == 50


def test_limits_that_count_things_take_whole_numbers(as_stan, ada):
    answer = grant(as_stan, ada, value="5.5")
    assert "value" in answer.context["adminform"].form.errors
    assert grant(as_stan, ada, limit="max_cpu", value="20.5").status_code == 302


def test_the_reason_of_an_expired_grant_can_be_edited(as_stan, ada):
    row = Grant.objects.create(user=ada, limit="projects", value=9, until=day(-5), reason="x")
    address = f"/admin/quotas/grant/{row.pk}/change/"
    assert save(as_stan, address, reason="a course").status_code == 302
    assert Grant.objects.get().reason == "a course"


def test_a_grant_cannot_be_moved_to_another_person(as_stan, ada, bob):
    row = Grant.objects.create(user=ada, limit="projects", value=9, until=day(5), reason="x")
    save(as_stan, f"/admin/quotas/grant/{row.pk}/change/", user=bob.pk, value="10")
    assert (Grant.objects.get().user, Grant.objects.get().value) == (ada, 10)


# --- The rule ---
def test_the_bounds_include_today_and_the_last_day(sue, bounded):
    changes.validate_grant(sue, "max_cpu", 4.5, day(30))
    changes.validate_grant(sue, "projects", 10, day(0))
    with pytest.raises(ValidationError) as refusal:
        changes.validate_grant(sue, "max_cpu", 4.6, day(31))
    assert set(refusal.value.message_dict) == {"value", "until"}


@pytest.mark.parametrize("who", ["ada", "vera"])
def test_people_without_the_permission_are_held_to_the_bounds(who, request, bounded):
    with pytest.raises(ValidationError):
        changes.validate_grant(request.getfixturevalue(who), "projects", 11, day(1))


def test_a_superuser_has_no_bounds(root):
    changes.validate_grant(root, "projects", 999, day(3000))


def test_support_may_not_grant_to_themselves(as_sue, sue, bounded):
    assert grant(as_sue, sue, value="10").status_code == 200
    assert not Grant.objects.exists()


def test_by_default_support_may_double_the_site_limit(as_sue, ada):
    assert grant(as_sue, ada, value="11").status_code == 200
    assert grant(as_sue, ada, value="10").status_code == 302
