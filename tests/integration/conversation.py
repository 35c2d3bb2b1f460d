"""A user and a scripted assistant that has only the tools and their results, written down for the guide."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mcp import Client

from tests.server.mcp_servers import call

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "conversations.md"
LINK = re.compile(r"https?://[\w.:-]+/(watch\?v=|m/)[\w-]+(/[\w./]+)?")
ID = re.compile(r"\b(rts|scene-idx|alert|event|m)-[0-9a-f]{6,}\b")
DATE = re.compile(r"\b20\d\d-\d\d-\d\d(?=T|\b)")
OFFSET = re.compile(r"(?<=\d\d:\d\d:\d\d)[+-]\d\d:\d\d\b")
TRACEABLE = re.compile(r"://|\d{3}|^[a-z-]+-[0-9a-f]{6,}$")
"""Arguments that an assistant cannot make up."""
EXAMPLE_URL = "http://127.0.0.1:8740"


class Conversation:
    """A conversation that a test carries out.

    The assistant uses the tools of the list alone. Ids, URLs and numbers in its arguments must occur in what the user
    said or in an earlier result.

    Args:
        client: Client of the MCP server.
        aliases: Texts of the test by what the guide shows instead.
    """

    def __init__(self, client: Client, aliases: Mapping[str, str] | None = None) -> None:
        self._client = client
        self._aliases = dict(aliases or {})
        self._heard = ""
        self._offered: set[str] = set()
        self._lines: list[str] = []
        self._names: dict[str, str] = {}

    def user(self, words: str) -> None:
        """Write down what the user says."""
        self._heard += f"\n{words}"
        self._lines += [*([""] if self._lines else []), f"user: {self._shown(words)}"]

    async def call(self, tool: str, /, *, show: tuple[str, ...], **arguments: Any) -> dict[str, Any]:
        """Call a tool, and write the call down with the essential part of its result.

        Args:
            tool: Name of the tool.
            show: Paths into the result, such as ``hits.0.player_url``.
            arguments: Its arguments.
        """
        if not self._offered:
            self._offered = {one.name for one in (await self._client.list_tools()).tools}
        assert tool in self._offered
        for text in _texts(arguments):
            assert not TRACEABLE.search(text) or text in self._heard, f"the assistant cannot know {text}"
        result = await call(self._client, tool, **arguments)
        self._heard += "\n" + json.dumps(result, ensure_ascii=False)
        given = ", ".join(f"{key}={self._shown(_json(value))}" for key, value in arguments.items())
        self._lines += ["", f"{tool}({given})"]
        width = max(len(path.rpartition(".")[2]) for path in show)
        for path in show:
            value = _at(result, path)
            text = value if isinstance(value, str) else _json(value)
            self._lines.append(f"  {path.rpartition('.')[2]:{width}}  {self._shown(text)}")
        return result

    def check(self, name: str) -> None:
        """Compare the conversation with the guide. ``UPDATE_SNAPSHOTS=1`` rewrites that part of the guide."""
        begin, end = f"<!-- {name}:begin -->\n```\n", f"\n```\n<!-- {name}:end -->"
        page, written = PAGE.read_text(encoding="utf-8"), "\n".join(self._lines)
        before, found, rest = page.partition(begin)
        shown, closed, after = rest.partition(end)
        assert found, f"{PAGE.name} has no part {name}"
        assert closed, f"{PAGE.name} has no end of the part {name}"
        if os.environ.get("UPDATE_SNAPSHOTS") == "1":
            PAGE.write_text(before + begin + written + end + after, encoding="utf-8")
            return
        assert shown == written, f"UPDATE_SNAPSHOTS=1 rewrites {PAGE.name}"

    def _shown(self, text: str) -> str:
        """Return a text with stable names in place of ids, links and dates."""
        for ours, example in self._aliases.items():
            text = text.replace(ours, example)
        text = LINK.sub(lambda found: f"{EXAMPLE_URL}/{found[1]}{self._name('link', found[0])}{found[2] or ''}", text)
        text = ID.sub(lambda found: self._name(found[1], found[0]), text)
        return OFFSET.sub("+01:00", DATE.sub("2026-11-27", text))

    def _name(self, kind: str, value: str) -> str:
        """Return the same name each time that a value occurs."""
        if value not in self._names:
            number = 1 + sum(name.rpartition("-")[0] == kind for name in self._names.values())
            self._names[value] = f"{kind}-{number}"
        return self._names[value]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _at(result: Any, path: str) -> Any:
    for step in path.split("."):
        result = result[int(step)] if isinstance(result, list) else result[step]
    return result


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts and numbers of arguments, as they would occur in JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield repr(value)
