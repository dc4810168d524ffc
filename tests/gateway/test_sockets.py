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


def test_text_and_bytes_come_back_as_they_were(browser):
    with browser.socket() as socket:
        for message in ("grüße", b"\x00\xff", "", b"", "last"):
            socket.send(message)
            assert socket.recv(20) == message


def test_messages_of_several_megabytes_go_through(browser):
    content = os.urandom(12 * 1024 * 1024)
    with browser.socket() as socket:
        socket.send(content)
        assert socket.recv(20) == content


def test_a_reader_who_is_slow_gets_everything_in_order(browser):
    with browser.socket(max_queue=1) as socket:
        for number in range(200):
            socket.send(f"{number} {'x' * 10_000}")
        time.sleep(0.5)
        for number in range(200):
            assert str(socket.recv(20)).startswith(f"{number} ")


def test_the_subprotocol_is_the_one_that_the_notebook_takes(browser):
    with browser.socket(subprotocols=["v9.unknown", "v1.kernel"]) as socket:
        assert socket.subprotocol == "v1.kernel"
    with browser.socket() as socket:
        assert socket.subprotocol is None


def test_the_handshake_carries_the_notebooks_token_and_no_secret_of_ours(browser, project):
    with browser.socket() as socket:
        socket.send("headers")
        received = json.loads(socket.recv(20))
    fields = dict(received)
    assert fields["authorization"] == f"token {project.current.server_token}"
    assert fields["cookie"] == "_xsrf=2; a=b"
    assert fields["host"] == browser.host
    assert len([name for name, _value in received if name == "sec-websocket-key"]) == 1


@pytest.mark.parametrize(("code", "arrives"), [(1000, 1000), (1001, 1001), (4001, 4001)])
def test_the_notebook_closes_with_its_code(browser, code, arrives):
    with browser.socket() as socket:
        socket.send(f"close {code}")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (arrives, "so it is")


def test_a_notebook_that_breaks_down_closes_the_socket(browser):
    with browser.socket() as socket:
        socket.send("break down")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert closed.value.rcvd.code == 1011


@pytest.mark.parametrize(("code", "arrives"), [(1000, 1000), (1001, 1001), (4002, 4002)])
def test_the_visitor_closes_with_their_code(browser, notebook, code, arrives):
    notebook.closed_with.clear()
    with browser.socket() as socket:
        socket.close(code, "bye")
    until(lambda: notebook.closed_with == [arrives])


def test_a_visitor_who_vanishes_closes_the_socket(browser, notebook):
    notebook.closed_with.clear()
    with browser.socket() as socket:
        socket.socket.shutdown(SHUT_RDWR)
        until(lambda: len(notebook.closed_with) == 1)


def test_a_socket_that_the_notebook_refuses_is_refused(browser):
    for path, status in (("/socket?refuse", 403), ("/not-a-socket", 503)):
        with pytest.raises(InvalidStatus) as refusal:
            browser.socket(path)
        assert refusal.value.response.status_code == status


def test_a_socket_to_a_server_that_is_not_there_is_refused_with_a_reason(browser):
    Session.objects.update(address="unix:/nowhere/socket")
    with pytest.raises(InvalidStatus) as refusal:
        browser.socket()
    assert refusal.value.response.status_code == 503
    assert json.loads(refusal.value.response.body)["code"] == "gateway.no-answer"
