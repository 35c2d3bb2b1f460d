"""Compares playlists and exports, as a client receives them, with the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.faults.footage import Recording, pictures

EXPORT_S = 60.0
TOLERANCE_S = 0.2
"""A row of which less than this was not recorded again may be shown or not."""
FUTURE_S = 5.0
"""Seconds before the present of the engine in which a row need not be in a playlist yet."""


@dataclass
class Played:
    """Frames in playlists and exports, and where they differ from the files."""

    frames: int = 0
    flaws: list[str] = field(default_factory=list)

    def __add__(self, other: Played) -> Played:
        return Played(self.frames + other.frames, self.flaws + other.flaws)


def playlist(client: httpx.Client, stream_id: str, recordings: Sequence[Recording], now: float) -> Played:
    """Play everything that was recorded of a stream.

    Args:
        client: A client of the API.
        stream_id: The stream.
        recordings: All of its recordings.
        now: Unix time on the clock of the engine. A link ends there, so after a step back it does not reach footage
            that was recorded at a later time of the day.
    """
    start = min(one.span[0] for one in recordings)
    end = max(one.span[1] for one in recordings)
    found = client.get(f"/rtstream/{stream_id}/stream", params={"start": start, "end": end}).raise_for_status()
    response = client.get(found.json()["data"]["stream_url"]).raise_for_status()
    shown: list[int] = []
    flaws: list[str] = []
    init, media = b"", b""
    for line in [*response.text.splitlines(), "#EXT-X-MAP"]:
        if line.startswith("#EXT-X-MAP"):
            shown += pictures(init + media) if media else []
            if '"' in line:
                init, media = client.get(response.url.join(line.split('"')[1])).raise_for_status().content, b""
        elif line and not line.startswith("#"):
            try:
                media += client.get(response.url.join(line)).raise_for_status().content
            except (httpx.HTTPStatusError, httpx.RemoteProtocolError) as exc:  # the others are still to be checked
                flaws.append(f"the segment {line} of the playlist cannot be read: {exc}")
    played = _compared("playlist", shown, recordings, now - FUTURE_S if now < end else float("inf"))
    return played + Played(flaws=flaws)


def export(client: httpx.Client, stream_id: str, recordings: Sequence[Recording], folder: Path) -> Played:
    """Export everything that was recorded of a stream."""
    start = min(one.span[0] for one in recordings)
    end = max(one.span[1] for one in recordings)
    body = {"name": "all", "start": start, "end": end, "wait_s": 25}
    result: dict[str, Any] = client.post(f"/rtstream/{stream_id}/export", json=body, timeout=EXPORT_S).json()
    if result.get("status") != "done" and "data" not in result:
        return Played(flaws=[f"the export failed: {result.get('message')}"])
    data = result["data"]
    if "download_url" not in data:
        return Played(flaws=[f"the export took longer than 25 s: {result}"])
    video = client.get(data["download_url"], timeout=EXPORT_S).raise_for_status().content
    (folder / "export.mp4").write_bytes(video)
    return _compared("export", pictures(video), recordings)


def _compared(name: str, shown: list[int], recordings: Sequence[Recording], until: float = float("inf")) -> Played:
    """Compare the shown pictures with the files, without rows whose whole time was recorded again later.

    Rows that end after ``until`` may be shown.
    """
    expected: list[int] = []
    hidden: set[int] = set()
    optional: set[int] = set()
    overlapping = False
    # A playlist is in the order of Unix times, which differs from that of recording where the clock was set back.
    for one in sorted(recordings, key=lambda recording: recording.span):
        overlapping |= any(_overlap(one, other) for other in recordings if other is not one)
        later = [other for other in recordings if other.media_start > one.media_start and _overlap(one, other)]
        if not later and one.span[1] <= until:
            expected += pictures(one.init + one.media)
            continue
        for row in one.rows:
            there = pictures(one.init + one.bytes_of(row))
            start, end = row.start + TOLERANCE_S, row.start + row.duration - TOLERANCE_S
            if any(other.span[0] <= row.start and row.start + row.duration <= other.span[1] for other in later):
                hidden.update(there)
            elif row.start + row.duration > until or any(
                other.span[0] <= start and end <= other.span[1] for other in later
            ):
                optional.update(there)
            else:
                expected += there
    flaws = []
    # The source repeats its loop, so a picture may rightly be there several times.
    missing, strange = Counter(expected) - Counter(shown), Counter(shown) - Counter(expected)
    strange = Counter({picture: count for picture, count in strange.items() if picture not in optional})
    if missing:
        flaws.append(f"the {name} lacks {missing.total()} of {len(expected)} frames")
    if strange.keys() - hidden:
        flaws.append(f"the {name} has {len(strange.keys() - hidden)} frames that are in no file")
    if strange.keys() & hidden:
        flaws.append(f"the {name} has {len(strange.keys() & hidden)} frames of moments that were recorded again")
    if strange and not flaws:
        flaws.append(f"the {name} has {strange.total()} frames twice")
    if not overlapping and not optional and not flaws and shown != expected:
        flaws.append(f"the {name} has the frames in another order")
    return Played(len(shown), flaws)


def _overlap(one: Recording, other: Recording) -> bool:
    return one.span[0] < other.span[1] and other.span[0] < one.span[1]
