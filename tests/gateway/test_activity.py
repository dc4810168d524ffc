"""Activity in a notebook: what a person does counts, what an open tab does by itself does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions.models import Project
from tests.backends.waiting import until

LONG_AGO = timezone.now() - timedelta(days=3)


@pytest.fixture
def idle(browser):
    Project.objects.update(last_activity=LONG_AGO)
    return browser


def is_noted() -> bool:
    return Project.objects.get().last_activity != LONG_AGO


def test_reading_and_saving_the_layout_is_not_activity(idle):
    for _time in range(3):
        idle.ask("/api/kernels")
        idle.ask("/lab/api/workspaces/default", "PUT", b"{}")
    with idle.socket():
        pass
    assert not is_noted()


def test_saving_a_file_is_activity(idle):
    idle.ask("/api/contents/x", "PUT", b"{}")
    until(is_noted)


def test_sending_to_a_kernel_is_activity(idle):
    with idle.socket() as socket:
        socket.send("execute")
        socket.recv(20)
        until(is_noted)


def test_a_reconnecting_tab_is_not_activity(idle):
    with idle.socket("/terminals/websocket/1") as terminal:
        terminal.send('["set_size",40,131,623,950]')
        terminal.recv(20)
    with idle.socket("/api/kernels/1/channels") as kernel:
        kernel.send('{"header": {"msg_type": "kernel_info_request"}}')
        kernel.recv(20)
    assert not is_noted()


def test_an_execute_request_after_reconnecting_is_activity(idle):
    with idle.socket("/api/kernels/1/channels") as kernel:
        kernel.send('{"header": {"msg_type": "kernel_info_request"}}')
        kernel.send('{"header": {"msg_type": "execute_request"}}')
        until(is_noted)


def test_activity_is_recorded_once_a_minute(idle):
    idle.ask("/api/contents/x", "PUT", b"{}")
    until(is_noted)
    noted = Project.objects.get().last_activity
    for _time in range(3):
        idle.ask("/api/contents/x", "PUT", b"{}")
    assert Project.objects.get().last_activity == noted
