"""Schemathesis sends generated requests to every operation: nothing fails inside, every response is as described."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.sdk_service import KEY
from tests.integration.sdk_world import INDEX, World, world
from tests.rtstream.engine.recordings.test_exports import STREAM

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
LIMIT_S = 900
"""Time limit of one run in seconds."""
SLOW = r"/look$|^/(video|audio)/[^/]+/transcription$|^/video/[^/]+/index$"
"""Paths whose requests read footage or wait for a speech engine, for seconds each. They get few requests."""


@pytest.fixture
def sdk(tmp_path: Path, clip_of: Callable[[ClipSpec], Path]) -> Iterator[World]:
    from rtstream.testsource import ClipSpec

    clip = clip_of(ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones"))
    with world(tmp_path / "data", clip) as filled:
        yield filled


def run(sdk: World, folder: Path, values: dict[str, object], *options: str) -> None:
    """Run Schemathesis with fixed values of parameters, and check that it found nothing."""
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("schemathesis is not installed")
    file = folder / "schemathesis.toml"
    # Requests that wait for an entry of the journal would take most of the time.
    fixed = {"wait_s": 0, **values}
    lines = ["[parameters]", *(f"{name} = {json.dumps(value)}" for name, value in fixed.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [str(program), "--config-file", str(file), "--no-color", "run", f"{sdk.conn.base_url}/openapi.json"]
    command += ["--header", f"x-access-token: {KEY}", "--checks", ",".join(CHECKS), "--seed", "1"]
    command += ["--request-timeout", "60", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout[-15_000:] + done.stderr[-3_000:]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_generated_requests_find_no_fault(sdk: World, tmp_path: Path) -> None:
    run(sdk, tmp_path, {}, "--phases", "coverage")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_generated_requests_on_objects_that_exist_find_no_fault(sdk: World, tmp_path: Path) -> None:
    # Without deletions, the objects stay until the end.
    options = ("--max-examples", "5", "--exclude-method", "DELETE", "--exclude-path-regex", SLOW)
    run(sdk, tmp_path, existing(sdk), "--phases", "coverage,fuzzing", *options)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_generated_requests_that_take_seconds_find_no_fault(sdk: World, tmp_path: Path) -> None:
    run(sdk, tmp_path, existing(sdk), "--phases", "fuzzing", "--max-examples", "10", "--include-path-regex", SLOW)


def existing(sdk: World) -> dict[str, object]:
    """Ids of objects that exist, by the name of their parameter."""
    link_id = (sdk.video.player_url or "").rpartition("=")[2]
    return {
        "stream_id": STREAM,
        "index_id": INDEX,
        "collection_id": "default",
        "video_id": sdk.video.id,
        "link_id": link_id,
        "v": link_id,
    }
