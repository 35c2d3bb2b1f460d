"""The description of the API is served to programs and to people, without a key and without other sites."""

from __future__ import annotations

import re

import httpx
import pytest

from rtstream.api.docs import page

pytestmark = pytest.mark.anyio


async def test_the_page_shows_every_operation_object_and_error(player: httpx.AsyncClient) -> None:
    description = (await player.get("/openapi.json")).json()
    shown = await player.get("/docs")
    assert shown.headers["content-type"].startswith("text/html")
    readable = re.sub("</?code>", "", shown.text)
    assert "``" not in readable
    for path, methods in description["paths"].items():
        assert f"<code>{path}</code>" in shown.text
        for operation in methods.values():
            assert operation["summary"].replace("'", "&#x27;").replace("``", "") in readable
    anchors = set(re.findall(r' id="([^"]+)"', shown.text))
    assert set(description["components"]["schemas"]) <= anchors
    assert set(re.findall(r'href="#([^"]+)"', shown.text)) <= anchors
    assert "LINK_EXPIRED" in shown.text


async def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing(player: httpx.AsyncClient) -> None:
    shown = await player.get("/docs")
    policy = shown.headers["content-security-policy"]
    assert policy == "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"https?://|<script|style=|<style", shown.text)
    for target in re.findall(r'<link rel="stylesheet" href="([^"]+)"', shown.text):
        assert (await player.get(f"/{target}")).headers["content-type"].startswith("text/css")


def test_texts_of_the_description_are_escaped() -> None:
    operation = {"tags": ["a"], "summary": "<b>", "responses": {"200": {"content": {"<i>": {}}}}}
    shown = page(
        {
            "info": {"description": "<u> ``<tt>``", "version": "1"},
            "paths": {"/<s>": {"get": operation}},
            "components": {"schemas": {"X": {"description": "<em>", "properties": {"<q>": {"type": "string"}}}}},
        }
    )
    for tag in ("<u>", "<tt>", "<s>", "<i>", "<em>", "<q>"):
        assert tag not in shown
    assert "<code>&lt;tt&gt;</code>" in shown
