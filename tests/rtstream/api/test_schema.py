"""The OpenAPI description: complete, valid, and in step with the routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route

from rtstream.api.app import routes
from rtstream.api.routing import Operations
from rtstream.api.schema import describe, error_codes
from rtstream.json_types import JsonObject


@pytest.fixture(scope="module")
def description() -> JsonObject:
    return describe(routes())


def operations(description: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_path_and_method_is_described(description: JsonObject) -> None:
    expected = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in routes()
        if isinstance(route, Route) and isinstance(route.endpoint, Operations)
        for method in route.endpoint.by_method
    }
    assert {(path, method) for path, method, _ in operations(description)} == expected
    assert len([route for route in routes() if isinstance(route, Route)]) == len(description["paths"])


def test_every_operation_has_a_name_of_its_own_and_a_sentence(description: JsonObject) -> None:
    found = [operation for _, _, operation in operations(description)]
    assert len({operation["operationId"] for operation in found}) == len(found)
    for operation in found:
        assert operation["summary"].endswith("."), operation["operationId"]
        assert all("schema" in parameter for parameter in operation.get("parameters", ()))


def test_every_reference_leads_to_a_valid_schema(description: JsonObject) -> None:
    schemas = description["components"]["schemas"]

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(target := value.get("$ref"), str):
                yield target
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    assert {target.rpartition("/")[2] for target in references(description)} <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_paths_with_the_key_say_so_and_links_say_how_they_end(description: JsonObject) -> None:
    assert description["paths"]["/rtstream"]["post"]["security"] == [{"key": []}, {"bearer": []}]
    assert "401" in description["paths"]["/rtstream"]["post"]["responses"]
    watch = description["paths"]["/watch"]["get"]
    assert watch["security"] == []
    assert {"200", "404", "410", "429"} <= set(watch["responses"])
    assert set(description["paths"]["/media/{rest}"]["get"]["responses"]) >= {"410"}
    assert "200" not in description["paths"]["/media/{rest}"]["get"]["responses"]
    [at] = [
        one
        for one in description["paths"]["/m/{link_id}/segment/{recording_id}/{at}.m4s"]["get"]["parameters"]
        if one["name"] == "at"
    ]
    assert at["schema"]["type"] == "integer"


def test_error_codes_have_one_status_and_a_sentence_each() -> None:
    codes = error_codes()
    assert {"INVALID_REQUEST", "NOT_FOUND", "UNAUTHORIZED", "LINK_REVOKED", "METHOD_NOT_ALLOWED", "INTERNAL"} <= set(
        codes
    )
    for code, error in codes.items():
        assert error.code == code
        assert 400 <= error.status < 600
        assert error.__doc__
