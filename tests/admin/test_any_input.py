"""Fuzz the admin: no input at any address causes a server error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.test import Client

from portal.models import Announcement
from tests import hostile
from tests.admin.pages import addresses, filled_in
from tests.admin.test_access import all_actions
from tests.admin.test_lookups import filters_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.databases,
    # Files are asked for by a synchronous client here, which is not how they are served.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
    pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime:RuntimeWarning"),
]

Tries = Iterator[tuple[str, Any, Callable[[], Any]]]
COMMON = ("q", "o", "p", "e", "all", "_popup", "_to_field", "_changelist_filters", "_facets",
          "next", "by", "from", "to", "app_label", "model_name", "field_name", "term")  # fmt: skip


def parameters(model: type[Model] | None) -> list[str]:
    """Return the query parameters of a list, and of a form that they prefill."""
    if model is None:
        return list(COMMON)
    site = admin.site._registry[model]
    fields, words = filters_of(site)
    ends = ("", "__exact", "__gte", "__lt", "__isnull", "__id__exact")
    own = {f"{field}{end}" for field in fields for end in ends}
    own |= words | set(getattr(site, "linked_by", ()))
    return [*COMMON, *sorted(own), *(field.name for field in model._meta.get_fields())]


def queries(client: Client, things: dict[type[Model], Model]) -> Tries:
    for address in addresses(things).values():
        model = next((each for each in things if address.startswith(base(each))), None)
        for name in parameters(model):
            for value in hostile.VALUES:
                yield address, {name: value}, partial(hostile.get, client, address, name, value)


def base(model: type[Model]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def rows(client: Client, things: dict[type[Model], Model]) -> Tries:
    """Yield addresses of rows that cannot exist."""
    for model in things:
        for end in ("change/", "delete/", "history/", "password/", "erase/", "log.txt", ""):
            for value in hostile.VALUES:
                address = f"{base(model)}{quote(value, safe='')}/{end}"
                for call in (client.get, client.post):
                    yield address, call.__name__, partial(call, address)


def actions(client: Client, things: dict[type[Model], Model]) -> Tries:
    """Yield actions on rows that cannot exist, asked for and confirmed, and their forms."""
    for model, row in things.items():
        for action in [*all_actions(model), "nothing"]:
            for value in hostile.VALUES:
                for chosen, more in (
                    ([value], {}),
                    ([value, str(row.pk)], {"confirmed": "yes", "post": "yes"}),
                    ([str(row.pk)], {"confirmed": "yes", "index": value, "select_across": value}),
                    ([str(row.pk)], dict.fromkeys(_ASKED, value) | {"confirmed": "yes"}),
                ):
                    sent = {"action": action, ACTION_CHECKBOX_NAME: chosen, **more}
                    yield base(model), sent, partial(client.post, base(model), sent)


_ASKED = ("projects", "running", "limit", "value", "until", "reason", "stop")


def forms(client: Client, things: dict[type[Model], Model]) -> Tries:
    """Yield each field of each form, one after another."""
    for model, row in things.items():
        for address in (f"{base(model)}add/", f"{base(model)}{row.pk}/change/"):
            page = client.get(address)
            if page.status_code != 200 or not page.context or "adminform" not in page.context:
                continue
            sent = filled_in(page)
            names = [*sent, *page.context["adminform"].form.fields, "_continue", "_saveasnew"]
            for name in dict.fromkeys(names):
                for value in hostile.VALUES:
                    yield (
                        address,
                        {name: value},
                        partial(client.post, address, {**sent, name: value, "_save": "Save"}),
                    )


@pytest.mark.parametrize("most", hostile.AMOUNTS)
@pytest.mark.parametrize("what", [queries, rows, actions, forms], ids=lambda what: what.__name__)
def test_hostile_input_to_model_pages_causes_no_server_error(as_root, things, backend, what, most):
    assert hostile.broken(what(as_root, things), most) == []


def test_a_time_in_the_address_of_a_form_is_ignored(as_root):
    for text in ("inf", "2026-12-01 10:00"):
        answer = as_root.get("/admin/portal/announcement/add/", {"ends": text, "text": "On Friday"})
        assert answer.status_code == 200
        assert "On Friday" in answer.content.decode()


@pytest.mark.parametrize(
    "path", ["login/", "logout/", "password_change/", "autocomplete/", "jsi18n/", "usage.csv"]
)
@pytest.mark.parametrize("most", hostile.AMOUNTS)
def test_hostile_input_to_other_admin_pages_causes_no_server_error(as_root, path, most):
    def tries() -> Tries:
        names = [*COMMON, "username", "password", "old_password", "new_password1"]
        for name in names:
            for value in hostile.VALUES:
                address = f"/admin/{path}"
                yield address, {name: value}, partial(hostile.get, as_root, address, name, value)
                yield address, {name: value}, partial(as_root.post, address, {name: value})

    assert hostile.broken(tries(), most) == []


def test_cookie_with_a_nul_character_is_refused():
    r"""Between quotes, \000 stands for a NUL."""
    from django.conf import settings

    for name in (settings.SESSION_COOKIE_NAME, "other"):
        answer = Client().get("/", headers={"Cookie": f'{name}="\\000aaaaaaaaaaaa"'})
        assert answer.status_code == 400


def test_unusable_charset_causes_no_server_error(as_root):
    for charset in ("zlib", "rot13", "idna", "undefined", "utf-16", "hex", "x" * 1000):
        for kind in ("multipart/form-data; boundary=b", "application/x-www-form-urlencoded"):
            body = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\xff\r\n--b--\r\n"
            answer = as_root.generic(
                "POST", "/launch/", body.encode("latin-1"), f"{kind}; charset={charset}"
            )
            assert answer.status_code < 500, (charset, kind)


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_earliest_and_latest_dates_cause_no_server_error(as_root, things, settings, zone, day):
    """In UTC, some of their hours lie beyond them."""
    settings.TIME_ZONE = zone

    def tries() -> Tries:
        for name in ("created", "last_used", "expires"):
            for end in ("__gte", "__lt", "", "__exact"):
                for moment in (day, f"{day} 00:00:00", f"{day} 23:59:59"):
                    asked = (as_root, "/admin/keys/token/", f"{name}{end}", moment)
                    yield asked[1], asked[2:], partial(hostile.get, *asked)
        address = f"{base(Announcement)}add/"
        form = {**filled_in(as_root.get(address)), "text": "x"}
        for name in ("starts", "ends"):
            for hour in ("00:00:00", "23:59:59"):
                sent = {**form, f"{name}_0": day, f"{name}_1": hour, "_save": "Save"}
                yield address, (name, hour), partial(as_root.post, address, sent)

    assert hostile.broken(tries(), 1000) == []
