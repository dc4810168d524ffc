"""Host keys of SSH servers: remembered once, and forgotten by staff who know better."""

from __future__ import annotations

import pytest
from django.urls import reverse

from keys import keypairs
from keys.models import KnownHost

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyaJ5hlsoxw8+iuL7R2SI9ahXmfhvBMXyc3sJdxtbhm"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxWKNs9zJEVYsi3bNKHXxqa3c2RZXDjd1bNpVpyZV8b"


def test_a_host_keeps_its_first_key_and_first_user(ada, bob):
    for user in (ada, bob):
        keypairs.record_hosts(
            [f"git.example.org {KEY}", f"[git.example.org]:2222 {OTHER}"], user.pk
        )
    keypairs.record_hosts([f"git.example.org {OTHER}"], bob.pk)
    rows = KnownHost.objects.order_by("pk").values_list("host", "key", "first_user")
    assert list(rows) == [
        ("git.example.org", KEY, ada.pk),
        ("[git.example.org]:2222", OTHER, ada.pk),
    ]


def test_the_operators_host_keys_come_first(settings):
    settings.PORTAL_KNOWN_HOSTS = f"*.example.org {OTHER}"
    keypairs.record_hosts([f"git.example.org {KEY}"], None)
    assert keypairs.known_hosts_text() == f"*.example.org {OTHER}\ngit.example.org {KEY}\n"


def test_permitted_staff_may_delete_a_host_key(ada, as_root, as_ada, as_vera):
    keypairs.record_hosts([f"git.example.org {KEY}"], ada.pk)
    row = KnownHost.objects.get()
    page = as_root.get(reverse("admin:keys_knownhost_changelist")).content.decode()
    assert "git.example.org" in page
    assert row.fingerprint in page
    forget = reverse("admin:keys_knownhost_delete", args=[row.pk])
    for client in (as_ada, as_vera):
        assert client.post(forget, {"post": "yes"}).status_code in {302, 403}
        assert KnownHost.objects.exists()
    assert as_root.post(forget, {"post": "yes"}).status_code == 302
    assert not KnownHost.objects.exists()


def test_nobody_may_add_or_change_a_host_key_in_the_admin(ada, as_root):
    keypairs.record_hosts([f"git.example.org {KEY}"], ada.pk)
    assert as_root.get(reverse("admin:keys_knownhost_add")).status_code == 403
    change = reverse("admin:keys_knownhost_change", args=[KnownHost.objects.get().pk])
    assert b'name="_save"' not in as_root.get(change).content
