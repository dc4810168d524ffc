"""Bodies and addresses made to break parsers are answered with 4xx and a JSON error code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests import hostile
from tests.api.test_schema import operations
from tests.conftest import signed_in
from tests.making import with_token

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

DEEP = 100_000
BODIES = {
    "deep lists": "[" * DEEP,
    "deep lists that end": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP,
    "deep enough for what comes later": "[" * 900 + "]" * 900,
    "one level too many": "[" * 21 + "]" * 21,
    "a deep field": json.dumps({"repository": "x"})[:-1] + ',"a":' + "[" * 900 + "]" * 900 + "}",
    "half a pair": '{"repository": "\\ud800"}',
    "half a pair as a name": '{"\\ud800": 1}',
    "NUL": '{"repository": "a\\u0000b", "name": "a\\u0000b"}',
    "a number of 26 digits": '{"projects": 99999999999999999999999999}',
    "a number of 400 digits": f'{{"projects": {"9" * 400}}}',
    "a number of 5,000 digits": f'{{"projects": {"9" * 5000}}}',
    "infinite": '{"projects": 1e400, "max_cpu": -1e400}',
    "not a number": '{"projects": NaN}',
    "a name of 10,000": f'{{"{"x" * 10_000}": 1}}',
    "not UTF-8": b'{"repository": "\xff"}',
    "UTF-16": '{"repository": "x"}'.encode("utf-16"),
}
CHARSETS = ("utf-8", "zlib", "rot13", "utf-16", "undefined", "x" * 30)
PATHS = [(path, method) for path, method, _operation in operations()]


@pytest.fixture(autouse=True)
def unbounded(settings) -> None:
    settings.PORTAL_API_RATE = settings.PORTAL_API_CHANGE_RATE = 0
    settings.PORTAL_API_STRANGER_RATE = 0


def filled(path: str) -> str:
    return path.replace("{name}", "nothing").replace("{username}", "ada").replace("{id}", "1")


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("key", ["", "key-1"])
def test_a_hostile_body_is_never_a_server_error(ada, root, backend, body, key):
    headers = {"Idempotency-Key": key} if key else {}
    for client in (with_token(root), signed_in(root)):
        for path, method in PATHS:
            answer = client.generic(
                method.upper(), filled(path), BODIES[body], "application/json", headers=headers
            )
            assert answer.status_code < 500, path
            if answer.status_code >= 400:
                assert answer.headers["Content-Type"] == "application/json", path
                assert answer.json()["code"], path


@pytest.mark.parametrize("body", ["deep lists", "deep lists that end", "deep objects",
                                  "deep enough for what comes later", "one level too many",
                                  "a deep field", "half a pair", "half a pair as a name",
                                  "a number of 400 digits", "infinite"])  # fmt: skip
def test_json_too_deep_or_invalid_is_a_parse_error(ada, backend, body):
    answer = with_token(ada).generic("POST", "/api/v1/projects/", BODIES[body], "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


@pytest.mark.parametrize("charset", CHARSETS)
def test_any_charset_parameter_is_accepted(ada, backend, charset):
    answer = with_token(ada).generic(
        "POST", "/api/v1/projects/", '{"repository": "ada/flowers"}',
        f"application/json; charset={charset}",
    )  # fmt: skip
    assert answer.status_code == 201


def test_file_uploads_are_refused(ada, backend):
    """With a key, what they hold would have to be compared."""
    part = 'Content-Disposition: form-data; name="repository"; filename="x"'
    body = f"--b\r\n{part}\r\n\r\nx\r\n--b--\r\n"
    answer = with_token(ada).generic(
        "POST", "/api/v1/projects/", body, "multipart/form-data; boundary=b",
        headers={"Idempotency-Key": "one"},
    )  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["projects/%00/", "users/a%00/limits/", "%00", "%00?q=%00"])
def test_a_nul_in_the_address_is_400_in_json(ada, path):
    for client in (with_token(ada), Client()):
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 400
        assert answer.json()["code"] == "bad_request"


@pytest.mark.parametrize("most", hostile.AMOUNTS)
def test_no_hostile_value_in_an_address_is_a_server_error(ada, root, backend, most):
    names = ("limit", "cursor", "q", "owner", "state", "provider", "repository", "ref", "ordering",
             "deleted", "after", "for_good", "fields", "format")  # fmt: skip
    clients = (with_token(ada), with_token(root), Client())

    def tries() -> Iterator[tuple[str, Any, Any]]:
        for path, method in PATHS:
            for value in hostile.VALUES:
                plain = quote(value, safe="")
                address = path.replace("{name}", plain).replace("{username}", plain)
                for client in clients:
                    call = partial(client.generic, method.upper(), address.replace("{id}", plain))
                    yield address, method, call
            for name in names:
                for value in hostile.VALUES:
                    asked = f"{filled(path)}?{hostile.query(name, value)}"
                    call = partial(clients[1].generic, method.upper(), asked)
                    yield asked, method, call

    assert hostile.broken(tries(), most) == []
