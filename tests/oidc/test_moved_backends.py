"""Sessions that store the former path of an authentication backend."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, authenticate
from django.test import Client

pytestmark = pytest.mark.django_db
FORMER = [path for path in settings.AUTHENTICATION_BACKENDS if path.startswith("portal.oidc.")]


def test_there_are_two_of_them():
    assert FORMER == ["portal.oidc.backends.Password", "portal.oidc.backends.ByProvider"]


@pytest.mark.parametrize("path", FORMER)
def test_whoever_is_signed_in_stays_so(ada, path):
    client = Client()
    client.force_login(ada, backend=path)
    assert client.session[BACKEND_SESSION_KEY] == path
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("path", FORMER)
def test_an_account_that_is_closed_is_signed_out(ada, path):
    client = Client()
    client.force_login(ada, backend=path)
    ada.is_active = False
    ada.save()
    assert client.get("/account/").status_code == 302


def test_nobody_signs_in_by_a_former_path(ada, settings):
    ada.set_password("a long password")
    ada.save()
    settings.AUTHENTICATION_BACKENDS = FORMER
    assert authenticate(username=ada.username, password="a long password") is None
