"""Sessions that store the former path of an authentication backend."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, authenticate
from django.test import Client

pytestmark = pytest.mark.django_db
FORMER = [path for path in settings.AUTHENTICATION_BACKENDS if path.startswith("portal.oidc.")]


def test_former_paths_are_two():
    assert FORMER == ["portal.oidc.backends.Password", "portal.oidc.backends.ByProvider"]


@pytest.mark.parametrize("path", FORMER)
def test_session_with_a_former_path_stays_signed_in(ada, path):
    client = Client()
    client.force_login(ada, backend=path)
    assert client.session[BACKEND_SESSION_KEY] == path
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("path", FORMER)
def test_disabled_account_with_a_former_path_is_signed_out(ada, path):
    client = Client()
    client.force_login(ada, backend=path)
    ada.is_active = False
    ada.save()
    assert client.get("/account/").status_code == 302


def test_former_paths_authenticate_nobody(ada, settings):
    ada.set_password("a long password")
    ada.save()
    settings.AUTHENTICATION_BACKENDS = FORMER
    assert authenticate(username=ada.username, password="a long password") is None
