"""Clips are rendered once."""

from __future__ import annotations

from pathlib import Path

from rtstream.testsource import ClipSpec, make_clip


def test_a_clip_is_made_once(tmp_path: Path) -> None:
    spec = ClipSpec(width=160, height=90, seconds=1, bitrate=100_000, voice="tones")
    first = make_clip(spec, tmp_path)
    made = first.stat().st_mtime_ns
    assert make_clip(spec, tmp_path) == first
    assert first.stat().st_mtime_ns == made
    assert make_clip(ClipSpec(width=160, height=90, seconds=1, bitrate=100_000, audio=False), tmp_path) != first
