"""Erasing a person in the admin, and confirming that their volume was removed."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client

from portal.models import Erasure, User
from portal.privacy import erase
from quotas.models import LimitSet
from sessions.models import Project, Session
from sessions.states import ProjectState
from tests.full_person import fill
from tests.privacy.test_erase import drop_all, erase_wholly, stop_all
from tests.stages import project_in

pytestmark = pytest.mark.django_db

LIST = "/admin/portal/erasure/"


def page_of(user: User) -> str:
    return f"/admin/portal/user/{user.pk}/change/"


def erase_page(user: User) -> str:
    return f"/admin/portal/user/{user.pk}/erase/"


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def removed(client: Client, row: Erasure):
    data = {"action": "volume_removed", ACTION_CHECKBOX_NAME: [row.pk], "confirmed": "yes"}
    return client.post(LIST, data, follow=True)


def test_page_previews_the_erasure_without_starting_it(as_root, ada, root, backend):
    fill(ada, root)
    assert f'href="{erase_page(ada)}"' in text_of(as_root.get(page_of(ada)))
    text = text_of(as_root.get(erase_page(ada)))
    for words in ("1 running notebook is stopped", "1 token is revoked", "ada-nfs-pvc",
                  "The log of 1 private build is removed", f"erased-{ada.pk}"):  # fmt: skip
        assert words in text
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("typed", ["", "bob", "Ada", "ada "])
def test_wrong_username_erases_nobody(as_root, ada, backend, typed):
    answer = as_root.post(erase_page(ada), {"username": f"{typed}x" if typed == "ada " else typed})
    assert answer.status_code == 200
    assert not Erasure.objects.exists()


def test_typing_the_username_erases_the_person(as_root, ada, root, backend):
    project_in(ProjectState.READY, ada)
    answer = as_root.post(erase_page(ada), {"username": "ada"}, follow=True)
    text = text_of(answer)
    assert "Remove the volume ada-nfs-pvc by hand." in text
    assert "notebooks are still stopping: the volume is in use" in text
    assert Session.objects.get().state == "stopping"
    assert Project.objects.existing().count() == 0
    stop_all()
    drop_all()
    erase.finish()
    assert "remove the volume by hand" in text_of(as_root.get(LIST))


def test_removal_of_a_volume_in_use_cannot_be_confirmed(as_root, ada, root, backend):
    project_in(ProjectState.READY, ada)
    row = erase.erase(ada, root)
    removed(as_root, row)
    row.refresh_from_db()
    assert (row.volume, row.removed) == ("ada-nfs-pvc", None)


def test_confirming_the_removal_clears_the_volume_name(as_root, ada, root, backend):
    erase_wholly(ada, root)
    row = Erasure.objects.get()
    assert "ada-nfs-pvc" in text_of(as_root.get(LIST))
    assert "completed" in text_of(removed(as_root, row))
    row.refresh_from_db()
    assert row.volume == ""
    assert row.removed
    assert not re.search(r"\bada\b", text_of(as_root.get(f"{LIST}{row.pk}/change/")))
    assert erase.is_erased_name("ada")


@pytest.mark.parametrize("who", ["eve", "ada", "bob", "vera", "sue"])
def test_people_without_permission_cannot_reach_the_erase_page(
    who, request, bob, ada, root, backend
):
    client = request.getfixturevalue(f"as_{who}")
    answer = client.get(erase_page(bob))
    assert answer.status_code in {302, 403}
    assert client.post(erase_page(bob), {"username": "bob"}).status_code in {302, 403}
    assert erase_page(bob) not in client.get(page_of(bob)).content.decode()
    assert client.get(LIST).status_code == (200 if who in {"vera", "sue"} else 302)
    assert not Erasure.objects.exists()


def test_people_cannot_erase_themselves(as_root, root, backend):
    assert as_root.get(erase_page(root)).status_code == 403
    assert as_root.post(erase_page(root), {"username": "root"}).status_code == 403
    assert as_root.get("/admin/portal/user/999999/erase/").status_code == 404


def test_operator_cannot_erase_people_with_more_permissions(as_stan, stan, ada, root, backend):
    assert as_stan.post(erase_page(root), {"username": "root"}).status_code == 403
    assert as_stan.post(erase_page(ada), {"username": "ada"}).status_code == 302
    assert Erasure.objects.get().by == stan


def test_viewer_cannot_confirm_the_removal_of_a_volume(as_vera, ada, root, backend):
    erase_wholly(ada, root)
    removed(as_vera, Erasure.objects.get())
    row = Erasure.objects.get()
    assert (row.volume, row.removed) == ("ada-nfs-pvc", None)


def test_erased_person_can_be_viewed_but_not_changed(as_root, ada, root, backend):
    fill(ada, root)
    erase_wholly(ada, root)
    page = text_of(as_root.get(page_of(ada)))
    assert f"erased-{ada.pk}" in page
    assert 'name="_save"' not in page
    assert erase_page(ada) not in page
    assert as_root.get(f"/admin/portal/user/{ada.pk}/password/").status_code == 403
    for model in (Project, Session):
        kind = model._meta.model_name
        for row in model._default_manager.all():
            address = f"/admin/notebook_sessions/{kind}/{row.pk}/change/"
            assert as_root.get(address).status_code == 200
    for path in ("project", "session", "build"):
        assert as_root.get(f"/admin/notebook_sessions/{path}/").status_code == 200
    assert not LimitSet.objects.filter(user=ada).exists()


def test_admin_refuses_the_username_of_an_erased_person(as_root, ada, bob, root, backend):
    erase_wholly(ada, root)
    passwords = {"password1": "a long one for her", "password2": "a long one for her"}
    data = {"username": "ada", "usable_password": "true", **passwords}
    assert "so it cannot be used again" in text_of(as_root.post("/admin/portal/user/add/", data))
    assert not User.objects.filter(username="ada").exists()


def test_person_page_shows_identity_and_fingerprint_but_no_key(
    as_root, as_vera, ada, root, backend
):
    fill(ada, root)
    for client in (as_root, as_vera):
        text = text_of(client.get(page_of(ada)))
        for words in ("id.example.org", f"subject-of-ada-{ada.pk}", "physics", "campus",
                      ada.key_pair.fingerprint.replace("+", "+")):  # fmt: skip
            assert words in text.replace("&#x2B;", "+")
        assert ada.key_pair.sealed not in text
        assert ada.key_pair.public.split()[1] not in text
