"""Former names of tools lead to the tools of today."""

from __future__ import annotations

import re

import pytest

from tools._framework.names import FORMER, renamed_tool
from tools.registry import toolset

TOOLS = {tool.name: tool for tool in toolset()}


@pytest.mark.parametrize("name", sorted(FORMER))
def test_a_former_name_names_a_tool_and_its_arguments(name: str) -> None:
    sentence = renamed_tool(name)
    assert sentence is not None
    assert sentence.startswith(f"{name} is now ")
    assert name not in TOOLS
    tool = TOOLS[FORMER[name].split()[0].rstrip(",")]
    named = set(re.findall(r"(\w+)=", FORMER[name].replace("alert_id=<alert_id>", "alert_id=")))
    assert named <= set(tool.parameters["properties"]), tool.name


def test_other_names_are_unknown() -> None:
    assert renamed_tool("get_weather") is None
