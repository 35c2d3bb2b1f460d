"""Forecast of the disk space that a stream's recording needs, and of the time that it can be kept."""

from __future__ import annotations

from dataclasses import dataclass

GB = 1e9
DAY_S = 86_400.0
ASSUMED_FPS = 25.0
AUDIO_BITS = 96_000.0
SHORTEST_S = 60.0
"""Recorded seconds from which a measured rate is more certain than an estimate."""
BITS_PER_PIXEL = {"hevc": 0.045, "av1": 0.04, "vp9": 0.05, "mjpeg": 1.0, "mpeg2video": 0.15}
OTHER_BITS_PER_PIXEL = 0.07
"""Typical rates of live encoders, for H.264 and everything else."""
DEFAULT_PERCENT = 80.0
"""Bound of recordings in new data folders: percent of the space that is free or theirs."""


@dataclass(frozen=True)
class ExpectedMedia:
    """Media of a source, as far as it is known."""

    video_codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    has_audio: bool = False


def bytes_per_day(media: ExpectedMedia, recorded_bytes: int, recorded_s: float) -> tuple[float, bool]:
    """Return the bytes that a day of recording needs, and whether they are measured instead of estimated."""
    if recorded_s >= SHORTEST_S and recorded_bytes:
        return recorded_bytes / recorded_s * DAY_S, True
    bits = AUDIO_BITS if media.has_audio else 0.0
    if media.video_codec and media.width and media.height:
        per_pixel = BITS_PER_PIXEL.get(media.video_codec, OTHER_BITS_PER_PIXEL)
        bits += media.width * media.height * min(media.fps or ASSUMED_FPS, 60.0) * per_pixel
    return bits / 8 * DAY_S, False


def bound_bytes(percent: float, own: int, free: int) -> int | None:
    """Return the bytes that recordings may fill on this disk, or None without a bound.

    Args:
        percent: Percent of the space that is free or theirs; 0 for no bound.
        own: Bytes that recordings, and the copies of the database, use now.
        free: Free bytes of the disk.
    """
    return int((own + free) * percent / 100) if percent else None


def sentence(per_day: float, measured: bool, bound: int | None, percent: float, streams: int) -> str:
    """Return the forecast as text for the user.

    Args:
        per_day: Bytes per day of this stream.
        measured: Whether they are measured.
        bound: Bytes that all recordings may fill, or None.
        percent: The setting that the bound follows from.
        streams: Number of streams that share the space.
    """
    kind = "measured" if measured else "estimated"
    rate = f"Recording takes about {per_day / GB:.3g} GB per day ({kind})."
    if not per_day:
        rate = "The space per day is known once the stream has been recorded for a minute."
    if bound is None:
        return (
            f"{rate} This data folder keeps everything until the disk is full, and recording then pauses. To "
            f"remove the oldest recordings instead, set RTSTREAM_RETAIN_PERCENT={DEFAULT_PERCENT:g} or the stream's "
            "keep_days."
        )
    lasts = f", about {max(1, round(bound / per_day / max(1, streams)))} days" if per_day else ""
    return (
        f"{rate} The oldest recordings are removed once all recordings fill {percent:g} % of the free space, "
        f"{bound / GB:.3g} GB{lasts} (RTSTREAM_RETAIN_PERCENT)."
    )
