"""Text from outside fits any column, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given

from portal.lib.text import readable, storable, storable_fields
from sessions.models import Session
from tests.strategies import ANYTHING, JUNK


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain\nand\ttabbed", "plain\nand\ttabbed"),
        ("nul\0", "nul\ufffd"),
        ("\ud83d half a pair", "\ufffd half a pair"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\ufffd"),
        ("😀 whole", "😀 whole"),
        (None, ""),
        (7, "7"),
        (["a\0"], "['a\\x00']"),
    ],
)
def test_what_a_database_refuses_is_replaced(text, stored):
    assert storable(text) == stored


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a file \u202etxt.exe", "a file \\u202etxt.exe"),
        ("one\u2028line\x85and\x0bone\x0cmore", "one\\u2028line\\x85and\\x0bone\\x0cmore"),
        ("two\nlines", "two\nlines"),
        ("\udc80", "\\udc80"),
        ("İstanbul", "İstanbul"),
        ("\u26a0\ufe0f", "\u26a0\ufe0f"),
    ],
)
def test_what_nobody_sees_is_shown_as_such(text, shown):
    assert readable(text) == shown


@given(ANYTHING | JUNK)
def test_anything_becomes_text_of_bounded_length(value):
    for made in (storable(value, 64), readable(value, 64)):
        made.encode()
        assert "\0" not in made
    assert len(storable(value, 64)) <= 64


def test_texts_are_cut_to_their_columns_and_other_values_stay():
    fields = storable_fields(Session, {"code": "c" * 99, "message": "m" * 999, "gpu": 2})
    assert (len(fields["code"]), len(fields["message"]), fields["gpu"]) == (64, 999, 2)
