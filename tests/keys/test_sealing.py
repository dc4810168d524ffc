"""A text that is sealed for one use cannot be opened for another, or with another key."""

from __future__ import annotations

from itertools import permutations

import pytest

from keys import keypairs, sealing
from keys.sealing import CannotOpen
from portal.accounts.oidc.signins import ID_TOKEN, REFRESH_TOKEN
from sessions.models import session

USES = (keypairs.USE, session.USE, REFRESH_TOKEN, ID_TOKEN)
OLD = "the old key, which is as long as a key has to be"
NEW = "the new key, which is as long as a key has to be"


def test_each_use_is_one_of_its_own():
    assert len(set(USES)) == len(USES) == 4


@pytest.mark.parametrize("use", USES)
def test_it_opens_for_its_use(use):
    sealed = sealing.seal("a secret, äöü", use)
    assert "secret" not in sealed
    assert sealing.open_sealed(sealed, use) == "a secret, äöü"
    assert sealing.is_current(sealed, use)


@pytest.mark.parametrize(("use", "other"), list(permutations(USES, 2)))
def test_it_opens_for_no_other(use, other):
    sealed = sealing.seal("a secret", use)
    for attempt in (sealing.open_sealed, sealing.resealed):
        with pytest.raises(CannotOpen):
            attempt(sealed, other)
    assert not sealing.is_current(sealed, other)


def test_no_use_is_the_beginning_of_another():
    for one, other in (("", "x"), ("token", "token-2"), ("a.b", "a")):
        with pytest.raises(CannotOpen):
            sealing.open_sealed(sealing.seal("a secret", one), other)


@pytest.mark.parametrize("use", USES)
def test_keys_are_tried_one_after_the_other_and_the_first_one_seals(settings, use):
    settings.PORTAL_ENCRYPTION_KEYS = [OLD]
    old = sealing.seal("a secret", use)
    settings.PORTAL_ENCRYPTION_KEYS = [NEW, OLD]
    assert sealing.open_sealed(old, use) == "a secret"
    assert not sealing.is_current(old, use)
    new = sealing.resealed(old, use)
    assert sealing.is_current(new, use)
    settings.PORTAL_ENCRYPTION_KEYS = [NEW]
    assert sealing.open_sealed(new, use) == "a secret"
    with pytest.raises(CannotOpen):
        sealing.open_sealed(old, use)


@pytest.mark.parametrize("broken", ["", "x", "gAAAAA", "ä"])
def test_nonsense_opens_for_nothing(broken):
    with pytest.raises(CannotOpen):
        sealing.open_sealed(broken, session.USE)


def test_who_changes_a_letter_opens_nothing():
    sealed = sealing.seal("a secret", session.USE)
    for place in (0, len(sealed) // 2, len(sealed) - 8):
        letter = "A" if sealed[place] != "A" else "B"
        with pytest.raises(CannotOpen):
            sealing.open_sealed(sealed[:place] + letter + sealed[place + 1 :], session.USE)
