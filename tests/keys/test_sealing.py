"""A text that is sealed for one use cannot be opened for another, or with another key."""

from __future__ import annotations

from itertools import permutations

import pytest

from keys import keypairs, sealing
from keys.sealing import UnsealError
from portal.accounts.oidc.signins import ID_TOKEN, REFRESH_TOKEN
from sessions.models import session

USES = (keypairs.SEAL_PURPOSE, session.SEAL_PURPOSE, REFRESH_TOKEN, ID_TOKEN)
OLD = "the old key, which is as long as a key has to be"
NEW = "the new key, which is as long as a key has to be"


def test_each_use_is_one_of_its_own():
    assert len(set(USES)) == len(USES) == 4


@pytest.mark.parametrize("use", USES)
def test_it_opens_for_its_use(use):
    sealed = sealing.seal("a secret, äöü", use)
    assert "secret" not in sealed
    assert sealing.unseal(sealed, use) == "a secret, äöü"
    assert sealing.is_current(sealed, use)


@pytest.mark.parametrize(("use", "other"), list(permutations(USES, 2)))
def test_it_opens_for_no_other(use, other):
    sealed = sealing.seal("a secret", use)
    for attempt in (sealing.unseal, sealing.reseal_text):
        with pytest.raises(UnsealError):
            attempt(sealed, other)
    assert not sealing.is_current(sealed, other)


def test_no_use_is_the_beginning_of_another():
    for one, other in (("", "x"), ("token", "token-2"), ("a.b", "a")):
        with pytest.raises(UnsealError):
            sealing.unseal(sealing.seal("a secret", one), other)


@pytest.mark.parametrize("use", USES)
def test_keys_are_tried_one_after_the_other_and_the_first_one_seals(settings, use):
    settings.PORTAL_ENCRYPTION_KEYS = [OLD]
    old = sealing.seal("a secret", use)
    settings.PORTAL_ENCRYPTION_KEYS = [NEW, OLD]
    assert sealing.unseal(old, use) == "a secret"
    assert not sealing.is_current(old, use)
    new = sealing.reseal_text(old, use)
    assert sealing.is_current(new, use)
    settings.PORTAL_ENCRYPTION_KEYS = [NEW]
    assert sealing.unseal(new, use) == "a secret"
    with pytest.raises(UnsealError):
        sealing.unseal(old, use)


@pytest.mark.parametrize("broken", ["", "x", "gAAAAA", "ä"])
def test_nonsense_opens_for_nothing(broken):
    with pytest.raises(UnsealError):
        sealing.unseal(broken, session.SEAL_PURPOSE)


def test_who_changes_a_letter_opens_nothing():
    sealed = sealing.seal("a secret", session.SEAL_PURPOSE)
    for place in (0, len(sealed) // 2, len(sealed) - 8):
        letter = "A" if sealed[place] != "A" else "B"
        with pytest.raises(UnsealError):
            sealing.unseal(sealed[:place] + letter + sealed[place + 1 :], session.SEAL_PURPOSE)
