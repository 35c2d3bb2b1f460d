"""The pages document every setting, command, tool, resource, prompt and route."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from rtstream.api.app import routes
from rtstream.client import RTStreamClient
from rtstream.client.markdown import CHOSEN_BY_OTHERS
from rtstream.client.messages import LIVE_CHANNELS
from server.__main__ import COMMANDS, EPILOG
from server.cli import docs
from server.mcp_server import create_endpoint
from server.settings import PREFIX, Settings
from tools.registry import toolset

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.name)
def test_generated_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert docs.filled(text) == text, "run 'make docs'"


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert f"`{PREFIX}{name.upper()}`" in text
        assert field.description, f"{name} has no line of help"


def reference(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "reference" / "tools.md"], ids=lambda p: p.name)
def test_the_table_of_tools_names_exactly_the_tools(page: Path) -> None:
    table = page.read_text(encoding="utf-8").partition("<!-- tools:begin -->")[2].partition("<!-- tools:end -->")[0]
    assert first_cells(table) == {tool.name for tool in toolset()}


def test_every_field_that_others_choose_is_documented() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    names = page.partition("**Names** are data")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", names)) == CHOSEN_BY_OTHERS


def methods_and_path(route: BaseRoute) -> tuple[str, str]:
    if isinstance(route, WebSocketRoute):
        return "WebSocket", route.path
    if isinstance(route, Mount):
        return "GET", route.path
    assert isinstance(route, Route)
    methods = getattr(route.endpoint, "methods", "GET")
    return methods, re.sub(r":\w+}", "}", route.path)


def test_the_api_page_lists_exactly_the_routes_of_the_application() -> None:
    documented = re.findall(r"^\| ([A-Za-z, ]+) \| `(/[^`]*)` \|", reference("api"), re.MULTILINE)
    assert set(documented) == {methods_and_path(route) for route in routes()}


def test_the_page_of_commands_lists_exactly_the_commands() -> None:
    documented = {name.removeprefix("rtstream-mcp").strip() for name in first_cells(reference("commands"))}
    assert documented == {"", *COMMANDS}
    assert all(f"\n  {command}" in EPILOG for command in COMMANDS)


@pytest.mark.anyio
async def test_the_page_of_resources_lists_exactly_the_resources() -> None:
    mcp = create_endpoint(RTStreamClient("http://127.0.0.1:1", "key")).mcp
    uris = {str(resource.uri) for resource in await mcp.list_resources()}
    templates = {template.uri_template for template in await mcp.list_resource_templates()}
    assert first_cells(reference("resources")) == uris | templates | set(LIVE_CHANNELS)


@pytest.mark.anyio
async def test_the_page_of_prompts_lists_exactly_the_prompts_and_their_arguments() -> None:
    mcp = create_endpoint(RTStreamClient("http://127.0.0.1:1", "key")).mcp
    documented = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", reference("prompts"), re.MULTILINE)
    assert {name: re.findall(r"`(\w+)`", arguments) for name, arguments in documented} == {
        prompt.name: [argument.name for argument in prompt.arguments or []] for prompt in await mcp.list_prompts()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_named_in_the_docs_exist(page: Path) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", page.read_text(encoding="utf-8")):
        assert name in known, f"{page.name} names {name}"
