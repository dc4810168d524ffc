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


def test_the_four_purposes_are_distinct():
    assert len(set(USES)) == len(USES) == 4


@pytest.mark.parametrize("use", USES)
def test_a_sealed_text_opens_for_its_purpose(use):
    sealed = sealing.seal("a secret, äöü", use)
    assert "secret" not in sealed
    assert sealing.unseal(sealed, use) == "a secret, äöü"
    assert sealing.is_current(sealed, use)


@pytest.mark.parametrize(("use", "other"), list(permutations(USES, 2)))
def test_a_sealed_text_does_not_open_for_another_purpose(use, other):
    sealed = sealing.seal("a secret", use)
    for attempt in (sealing.unseal, sealing.reseal_text):
        with pytest.raises(UnsealError):
            attempt(sealed, other)
    assert not sealing.is_current(sealed, other)


def test_purposes_that_share_a_prefix_do_not_open_each_other():
    for one, other in (("", "x"), ("token", "token-2"), ("a.b", "a")):
        with pytest.raises(UnsealError):
            sealing.unseal(sealing.seal("a secret", one), other)


@pytest.mark.parametrize("use", USES)
def test_every_key_unseals_and_the_first_one_seals(settings, use):
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
def test_a_malformed_text_does_not_unseal(broken):
    with pytest.raises(UnsealError):
        sealing.unseal(broken, session.SEAL_PURPOSE)


def test_an_altered_text_does_not_unseal():
    sealed = sealing.seal("a secret", session.SEAL_PURPOSE)
    for place in (0, len(sealed) // 2, len(sealed) - 8):
        letter = "A" if sealed[place] != "A" else "B"
        with pytest.raises(UnsealError):
            sealing.unseal(sealed[:place] + letter + sealed[place + 1 :], session.SEAL_PURPOSE)
