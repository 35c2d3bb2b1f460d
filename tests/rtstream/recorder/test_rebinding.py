"""A name that leads to a public address when it is checked and to a private one later, in a network of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rtstream.recorder.rebinding import PRIVATE, PUBLIC, SOURCES, SRT, UDP
from tests.rtstream.recorder.recorder_sources import transport_stream

ROOT = Path(__file__).parents[3]


@pytest.mark.long
def test_a_name_that_changes_its_address_never_leads_to_a_private_one(clip: Path, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-n", "-m", "true"], capture_output=True).returncode:
        pytest.skip("network and mount namespaces are not permitted here")
    if shutil.which("ip") is None:
        pytest.skip("the ip program is not installed")
    media = tmp_path / "media.ts"
    media.write_bytes(transport_stream(clip, seconds=1.0))
    command = [unshare, "-n", "-m", sys.executable, "-m", "tests.rtstream.recorder.rebinding"]
    done = subprocess.run(
        [*command, str(tmp_path), str(media)], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["flips"]
    ffmpeg = shutil.which("ffmpeg") or ""
    speaks_srt = ffmpeg and b"srt" in subprocess.run([ffmpeg, "-protocols"], capture_output=True).stdout.split()
    for port in (*SOURCES, UDP, 9003, *([SRT] if speaks_srt else [])):
        assert seen["connections"].get(f"{PUBLIC}:{port}", 0) > 0, seen
        assert seen["connections"].get(f"{PRIVATE}:{port}", 0) == 0, seen
    assert len(seen["reasons"]) == len(SOURCES) + 3
    for reasons in seen["reasons"].values():
        refused = [reason for reason in reasons if f"the host is at {PRIVATE}" in reason]
        assert len(refused) == 2, seen
    assert sum(PRIVATE in reason for reason in seen["health"]) >= 3
    assert "connected" in seen["health"]
