"""The admin's home page: the portal's condition, limited to what each role may see."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from portal.models import User
from quotas.models import LimitRequest
from sessions import backends, capacity
from sessions.backends import Problem
from sessions.models import Capacity, Heartbeat, HeartbeatName, Session
from tests.past_sessions import ran

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

SECTIONS = {
    "Running now": "notebook_sessions.view_session",
    "Launches on each": "notebook_sessions.view_session",
    "Builds finished": "notebook_sessions.view_build",
    "Top users": "notebook_sessions.view_session",
    "Top failures": "notebook_sessions.view_session",
    "Open requests": "quotas.view_limitrequest",
}


@pytest.fixture(autouse=True)
def afresh(backend):
    """Use the scripted back end, so that no real one is asked for its capacity."""


@pytest.fixture
def gus(db) -> User:
    """A user who may enter the admin, and has no role."""
    return User.objects.create_user("gus", is_staff=True)


def allow(user: User, *names: str) -> None:
    for name in names:
        app, _dot, codename = name.partition(".")
        permission = Permission.objects.get(content_type__app_label=app, codename=codename)
        user.user_permissions.add(permission)


def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def home(client: Client) -> str:
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def hours_ago(hours: float) -> datetime:
    return timezone.now() - timedelta(hours=hours)


@pytest.fixture
def busy(ada, bob) -> Session:
    """Two running notebooks, two failed launches, and a request by ada for more."""
    ran(ada, hours_ago(3), None, gpu=1)
    ran(bob, hours_ago(0.1), None)
    ran(ada, None, hours_ago(1), state="failed", code="build.timeout")
    until = timezone.localdate() + timedelta(days=9)
    LimitRequest.objects.create(user=ada, limit="max_gpu", value=2, until=until, why="Thesis")
    return ran(bob, None, hours_ago(0.5), state="failed", code="build.timeout")


def test_an_empty_portal_explains_itself(as_root):
    page = home(as_root)
    for sentence in (
        "No launch has failed in the last 30 days.",
        "No notebook has run this month.",
        "No open requests. Requests for higher limits appear here.",
        "Capacity is known a minute after watch starts.",
        "no notebook became ready",
        '<desc id="days-summary">none</desc>',
    ):
        assert sentence in page
    assert "All lists" in page


def test_home_shows_used_resources_against_the_capacity(as_root, busy):
    capacity.refresh()
    page = home(as_root)
    for words in ("4 of 16 CPU", "8 of 64 GB", "1 of 2 GPU"):
        assert words in page
    assert "more than the total" not in page
    backend_has = backends.Capacity(cpu=2, memory_gb=64, gpu=2)
    Capacity.objects.update(cpu=backend_has.cpu)
    assert "4 of 2 CPU <span" in home(as_root)


def test_home_names_the_missing_right_when_the_capacity_is_unknown(as_root, busy, backend):
    backend.there_is = None
    capacity.refresh()
    page = home(as_root)
    assert "rbac.readNodes" in page
    assert "4 CPU" in page


def test_gpus_are_shown_only_where_they_exist_or_are_used(as_root, ada, backend):
    backend.there_is = backends.Capacity(cpu=4, memory_gb=8, gpu=0)
    capacity.refresh()
    assert "<dt>GPU" not in home(as_root)
    ran(ada, hours_ago(1), None, gpu=1)
    assert "<dt>GPU" in home(as_root)


def test_every_figure_links_to_the_list_behind_it(as_root, busy):
    page = home(as_root)
    addresses = {
        address.replace("&amp;", "&")
        for address in re.findall(r'href="(/admin/[^"]*)"', page.partition("All lists")[0])
    }
    assert len(addresses) > 80
    assert f"/admin/notebook_sessions/session/{busy.pk}/change/" in addresses
    seen = {re.sub(r"\d{4}-[^&]*|/\d+/", "…", address): address for address in addresses}
    for address in seen.values():
        assert as_root.get(address).status_code == 200, address
    code = "/admin/notebook_sessions/session/?state__exact=failed&code__exact=build.timeout"
    assert code in addresses
    assert "2 sessions" in as_root.get(code).content.decode()


def test_problems_are_shown_with_their_remedies(as_root, backend):
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=timedelta(minutes=1))
    assert "No known problems" in home(as_root)
    backend.troubles = [Problem("local.no-git", "The program git is missing.", "Install it.")]
    Heartbeat.objects.update(at=hours_ago(1))
    Capacity.objects.create(pk=1, at=hours_ago(1), cpu=1, memory_gb=1, gpu=0)
    page = home(as_root)
    for words in ("The program git is missing.", "Install it.", "portal.watch", "portal.capacity"):
        assert words in page


def test_home_shows_when_its_figures_were_read(as_root, busy):
    assert re.search(r"As of \d\d:\d\d:\d\d UTC", home(as_root))


@pytest.mark.parametrize("who", ["vera", "sue", "stan", "root"])
def test_each_role_sees_the_whole_page(request, busy, who):
    page = home(client(request.getfixturevalue(who)))
    assert [name for name in SECTIONS if name not in page] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_without_permission_are_hidden(gus, busy, section):
    allow(gus, *(set(SECTIONS.values()) - {SECTIONS[section]}))
    assert section not in home(client(gus))


def test_staff_without_a_role_are_told_to_ask_for_one(gus, busy):
    page = home(client(gus))
    assert "Ask an operator for a role" in page
    assert [name for name in SECTIONS if name in page] == []
    assert not re.search(r"\bada\b|build\.timeout", page)


def test_people_are_linked_only_for_staff_who_may_view_people(gus, busy, ada, as_root):
    allow(gus, "notebook_sessions.view_session")
    ran(ada, hours_ago(2), hours_ago(1))
    link = f'href="/admin/portal/user/{ada.pk}/change/"'
    assert link not in home(client(gus))
    cache.clear()
    assert link in home(as_root)


def test_people_who_are_not_staff_are_sent_to_the_login_page(as_ada, as_eve):
    for path in ("/admin/", "/admin/usage.csv"):
        for person in (as_ada, as_eve):
            assert person.get(path).url.startswith("/admin/login/")


def test_hostile_names_are_escaped(as_root):
    name = "<script>alert(1)</script>"
    mallory = User.objects.create_user(name)
    ran(mallory, hours_ago(2), None)
    ran(mallory, None, hours_ago(1), state="failed", code="<img src=x>&")
    page = home(as_root)
    assert "<script>alert" not in page and "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_number_of_queries_does_not_grow_with_the_rows(
    as_root, ada, bob, django_assert_max_num_queries
):
    def queries() -> int:
        cache.clear()
        with django_assert_max_num_queries(40) as counted:
            home(as_root)
        return len(counted)

    home(as_root)
    ran(ada, hours_ago(2), hours_ago(1))
    few = queries()
    for number in range(1, 9):
        person = User.objects.create_user(f"person-{number}")
        ran(person, hours_ago(number), None)
        ran(person, None, hours_ago(number), state="failed", code=f"code.{number}")
        until = timezone.localdate() + timedelta(days=9)
        LimitRequest.objects.create(user=person, limit="projects", value=9, until=until, why="w")
    assert queries() == few


# --- the export ---
@async_to_sync
async def whole(answer: Any) -> str:
    return b"".join([piece async for piece in answer]).decode()


def exported(client: Client, **query: str) -> list[dict[str, str]]:
    answer = client.get("/admin/usage.csv", query)
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(whole(answer))))


@pytest.fixture
def november(ada, bob) -> None:
    for owner, hours in ((ada, 3), (bob, 1)):
        begin = datetime(2025, 11, 3, 10, tzinfo=UTC)
        ran(owner, begin, begin + timedelta(hours=hours), gpu=1, repository="gl/a")


def test_usage_is_exported_by_month_and_person(as_vera, november):
    assert exported(as_vera, **{"from": "2025-10", "to": "2025-12"}) == [
        {
            "month": "2025-11",
            "person": name,
            "sessions": "1",
            "CPU-hours": cpu,
            "GB-hours": memory,
            "GPU-hours": gpu,
        }
        for name, cpu, memory, gpu in (("ada", "6.0", "12.0", "3.0"), ("bob", "2.0", "4.0", "1.0"))
    ]


@pytest.mark.parametrize(
    ("by", "columns", "rows"),
    [
        ("person", ["person"], 2),
        ("repository", ["repository"], 1),
        ("group", ["group"], 1),
        ("all", ["person", "repository"], 2),
    ],
)
def test_usage_export_can_be_grouped_by_person_repository_or_group(
    as_vera, november, by, columns, rows
):
    found = exported(as_vera, by=by, **{"from": "2025-11", "to": "2025-11"})
    assert len(found) == rows
    assert set(columns) < found[0].keys()


def test_usage_export_quotes_formulas(as_vera, ada):
    ran(ada, hours_ago(1), None, repository='=HYPERLINK("http://x")')
    [row] = exported(as_vera, by="repository")
    assert row["repository"] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize(
    "query",
    [{"by": "nobody"}, {"from": "yesterday"}, {"from": "2026-02", "to": "2026-01"},
     {"from": "1980-01", "to": "2026-01"}, {"to": "2026-13"}],
)  # fmt: skip
def test_invalid_export_query_is_refused_with_an_example(as_vera, query):
    answer = as_vera.get("/admin/usage.csv", query)
    assert answer.status_code == 400
    assert "from=2026-01&to=2026-03" in answer.content.decode()


def test_usage_export_needs_permission_to_view_sessions(gus):
    assert client(gus).get("/admin/usage.csv").status_code == 403
    allow(gus, "notebook_sessions.view_session")
    assert exported(client(User.objects.get(pk=gus.pk))) == []


def test_account_page_shows_the_usage_of_its_owner(as_ada, as_eve, ada, bob):
    ran(ada, hours_ago(0.5), None, cpu_request=1)
    ran(bob, hours_ago(3), None, gpu=1)
    page = re.sub(r"\s+", " ", as_ada.get("/account/").content.decode())
    assert "Usage" in page
    assert "CPU-hours this month" in page and "GPU-hours" not in page
