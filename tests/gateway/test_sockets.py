"""WebSockets pass through: messages, subprotocols, closing, both ways and of any size."""

from __future__ import annotations

import json
import os
import time
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sessions.models import Session
from tests.backends.waiting import until

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored


def test_text_and_binary_messages_are_unchanged(browser):
    with browser.socket() as socket:
        for message in ("grüße", b"\x00\xff", "", b"", "last"):
            socket.send(message)
            assert socket.recv(20) == message


def test_messages_of_several_megabytes_pass_through(browser):
    content = os.urandom(12 * 1024 * 1024)
    with browser.socket() as socket:
        socket.send(content)
        assert socket.recv(20) == content


def test_a_slow_reader_gets_every_message_in_order(browser):
    with browser.socket(max_queue=1) as socket:
        for number in range(200):
            socket.send(f"{number} {'x' * 10_000}")
        time.sleep(0.5)
        for number in range(200):
            assert str(socket.recv(20)).startswith(f"{number} ")


def test_the_notebook_chooses_the_subprotocol(browser):
    with browser.socket(subprotocols=["v9.unknown", "v1.kernel"]) as socket:
        assert socket.subprotocol == "v1.kernel"
    with browser.socket() as socket:
        assert socket.subprotocol is None


def test_the_handshake_carries_the_notebooks_token_and_none_of_our_secrets(browser, project):
    with browser.socket() as socket:
        socket.send("headers")
        received = json.loads(socket.recv(20))
    fields = dict(received)
    assert fields["authorization"] == f"token {project.current.server_token}"
    assert fields["cookie"] == "_xsrf=2; a=b"
    assert fields["host"] == browser.host
    assert len([name for name, _value in received if name == "sec-websocket-key"]) == 1


@pytest.mark.parametrize(("code", "arrives"), [(1000, 1000), (1001, 1001), (4001, 4001)])
def test_the_notebooks_close_code_reaches_the_client(browser, code, arrives):
    with browser.socket() as socket:
        socket.send(f"close {code}")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (arrives, "so it is")


def test_a_crashing_notebook_closes_the_socket_with_1011(browser):
    with browser.socket() as socket:
        socket.send("break down")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert closed.value.rcvd.code == 1011


@pytest.mark.parametrize(("code", "arrives"), [(1000, 1000), (1001, 1001), (4002, 4002)])
def test_the_clients_close_code_reaches_the_notebook(browser, notebook, code, arrives):
    notebook.closed_with.clear()
    with browser.socket() as socket:
        socket.close(code, "bye")
    until(lambda: notebook.closed_with == [arrives])


def test_a_client_that_disconnects_closes_the_notebooks_socket(browser, notebook):
    notebook.closed_with.clear()
    with browser.socket() as socket:
        socket.socket.shutdown(SHUT_RDWR)
        until(lambda: len(notebook.closed_with) == 1)


def test_a_socket_that_the_notebook_refuses_is_refused(browser):
    for path, status in (("/socket?refuse", 403), ("/not-a-socket", 503)):
        with pytest.raises(InvalidStatus) as refusal:
            browser.socket(path)
        assert refusal.value.response.status_code == status


def test_a_socket_to_an_unreachable_server_is_refused_with_a_code(browser):
    Session.objects.update(address="unix:/nowhere/socket")
    with pytest.raises(InvalidStatus) as refusal:
        browser.socket()
    assert refusal.value.response.status_code == 503
    assert json.loads(refusal.value.response.body)["code"] == "gateway.no-answer"
