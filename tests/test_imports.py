"""Who may import whom: the plan of the house, held by a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("server", "tools", "resources", "rtstream")

MAY_SEE: dict[str, tuple[str, ...]] = {
    # room -> what of ours it may import, besides itself
    "tools": ("rtstream.client", "rtstream.models", "rtstream.errors", "rtstream.rules"),
    "resources": ("rtstream.client", "rtstream.models", "rtstream.errors", "rtstream.rules"),
    "rtstream/rules": ("rtstream.models", "rtstream.errors"),
    "rtstream/perception": ("rtstream.rules", "rtstream.errors", "rtstream.config"),
    "rtstream/store": ("rtstream.models", "rtstream.errors", "rtstream.rules"),
    "rtstream/recorder": (
        "rtstream.rules",
        "rtstream.errors",
        "rtstream.ids",
        "rtstream.messages",
        "rtstream.mp4",
        "rtstream.forkserver",
    ),
    "rtstream/mp4": ("rtstream.rules", "rtstream.errors"),
    "rtstream/extract": (
        "rtstream.rules",
        "rtstream.errors",
        "rtstream.mp4",
        "rtstream.recorder",
        "rtstream.storage",
        "rtstream.forkserver",
    ),
    "rtstream/storage": ("rtstream.errors",),
    "rtstream/client": ("rtstream.models", "rtstream.errors", "rtstream.rules"),
}
SHARED = ("rtstream.json_types", "rtstream.states")
"""Types that every package may import: they import nothing of ours."""
NO_IO = ("socket", "asyncio", "anyio", "httpx", "websockets", "sqlalchemy", "av", "threading", "subprocess", "requests")


def modules_below(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", MAY_SEE)
def test_a_room_sees_only_the_rooms_it_may(room: str) -> None:
    own = room.replace("/", ".")
    for path in modules_below(room):
        for name in imported(path):
            if name.split(".")[0] in OURS:
                allowed = (own, *SHARED, *MAY_SEE[room])
                assert any(name == a or name.startswith(f"{a}.") for a in allowed), f"{path} imports {name}"


def test_the_system_knows_nothing_of_its_mcp_face() -> None:
    for path in modules_below("rtstream"):
        for name in imported(path):
            assert name.split(".")[0] not in ("server", "tools", "resources", "mcp"), f"{path} imports {name}"


def test_rules_import_no_library_that_reads_or_waits() -> None:
    for path in modules_below("rtstream/rules"):
        for name in imported(path):
            assert name.split(".")[0] not in NO_IO, f"{path} imports {name}"


@pytest.mark.parametrize(
    "start",
    ["import rtstream.engine.engine, rtstream.api.app", "import server.__main__, tools, resources"],
    ids=["engine", "mcp"],
)
def test_no_media_or_model_library_is_loaded_by_the_engine_or_the_mcp_face(start: str) -> None:
    heavy = ("av", "rapidocr", "onnxruntime", "cv2", "moonshine_voice", "pocketsphinx")
    code = f"{start}\nimport sys\nprint([name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]"
