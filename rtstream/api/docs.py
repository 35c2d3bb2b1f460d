"""The description of the API: as OpenAPI for programs, and as a page for people."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from typing import Annotated

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rtstream.api.operations import Html, JsonBody
from rtstream.api.schema import describe, error_codes
from rtstream.json_types import JsonObject

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>API of the engine</title>
<link rel="stylesheet" href="static/docs.css">
</head>
<body>
<header><h1>API of the engine</h1>
<p>{about} Version {version}. <a href="openapi.json">OpenAPI description</a></p></header>
<nav>{contents}</nav>
<main>{sections}<section id="errors"><h2>Errors</h2>{errors}</section>
<section id="schemas"><h2>Objects</h2>{schemas}</section></main>
</body>
</html>
"""


async def get_description(request: Request) -> Annotated[Response, JsonBody(JsonObject)]:
    """Get the OpenAPI description of the API."""
    return Response(_description(), media_type="application/json", headers={"cache-control": "no-cache"})


async def get_page(request: Request) -> Html:
    """Get the page that describes the API."""
    return HTMLResponse(_page(), headers=HEADERS)


@cache
def _description() -> bytes:
    from rtstream.api.app import routes  # which imports this module

    return json.dumps(describe(routes()), ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _page() -> str:
    return page(json.loads(_description()))


def page(description: JsonObject) -> str:
    """Return the page of an OpenAPI description."""
    sections: dict[str, list[str]] = {}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            sections.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    links = [*sections, "errors", "schemas"]
    return _PAGE.format(
        about=_prose(description["info"]["description"]),
        version=escape(description["info"]["version"]),
        contents=" ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in links),
        sections="".join(
            f'<section id="{escape(name)}"><h2>{escape(name)}</h2>{"".join(found)}</section>'
            for name, found in sections.items()
        ),
        errors=_errors(),
        schemas="".join(_schema(name, schema) for name, schema in description["components"]["schemas"].items()),
    )


def _operation(method: str, path: str, operation: JsonObject) -> str:
    title = f"<b>{method.upper()}</b> <code>{escape(path)}</code> {_prose(operation['summary'])}"
    parts = [f"<details><summary>{title}</summary>"]
    if "description" in operation:
        parts.append(f"<p>{_prose(operation['description'])}</p>")
    rows = [
        (parameter["name"], parameter["in"], _type(parameter["schema"]), parameter.get("description", ""))
        for parameter in operation.get("parameters", ())
    ]
    if rows:
        parts.append(_table(("Parameter", "In", "Type", ""), rows))
    if "requestBody" in operation:
        parts.append(f"<p>Body: {_type(operation['requestBody']['content']['application/json']['schema'])}</p>")
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            parts.append(f"<p>{status}: {_content(response['content'])}</p>")
    return "".join([*parts, "</details>"])


def _content(content: JsonObject) -> str:
    found: list[str] = []
    for media_type, described in content.items():
        schema = described.get("schema", {})
        data = schema.get("properties", {}).get("data") if schema.get("required") == ["success", "data"] else schema
        found.append(_type(data) if data else escape(media_type))
    return " or ".join(found)


def _schema(name: str, schema: JsonObject) -> str:
    required = schema.get("required", ())
    rows = [
        (field, "required" if field in required else "", _type(one), one.get("description", ""))
        for field, one in schema.get("properties", {}).items()
    ]
    text = f"<p>{_prose(schema.get('description', ''))}</p>" if schema.get("description") else ""
    table = _table(("Field", "", "Type", ""), rows) if rows else f"<p>{_type(schema)}</p>"
    return f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{text}{table}</details>'


def _errors() -> str:
    rows = [
        (code, str(error.status), _prose((error.__doc__ or "").partition("\n\n")[0]), "")
        for code, error in error_codes().items()
    ]
    return _table(("Code", "Status", "Meaning", ""), rows)


def _type(schema: JsonObject) -> str:
    """Return the type of a schema in a few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "const" in schema:
        return escape(json.dumps(schema["const"]))
    if "enum" in schema:
        return escape(" | ".join(json.dumps(one) for one in schema["enum"]))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(_type(one) for one in schema[word])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    return escape(str(schema.get("type", "any value")))


def _prose(text: str) -> str:
    """Return text as HTML, with code where it has double backticks."""
    return re.sub(r"``(.+?)``", r"<code>\1</code>", escape(text))


def _table(head: tuple[str, ...], rows: list[tuple[str, str, str, str]]) -> str:
    """Return a table whose third column is HTML and whose other columns are text."""
    body = "".join(
        f"<tr><td><code>{escape(first)}</code></td><td>{escape(second)}</td><td>{third}</td><td>{_prose(fourth)}</td></tr>"
        for first, second, third, fourth in rows
    )
    return f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr></thead><tbody>{body}</tbody></table>"
