"""The specification of a stream's recorder, from the row of the stream and the settings of the engine."""

from __future__ import annotations

import math
from dataclasses import replace

from rtstream.config import EngineConfig
from rtstream.messages import RecorderSpec
from rtstream.rules.audio_choice import audio_off
from rtstream.rules.camera_login import parse_logins, with_login
from rtstream.rules.source_urls import PUSH
from rtstream.store.streams import StreamRow

PUSHED = f"{PUSH}://"
PUBLISHER_WAIT_S = 1.0
SUB = "-sub"
"""End of the id under which the sub stream of a stream has a recorder."""


def recorder_spec(row: StreamRow, config: EngineConfig, folder: str, run_folder: str) -> RecorderSpec:
    """Return the specification of the recorder of a stream.

    Args:
        row: The stream.
        config: The settings.
        folder: Absolute path of the folder in which it stores segments.
        run_folder: Folder of the sockets of recorders that outlive the engine, else empty.
    """
    # A publisher decides itself when it comes back.
    longest = PUBLISHER_WAIT_S if row.url.startswith(PUSHED) else math.inf
    return RecorderSpec(
        stream_id=row.id,
        url=with_login(row.url, parse_logins(config.camera_credentials)),
        media_types=["video"] if audio_off(row.audio, config.record_audio) else ["video", "audio"],
        record=row.store,
        folder=folder,
        segment_s=config.segment_s,
        stall_timeout_s=config.stall_timeout_s,
        open_timeout_s=config.open_timeout_s,
        reconnect_max_s=min(config.reconnect_max_s, longest),
        tls_verify=config.tls_verify,
        allow_networks=config.allow_networks,
        listen_ports=config.listen_ports,
        min_free_bytes=int(config.min_free_gb * 1e9),
        tracks=row.tracks or "",
        max_height=config.max_height or 0,
        language=config.speech_language,
        stream_name=row.name,
        run_folder=run_folder,
    )


def sub_stream_spec(main: RecorderSpec, url: str) -> RecorderSpec:
    """Return the specification of the recorder of a sub stream, which records nothing. ``tracks`` are the main's."""
    return replace(main, stream_id=f"{main.stream_id}{SUB}", url=url, media_types=["video"], record=False, tracks="")


def opened_urls(row: StreamRow, config: EngineConfig) -> list[str]:
    """Return the URLs that the recorders of a stream open, with the logins of the settings."""
    logins = parse_logins(config.camera_credentials)
    return [with_login(url, logins) for url in (row.url, row.detect_url) if url]
