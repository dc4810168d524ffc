"""Messages of a kernel: one size limit along the whole way, and what they cost the portal."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from sessions.jupyter_gateway import MAX_WEBSOCKET_MESSAGE
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api, Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.long,
    pytest.mark.slow("messages as large as they may be", seconds=180),
]

MANY = 12_000_000
"""Bytes: more than Tornado accepts by default, as when a widget uploads a file."""
SAY = "from comm import create_comm; create_comm(target_name='x', data={{'y': 'y' * {size}}})"


def test_large_messages_arrive_and_oversized_ones_close_with_a_reason(
    stack: Stack, git: GitServer, ada: Api
) -> None:
    name = ada.launch(git.repository("ada/talkative", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    before = memory(stack)
    with Kernel(ada, name) as kernel:
        assert kernel.run(f"x = '{'x' * MANY}'; print(len(x))") == f"{MANY}\n"
        kernel.begin(SAY.format(size=MANY))
        while len(kernel.socket.recv(60)) < MANY:
            pass
    for kernel, speak in ((Kernel(ada, name), visitor_speaks), (Kernel(ada, name), kernel_speaks)):
        with kernel, suppress(ConnectionClosed):
            speak(kernel)
            while True:
                kernel.socket.recv(60)
        assert kernel.socket.close_code == 1009
        assert kernel.socket.close_reason
    assert memory(stack) - before < 100


def visitor_speaks(kernel: Kernel) -> None:
    kernel.begin("x" * MAX_WEBSOCKET_MESSAGE)


def kernel_speaks(kernel: Kernel) -> None:
    kernel.begin(SAY.format(size=MAX_WEBSOCKET_MESSAGE))


def memory(stack: Stack) -> int:
    """Return the peak memory of web, in MB."""
    pid = stack.part("web")
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024
