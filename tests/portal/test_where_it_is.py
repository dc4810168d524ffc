"""Hosts of the portal and of its notebooks decide what each can do to the other; checks report
it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from portal.checks import check_addresses, shares_cookies
from sessions.gateway.headers import from_notebook
from tests.stack import PROJECT


@pytest.mark.parametrize(
    ("url", "domain", "codes"),
    [
        ("http://localhost:8000", "localhost:8000", []),
        ("http://127.0.0.1:8000", "localhost:8000", []),
        ("https://bindery.example.org", "notebooks.example.net", []),
        ("https://bindery.example.org:8443", "example.net:8443", []),
        ("https://bindery.example.org", "bindery.example.org", ["portal.W002"]),
        ("https://bindery.example.org", "notebooks.bindery.example.org", ["portal.W002"]),
        ("https://bindery.example.org", "notebooks.example.org", ["portal.W002"]),
        ("https://example.org", "notebooks.example.org:8443", ["portal.W002"]),
        ("http://bindery.example.org", "notebooks.example.net", ["portal.W001"]),
        ("http://bindery.example.org", "bindery.example.org", ["portal.W001", "portal.W002"]),
        ("http://192.0.2.1", "192.0.2.1.example.org", ["portal.W001"]),
    ],
)
def test_unsafe_combinations_of_hosts_are_reported(settings, url, domain, codes):
    settings.PORTAL_URL, settings.PORTAL_GATEWAY_DOMAIN = url, domain
    settings.GATEWAY_SCHEME = url.partition(":")[0]
    found = check_addresses()
    assert [each.id for each in found] == codes
    assert all(each.hint and each.level < 40 for each in found)


def test_shared_host_is_reported_more_strongly_over_http(settings):
    settings.PORTAL_URL, settings.PORTAL_GATEWAY_DOMAIN = "http://a.example.org", "a.example.org"
    settings.GATEWAY_SCHEME = "http"
    assert "sign a browser in as somebody else" in str(check_addresses()[1].msg)


def test_subdomain_of_localhost_shares_no_cookies():
    assert not shares_cookies("portal.localhost", "localhost")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"PORTAL_URL": "https://a.example.org"}, 31536000),
        ({"PORTAL_URL": "https://a.example.org", "PORTAL_HSTS_SECONDS": "0"}, 0),
        ({"PORTAL_URL": "http://a.example.org"}, 0),
    ],
)
def test_hsts_is_enabled_only_for_https(given, seconds):
    ask = "from django.conf import settings as s; print(s.SECURE_HSTS_SECONDS)"
    environment = os.environ | given | {"DJANGO_SETTINGS_MODULE": "portal.settings"}
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == f"{seconds}\n", done.stderr


def test_notebook_cannot_override_hsts(settings):
    said = [(b"Strict-Transport-Security", b"max-age=0; includeSubDomains")]
    settings.GATEWAY_SCHEME = "https"
    fields = [value for name, value in from_notebook(said) if name == b"strict-transport-security"]
    assert fields == [b"max-age=31536000"]
    settings.GATEWAY_SCHEME = "http"
    assert b"strict-transport-security" not in dict(from_notebook(said))
