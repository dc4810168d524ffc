"""The schema is complete: each address, each answer, and the errors of each."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from portal import VERSION
from sessions.api.openapi import schema
from sessions.states import Phase, ProjectState
from tests.api.test_everyone import EXPECTED

METHODS = {"get", "post", "put", "patch", "delete"}
UNDESCRIBED = {"schema/", "docs/"}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_schema_is_valid_and_generated_without_warnings(tmp_path):
    target = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(target))
    assert VERSION in target.read_text()


def test_the_schema_has_every_address():
    described = [(method, path) for path, method, _operation in operations()]
    assert len(described) == len([each for each in EXPECTED if each[1] not in UNDESCRIBED])


def test_every_call_has_a_unique_name_a_description_and_errors():
    names = [operation["operationId"] for _path, _method, operation in operations()]
    assert len(set(names)) == len(names)
    for path, method, operation in operations():
        name = operation["operationId"]
        assert not name.endswith(("_retrieve", "_create", "_destroy", "_partial_update")), name
        assert operation["summary"] and operation["description"], name
        assert {"401", "403", "429"} <= set(operation["responses"]), name
        assert ("404" in operation["responses"]) >= ("{" in path), name
        keyed = any(each["name"] == "Idempotency-Key" for each in operation["parameters"])
        assert keyed == (method == "post"), name


def test_states_and_phases_are_enums():
    schemas = schema()["components"]["schemas"]
    assert set(schemas["ProjectState"]["enum"]) == set(ProjectState.values)
    assert set(schemas["Phase"]["enum"]) == set(Phase.values)


def test_both_authentication_schemes_are_described(settings):
    schemes = schema()["components"]["securitySchemes"]
    assert schemes["token"]["scheme"] == "bearer"
    assert schemes["cookieAuth"]["name"] == settings.SESSION_COOKIE_NAME


def test_the_event_stream_is_described():
    answer = schema()["paths"]["/api/v1/projects/{name}/events/"]["get"]["responses"]["200"]
    assert set(answer["content"]) == {"application/json", "text/event-stream"}


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({}, "application/json"),
        ({"Accept": "application/yaml"}, "application/yaml"),
        ({"Accept": "application/vnd.oai.openapi"}, "application/vnd.oai.openapi"),
    ],
)
def test_everybody_may_read_the_schema(wanted, kind):
    answer = Client().get("/api/v1/schema/", headers=wanted)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(kind)
    assert b"list_projects" in answer.content


def test_yaml_can_be_requested_in_the_query():
    assert Client().get("/api/v1/schema/?format=yaml").content.startswith(b"openapi: 3")
