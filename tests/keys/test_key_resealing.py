"""``manage.py reseal``: a new encryption key comes first, and nothing is lost."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys import keypairs, sealing
from keys.models import KeyPair
from keys.sealing import BATCH, reseal
from portal.accounts.oidc.signins import REFRESH_TOKEN
from portal.health.doctor.storage import SEALED_COLUMNS
from portal.models import SignIn, User
from sessions.models import Session
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend"), pytest.mark.databases]

OLD = "the old key, which is as long as a key has to be"
NEW = "the new key, which is as long as a key has to be"


@pytest.fixture(autouse=True)
def old_key(settings) -> None:
    settings.PORTAL_ENCRYPTION_KEYS = [OLD]


def said() -> str:
    out = StringIO()
    call_command("reseal", stdout=out)
    return out.getvalue()


def sign_in(user: User) -> SignIn:
    sealed = sealing.seal("refresh", REFRESH_TOKEN)
    now = timezone.now()
    return SignIn.objects.create(user=user, provider="x", browser="y", sealed=sealed, due=now)


def test_after_resealing_every_secret_opens_with_the_new_key_alone(ada: User, settings) -> None:
    private = keypairs.private_key(keypairs.ensure(ada))
    project_in(ProjectState.READY, ada)
    token = Session.objects.get().server_token
    sign_in(ada)

    settings.PORTAL_ENCRYPTION_KEYS = [NEW, OLD]
    words = said()
    assert words.count("1 re-encrypted with the first key, 0 already were") == 3
    assert "the others are no longer needed" in words

    settings.PORTAL_ENCRYPTION_KEYS = [NEW]
    assert keypairs.private_key(KeyPair.objects.get()) == private
    assert Session.objects.get().server_token == token
    assert sealing.unseal(SignIn.objects.get().sealed, REFRESH_TOKEN) == "refresh"


def test_resealing_twice_changes_nothing(ada: User, settings) -> None:
    keypairs.ensure(ada)
    settings.PORTAL_ENCRYPTION_KEYS = [NEW, OLD]
    said()
    before = KeyPair.objects.get().sealed
    assert "0 re-encrypted with the first key, 1 already were" in said()
    assert KeyPair.objects.get().sealed == before


def test_unreadable_secrets_are_reported_and_the_rest_are_resealed(
    ada: User, bob: User, settings
) -> None:
    keypairs.ensure(ada)
    settings.PORTAL_ENCRYPTION_KEYS = ["a third key, which is gone: nobody has it"]
    lost = keypairs.ensure(bob).sealed
    settings.PORTAL_ENCRYPTION_KEYS = [NEW, OLD]
    unreadable = r"SSH key pairs: 1 cannot be decrypted .* belong to bob"
    with pytest.raises(CommandError, match=unreadable):
        said()
    assert KeyPair.objects.get(user=bob).sealed == lost
    assert sealing.is_current(KeyPair.objects.get(user=ada).sealed, keypairs.SEAL_PURPOSE)


def test_sign_ins_without_a_refresh_token_are_skipped(ada: User) -> None:
    now = timezone.now()
    SignIn.objects.create(user=ada, provider="x", browser="y", sealed="", due=now)
    assert "0 re-encrypted with the first key, 0 already were" in said()


def test_more_rows_than_one_batch_are_resealed(settings) -> None:
    people = [User(username=f"person-{number}") for number in range(BATCH + 5)]
    User.objects.bulk_create(people)
    sealed = sealing.seal("secret", keypairs.SEAL_PURPOSE)
    KeyPair.objects.bulk_create(KeyPair(user=user, sealed=sealed) for user in people)
    settings.PORTAL_ENCRYPTION_KEYS = [NEW, OLD]
    assert reseal(SEALED_COLUMNS[0]).resealed == BATCH + 5


@pytest.mark.django_db(transaction=True)
def test_a_key_replaced_during_resealing_is_kept(ada: User, settings) -> None:
    """Both write for as long as the other does; whatever is there at the end is readable."""
    keypairs.ensure(ada)
    over = threading.Event()

    def go_on() -> None:
        from django.db import connection

        while not over.is_set():
            reseal(SEALED_COLUMNS[0])
        connection.close()

    settings.PORTAL_ENCRYPTION_KEYS = [NEW, OLD]
    beside = threading.Thread(target=go_on)
    beside.start()
    try:
        for number in range(30):
            settings.PORTAL_ENCRYPTION_KEYS = [OLD, NEW] if number % 2 else [NEW, OLD]
            pair = keypairs.rotate(ada)
            private = keypairs.private_key(pair)
            assert keypairs.private_key(KeyPair.objects.get()) == private
    finally:
        over.set()
        beside.join()
