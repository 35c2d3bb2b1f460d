"""Random plans of changes, which the same seed repeats."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.changes.clips import GOP_S
from tests.changes.containers import Format


class Kind(StrEnum):
    """A change of a source."""

    AUDIO_REMOVED = "audio removed"
    AUDIO_ADDED = "audio added"
    AUDIO_FORMAT = "other rate, channels or codec of the audio"
    AUDIO_SILENT = "audio declared, but not sent"
    AUDIO_SENT = "audio sent again"
    SIZE = "other size"
    CODEC = "other video codec"
    PIDS = "other PIDs"
    PROGRAM = "other program"
    JUMP = "timestamps jump"
    WRAP = "timestamps wrap"
    STILL = "picture stands still"
    RESTART = "source restarts"


@dataclass(frozen=True)
class Change:
    """A change at ``at`` seconds after the source began, after which it sends ``form``.

    Attributes:
        lasts_s: Duration of a still picture, or of an interruption. Afterwards, the source sends ``form`` again.
    """

    kind: Kind
    at: float
    form: Format
    lasts_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:6.0f} s  {self.kind}" + (f" for {self.lasts_s:g} s" if self.lasts_s else "")


AUDIO_CHANGES = (Kind.AUDIO_REMOVED, Kind.AUDIO_ADDED, Kind.AUDIO_FORMAT)
EVERYWHERE = (Kind.AUDIO_SILENT, Kind.AUDIO_SENT, Kind.SIZE, Kind.JUMP, Kind.STILL, Kind.RESTART)
TS = (*AUDIO_CHANGES, *EVERYWHERE, Kind.CODEC, Kind.PIDS, Kind.PROGRAM, Kind.WRAP)
FLV = (*AUDIO_CHANGES, *EVERYWHERE, Kind.CODEC)
HLS = (*AUDIO_CHANGES, Kind.SIZE, Kind.CODEC, Kind.JUMP, Kind.RESTART)
PROTOCOLS: dict[str, tuple[Kind, ...]] = {
    "RTSP over TCP": EVERYWHERE,
    "TS over HTTP": TS,
    "pushed RTMP": FLV,
    "HLS with TS": HLS,
    "MJPEG over HTTP": (Kind.SIZE, Kind.RESTART),
    "TS over UDP": TS,
    "FLV over HTTP": FLV,
    "HLS with fMP4": HLS,
    "RTSP over UDP": EVERYWHERE,
    "TS over TCP": TS,
    "RTMP": (*AUDIO_CHANGES, *EVERYWHERE),
}
"""The changes of each protocol. RTSP declares another audio format only when it starts again."""
AUDIOS = {"FLV over HTTP": ("aac-48", "aac-44"), "pushed RTMP": ("aac-48", "aac-44"), "RTMP": ("aac-48", "aac-44")}
RTSP_AUDIOS = ("aac-48", "aac-44", "")
JUMPS_S = (7200.0, -1800.0, 45.0, -5.0)
WRAP_S = 2**33 / 90000
OFF_S = (1.0, 2.0)
"""Shortest and longest interruption."""
STILL_S = (4, 8)


def first_format(protocol: str, luck: random.Random) -> Format:
    """Return the format with which a source begins."""
    if protocol.startswith("MJPEG"):
        return Format("jpeg")
    return Format(luck.choice(("h264", "h264-large")), luck.choice(("aac-48", "aac-44")))


def draw(seed: int, protocol: str, seconds: float, every_s: tuple[float, float], group_s: float) -> list[Change]:
    """Draw the changes of one source, each at the beginning of a group of pictures.

    Args:
        seed: Seed of the source.
        protocol: One of ``PROTOCOLS``.
        seconds: Duration of the run.
        every_s: Shortest and longest time between two changes.
        group_s: Duration of a group, in seconds.
    """
    luck = random.Random(seed)
    form, at, found = first_format(protocol, luck), 0.0, list[Change]()
    while True:
        at += luck.uniform(*every_s)
        at = round(at / group_s) * group_s
        if at > seconds:
            return found
        kind = luck.choice([kind for kind in PROTOCOLS[protocol] if possible(kind, form)])
        form, lasts_s = changed(kind, protocol, form, at, luck)
        found.append(Change(kind, at, form, lasts_s))
        at += lasts_s


def possible(kind: Kind, form: Format) -> bool:
    """Return whether a source that sends a format can change in this way."""
    match kind:
        case Kind.AUDIO_REMOVED | Kind.AUDIO_FORMAT | Kind.AUDIO_SILENT | Kind.STILL:
            return bool(form.audio) and not form.silent
        case Kind.AUDIO_ADDED:
            return not form.audio
        case Kind.AUDIO_SENT:
            return form.silent
        case _:
            return True


def changed(kind: Kind, protocol: str, form: Format, at: float, luck: random.Random) -> tuple[Format, float]:
    """Return the format after a change, and the duration of the change in seconds."""
    audios = AUDIOS.get(protocol, ("aac-48", "aac-44") if "fMP4" in protocol else ("aac-48", "aac-44", "mp3-44"))
    match kind:
        case Kind.AUDIO_REMOVED:
            return replace(form, audio="", silent=False), 0.0
        case Kind.AUDIO_ADDED | Kind.AUDIO_FORMAT:
            return replace(form, audio=luck.choice([one for one in audios if one != form.audio])), 0.0
        case Kind.AUDIO_SILENT | Kind.AUDIO_SENT:
            return replace(form, silent=kind is Kind.AUDIO_SILENT), 0.0
        case Kind.SIZE:
            other = {"h264": "h264-large", "hevc": "h264-large", "jpeg": "jpeg-large"}
            return replace(form, video=other.get(form.video, form.video.removesuffix("-large"))), 0.0
        case Kind.CODEC:
            return replace(form, video="h264" if form.video == "hevc" else "hevc"), 0.0
        case Kind.PIDS:
            return replace(form, pid=form.pid % 0x1000 + 0x20), 0.0
        case Kind.PROGRAM:
            return replace(form, program=form.program % 9 + 1, pid=form.pid % 0x1000 + 0x20), 0.0
        case Kind.JUMP:
            jump = luck.choice(JUMPS_S)
            return replace(form, base_s=form.base_s + jump if form.base_s + at + jump > 1 else 10.0 + 3600.0), 0.0
        case Kind.WRAP:  # three seconds later
            return replace(form, base_s=WRAP_S - at - 3.0), 0.0
        case Kind.STILL:
            return form, luck.randint(*STILL_S) * GOP_S
        case Kind.RESTART:
            audio = luck.choice(RTSP_AUDIOS) if protocol.startswith("RTSP") else form.audio
            silent = form.silent and bool(audio)
            return replace(form, audio=audio, silent=silent, base_s=1.0 - at), round(luck.uniform(*OFF_S), 1)
