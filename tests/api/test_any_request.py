"""Fuzz the API, within the schema and outside of it: every answer is one that the schema describes,
and none is a server error. With a token of each scope, and as staff.
"""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from keys.models import Token
from portal.models import User
from sessions.api.openapi import schema
from tests.api.test_schema import operations

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What streams is asked for by WSGI here, which is quicker to call and not how it is served.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]

EXAMPLES = 12
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
CALLS = {operation["operationId"]: (path, method) for path, method, operation in operations()}


@pytest.fixture(scope="module")
def described() -> Any:
    """Return the schema, bound to the portal that it has to describe correctly."""
    described = schemathesis.openapi.from_dict(schema())
    described.app = get_wsgi_application()
    return described


@pytest.fixture
def unbounded(settings) -> None:
    settings.PORTAL_API_RATE = settings.PORTAL_API_CHANGE_RATE = 0


@pytest.fixture
def secrets(ada: User, root: User) -> list[str]:
    whose = [(ada, ["read"]), (ada, ["launch"]), (ada, ["notebook"]), (root, ["launch"])]
    return [Token.objects.issue(user, "any", scopes)[1] for user, scopes in whose]


@pytest.mark.parametrize("call", CALLS)
def test_every_response_conforms_to_the_schema(described, unbounded, secrets, ada, launch, call):
    path, method = CALLS[call]
    operation = described[path][method.upper()]
    name = launch(ada)[0].name
    strategies = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # what fails is said as it is: making it smaller takes long
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(strategies), secret=st.sampled_from(secrets), known=st.booleans())
    def send(case: Any, secret: str, known: bool) -> None:
        if known and case.path_parameters:
            case.path_parameters.update(
                {key: each for key, each in _known(name).items() if key in case.path_parameters}
            )
        case.call_and_validate(headers={"Authorization": f"Bearer {secret}"}, checks=CHECKS)

    send()


def _known(name: str) -> dict[str, str]:
    return {"name": name, "username": "ada"}
