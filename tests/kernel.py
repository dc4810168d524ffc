"""A kernel in a user's notebook, used through the gateway with an API token."""

from __future__ import annotations

import json
import socket
import uuid
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.sync.client import connect

from tests.stack import Api


class Kernel:
    r"""A kernel: ``with Kernel(api, name) as kernel: kernel.run("print(1)") == "1\n"``."""

    def __init__(self, api: Api, name: str, kernel_id: str = "", domain: str = "") -> None:
        self.api = api
        self.host = f"{name}.{domain or f'localhost:{api.stack.port}'}"
        self.headers = {"Authorization": f"Bearer {api.token}"}
        self.id = kernel_id or self._http("POST", "api/kernels").json()["id"]

    def _http(self, method: str, path: str) -> httpx.Response:
        answer = httpx.request(
            method,
            f"http://127.0.0.1:{self.api.stack.port}/{path}",
            headers={**self.headers, "Host": self.host},
            timeout=60,
        )
        assert answer.status_code < 300, answer.text
        return answer

    def __enter__(self) -> Self:
        opening = connect(
            f"ws://{self.host}/api/kernels/{self.id}/channels",
            sock=socket.create_connection(("127.0.0.1", self.api.stack.port)),
            additional_headers=self.headers,
            open_timeout=30,
            max_size=None,
        )
        self.open = ExitStack()
        self.socket = self.open.enter_context(opening)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.open.close()

    def end(self) -> None:
        """Have the notebook's server end the kernel."""
        self._http("DELETE", f"api/kernels/{self.id}")

    def begin(self, code: str) -> str:
        """Start running the code without waiting for it; return the id of the request."""
        number = uuid.uuid4().hex
        self.socket.send(json.dumps(_request(number, code)))
        return number

    def run(self, code: str, within: float = 60) -> str:
        """Run the code and return its output, errors included."""
        number = self.begin(code)
        output = ""
        while True:
            message: dict[str, Any] = json.loads(self.socket.recv(within))
            if message["parent_header"].get("msg_id") != number:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                output += content["text"]
            elif message["msg_type"] == "error":
                output += "\n".join(content["traceback"])
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return output


def _request(number: str, code: str) -> dict[str, Any]:
    header = {
        "msg_id": number,
        "msg_type": "execute_request",
        "username": "test",
        "session": "test",
        "version": "5.3",
        "date": "2000-01-01T00:00:00Z",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    return {
        "channel": "shell",
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "buffers": [],
    }
