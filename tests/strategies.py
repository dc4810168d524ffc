"""Strategies of hypothesis for what strangers send: text that is none, and JSON of any shape."""

from __future__ import annotations

from hypothesis import strategies as st

NASTY = "\0\ud800\udfff\udc80\u202e\u2028\x85\x0b\x0c\r\n\x1b\x1eİ\ufeff\U0010ffff"
JUNK = st.text(st.sampled_from(NASTY) | st.characters(), max_size=80) | st.binary(max_size=80).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)
"""Text with whatever a column, a codec or a page cannot hold."""
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | JUNK,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JUNK, inner, max_size=3),
    max_leaves=8,
)
"""All that JSON can say, and a little more."""
