"""Which messages count as work: those that an open JupyterLab was seen to send by itself, and those
that it sends when somebody does something.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.gateway.activity import MAX_AUTOMATIC_BYTES, is_user_message

KERNEL = "/api/kernels/f35347b5-7a19-47ba-aa5d-9b1035960472/channels"
TERMINAL = "/terminals/websocket/1"
DOCUMENT = "/api/collaboration/room/json:notebook:1"
BY_ITSELF = (
    "kernel_info_request",
    "comm_info_request",
    "comm_open",
    "comm_msg",
    "create_subshell_request",
    "delete_subshell_request",
    "debug_request",
    "history_request",
)
BY_HAND = ("execute_request", "complete_request", "inspect_request", "input_reply")


def in_words(kind: str, **content: object) -> str:
    """Return a message as JSON; the header is not always the first part."""
    return json.dumps({"content": content, "channel": "shell", "header": {"msg_type": kind}})


def in_parts(kind: str, **content: object) -> bytes:
    """Return a message in the binary form that current JupyterLab prefers."""
    header = {"date": "2026-11-27T06:38:01Z", "msg_id": "1", "msg_type": kind}
    parts = [b"shell", *(json.dumps(each).encode() for each in (header, {}, {}, content))]
    places = [8 * (len(parts) + 2)]
    for part in parts:
        places.append(places[-1] + len(part))
    numbers = [len(places), *places]
    return b"".join([*(number.to_bytes(8, "little") for number in numbers), *parts])


@pytest.mark.parametrize("form", [in_words, in_parts])
@pytest.mark.parametrize("kind", BY_ITSELF)
def test_messages_a_tab_sends_on_connecting_are_not_activity(form, kind):
    assert not is_user_message(KERNEL, form(kind))
    assert not is_user_message(KERNEL, form(kind, text='"msg_type": "execute_request"'))


@pytest.mark.parametrize("form", [in_words, in_parts])
@pytest.mark.parametrize("kind", BY_HAND)
def test_messages_caused_by_a_person_are_activity(form, kind):
    assert is_user_message(KERNEL, form(kind))
    assert is_user_message(KERNEL, form(kind, code="x = 1\n" * MAX_AUTOMATIC_BYTES))
    assert is_user_message(KERNEL, form(kind, code='"msg_type": "comm_open"'))


@pytest.mark.parametrize("form", [in_words, in_parts])
def test_moving_a_widget_is_activity(form):
    assert is_user_message(
        KERNEL, form("comm_msg", data={"method": "update", "state": {"value": 3}})
    )
    assert not is_user_message(KERNEL, form("comm_msg", data={"method": "request_states"}))


def test_terminal_input_is_activity_and_resizing_is_not():
    assert is_user_message(TERMINAL, '["stdin","l"]')
    assert not is_user_message(TERMINAL, '["set_size",40,131,623,950]')


def test_editing_a_shared_document_is_activity_and_presence_is_not():
    assert is_user_message(DOCUMENT, b"\x00\x02\x10change")
    for being_there in (b"\x01\x20somebody", b"\x00\x00\x01", b"\x00\x01\x02"):
        assert not is_user_message(DOCUMENT, being_there)


def test_messages_on_other_sockets_are_activity():
    assert is_user_message("/proxy/8501/_stcore/stream", b"\x01")


@given(st.binary() | st.text(), st.sampled_from([KERNEL, TERMINAL, DOCUMENT]))
def test_any_message_can_be_classified(message, path):
    assert is_user_message(path, message) in {True, False}
