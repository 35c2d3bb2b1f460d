"""Replaces the audio track of recorded fragments by AAC, without changing the video (ISO/IEC 14496-12 and 14496-1).

The audio of the recording stays in the media data of a fragment. Its header is renamed to a box that readers skip, so
that all positions remain valid.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import BinaryIO

from rtstream.mp4.fragment_reader import MediaRange, each_fragment, lead_track
from rtstream.mp4.fragments import boxes, find
from rtstream.mp4.moov import box
from rtstream.mp4.recordings import StoredSegment
from rtstream.mp4.sample_tables import TrackInfo, read_fragment, read_init
from rtstream.rules.playback_audio import AAC_RATES, FRAME

CHANNELS = 2
SILENCE = bytes.fromhex("211004608c1c")
"""An AAC frame of silence in stereo."""
_BIT_RATE = 128_000
_SYNC = 0x0200_0000  # sample flags: it depends on no other sample

OpenFile = Callable[[str], BinaryIO]
"""Opens a stored file by its key."""

Part = bytes | MediaRange


def audio_track(init: bytes) -> TrackInfo:
    """Return the audio track of an init segment, whose timescale is its sample rate.

    Raises:
        ValueError: The audio track is missing, or AAC does not support its sample rate.
    """
    found = next((track for track in read_init(init).values() if track.handler == b"soun"), None)
    if found is None:
        raise ValueError("the recording has no audio track")
    if found.timescale not in AAC_RATES:
        raise ValueError(f"AAC does not support the sample rate of {found.timescale} Hz")
    return found


def init_with_aac(init: bytes) -> bytes:
    """Return an init segment whose audio track is AAC in stereo. Raises ValueError as ``audio_track`` does."""
    track = audio_track(init)
    return _replaced(init, track.id, _sample_description(track.timescale))


def _replaced(data: bytes, track_id: int, stsd: bytes) -> bytes:
    """Return boxes in which the sample description of a track is another one."""
    found = bytearray()
    for kind, body, end in boxes(data):
        inner = data[body:end]
        if kind in (b"moov", b"mdia", b"minf", b"stbl") or (kind == b"trak" and _is_track(inner, track_id)):
            found += box(kind, _replaced(inner, track_id, stsd))
        else:
            found += stsd if kind == b"stsd" else data[body - 8 : end]
    return bytes(found)


def _is_track(trak: bytes, track_id: int) -> bool:
    tkhd = find(trak, [b"tkhd"])
    return tkhd is not None and struct.unpack_from(">I", trak, tkhd[0] + (20 if trak[tkhd[0]] else 12))[0] == track_id


def _sample_description(rate: int) -> bytes:
    specific = struct.pack(">H", 2 << 11 | AAC_RATES.index(rate) << 7 | CHANNELS << 3)  # AAC LC
    config = _descriptor(4, struct.pack(">BBBHII", 0x40, 0x15, 0, 0, _BIT_RATE, _BIT_RATE) + _descriptor(5, specific))
    esds = box(b"esds", bytes(4) + _descriptor(3, struct.pack(">HB", 0, 0) + config + _descriptor(6, b"\x02")))
    entry = struct.pack(">6xH8xHH4xI", 1, CHANNELS, 16, rate << 16 if rate < 1 << 16 else 0)
    return box(b"stsd", struct.pack(">II", 0, 1), box(b"mp4a", entry, esds))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes((tag, len(body))) + body


def audio_fragment(track: TrackInfo, first: int, frames: Sequence[bytes]) -> bytes:
    """Return a fragment of AAC frames.

    Args:
        track: The audio track.
        first: Number of the first frame, which begins at ``first * FRAME`` ticks.
        frames: At least one frame.
    """
    sizes = struct.pack(f">{len(frames)}I", *(len(frame) for frame in frames))

    def moof(offset: int) -> bytes:
        tfhd = box(b"tfhd", struct.pack(">4I", 0x020028, track.id, FRAME, _SYNC))
        tfdt = box(b"tfdt", struct.pack(">IQ", 1 << 24, first * FRAME))
        trun = box(b"trun", struct.pack(">IIi", 0x000201, len(frames), offset), sizes)
        return box(b"moof", box(b"mfhd", struct.pack(">II", 0, 1)), box(b"traf", tfhd, tfdt, trun))

    return moof(len(moof(0)) + 8) + box(b"mdat", *frames)


def media_start(init: bytes, segment: StoredSegment, open_file: OpenFile) -> float:
    """Return the start of a segment in seconds on the time line of its recording.

    Raises:
        ValueError: The segment is damaged.
        OSError: Its file cannot be read.
    """
    tracks = read_init(init)
    lead = lead_track(tracks)
    with open_file(segment.key) as file:
        for _, moof in each_fragment(file, segment.key, segment.offset, segment.offset + segment.length):
            own = read_fragment(moof, tracks, lead.id).get(lead.id)
            if own is not None:
                return float(own.decoded[0] + own.shown_after[0]) / lead.timescale
    raise ValueError("the segment has no samples")


def segment_with_aac(
    init: bytes, segment: StoredSegment, first: int, frames: Sequence[bytes], open_file: OpenFile
) -> list[Part]:
    """Return the content of a segment in which AAC replaces the audio: bytes, and ranges of the stored file.

    Each fragment is followed by the audio up to the next one. Without video, only the audio remains.

    Args:
        init: Init segment of the recording.
        segment: The segment.
        first: Number of the first AAC frame.
        frames: The AAC frames of the segment.
        open_file: Opens the stored file.

    Raises:
        ValueError: The segment is damaged.
        OSError: Its file cannot be read.
    """
    tracks, track = read_init(init), audio_track(init)
    lead = lead_track(tracks)
    if lead.id == track.id:
        return [audio_fragment(track, first, frames)] if frames else []
    found: list[tuple[float, bytes, MediaRange]] = []
    with open_file(segment.key) as file:
        for stretch, moof in each_fragment(file, segment.key, segment.offset, segment.offset + segment.length):
            own = read_fragment(moof, tracks, lead.id).get(lead.id)
            if own is not None:
                found.append((float(own.decoded[0]) / lead.timescale, _without(moof, track.id), stretch))
    parts: list[Part] = []
    at = 0
    for number, (_, moof, stretch) in enumerate(found):
        until = len(frames)
        if number + 1 < len(found):
            until = min(until, max(at, int(found[number + 1][0] * track.timescale) // FRAME - first))
        parts += [moof, MediaRange(stretch.key, stretch.offset + len(moof), stretch.length - len(moof))]
        if until > at:
            parts.append(audio_fragment(track, first + at, frames[at:until]))
        at = until
    return parts


def _without(moof: bytes, track_id: int) -> bytes:
    """Return a moof box in which readers skip a track. Its size and everything else stay as they are."""
    copy = bytearray(moof)
    for kind, body, end in boxes(moof, 8):
        if kind == b"traf":
            header = find(moof, [b"tfhd"], body, end)
            if header and int.from_bytes(moof[header[0] + 4 : header[0] + 8], "big") == track_id:
                copy[body - 4 : body] = b"free"
    return bytes(copy)
