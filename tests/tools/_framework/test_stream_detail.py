"""Streams in words: media, tracks, packets and problems."""

from __future__ import annotations

import pytest

from rtstream.models import EngineInfo, Health, HealthReason, MediaInfo, MediaTrack, Stream
from rtstream.states import HealthCode, HealthLevel, HealthState, StreamStatus
from tools._framework.stream_detail import engine_state, has_problem, info_fields, media, next_calls, problems, tracks


def stream(**values: object) -> Stream:
    return Stream.model_validate({"id": "rts-1", "name": "Door", **values})


def test_the_media_of_a_source_is_described() -> None:
    track = MediaTrack(id="v2", kind="video", codec="h264", width=640, height=360, bit_rate=500_000, chosen=True)
    carried = MediaInfo(video_codec="h264", width=640, height=360, fps=25, audio_codec="aac", audio_rate=48000)
    found = stream(media=carried.model_copy(update={"tracks": [track]}))
    assert media(found) == "h264 640x360 25 fps, aac 48000 Hz"
    assert tracks(found) == ["* v2 h264 640x360 500 kbit/s"]
    assert media(stream()) is None
    assert tracks(stream()) is None


VIDEO, AUDIO = {"video_codec": "h264"}, {"audio_codec": "aac"}
LOOK = "Call look to see it, or index_visuals to have it described continuously."


@pytest.mark.parametrize(
    ("carried", "values", "runs", "calls"),
    [
        (VIDEO | AUDIO, {}, {}, [LOOK, "Call transcribe for its speech."]),
        (VIDEO, {}, {}, [LOOK]),
        (VIDEO | AUDIO, {"audio": False}, {}, [LOOK]),
        (AUDIO, {}, {}, ["It has no video. Call transcribe for its speech."]),
        (AUDIO, {}, {"heard": True}, ["Follow it with wait_for_events(channels=['transcript'], since=cursor)"]),
        (VIDEO, {}, {"indexed": True}, ["Follow it with wait_for_events(channels=['scenes'], since=cursor)"]),
        (
            VIDEO | AUDIO,
            {},
            {"indexed": True, "heard": True},
            ["Follow it with wait_for_events(channels=['scenes', 'transcript'], since=cursor)"],
        ),
        (
            VIDEO | AUDIO,
            {},
            {"heard": True},
            ["Follow it with wait_for_events(channels=['transcript'], since=cursor)"],
        ),
        (None, {}, {}, [LOOK, "Call transcribe for its speech."]),
    ],
)
def test_the_next_calls_fit_the_media_and_what_runs(
    carried: dict[str, str] | None, values: dict[str, object], runs: dict[str, bool], calls: list[str]
) -> None:
    found = stream(media=carried, **values)
    said = next_calls(found, indexed=runs.get("indexed", False), heard=runs.get("heard", False))
    assert len(said) == len(calls)
    assert all(one.startswith(start) for one, start in zip(said, calls, strict=True))


@pytest.mark.parametrize(
    ("state", "level", "status", "problem"),
    [
        (HealthState.CONNECTED, None, StreamStatus.CONNECTED, False),
        (HealthState.CONNECTED, HealthLevel.NOTE, StreamStatus.CONNECTED, False),
        (HealthState.CONNECTED, HealthLevel.PROBLEM, StreamStatus.CONNECTED, True),
        (HealthState.RECONNECTING, None, StreamStatus.CONNECTED, True),
        (HealthState.ERROR, None, StreamStatus.ERROR, True),
        (HealthState.STOPPED, None, StreamStatus.STOPPED, False),
    ],
)
def test_a_stream_that_should_run_has_a_problem_unless_it_is_connected_without_one(
    state: HealthState, level: HealthLevel | None, status: StreamStatus, problem: bool
) -> None:
    reasons = [HealthReason(code=HealthCode.TRACK_SILENT, level=level, text="silent")] if level else []
    found = stream(health=Health(state=state, reasons=reasons), status=status)
    assert has_problem(found) is problem
    assert problems(found) == (["track_silent: silent"] if level else [])


def test_a_collection_is_shown_unless_it_is_the_default_one() -> None:
    assert info_fields(stream())["collection"] is None
    assert info_fields(stream(collection_id="c-1"))["collection"] == "c-1"


def test_a_service_without_extensions_has_no_state() -> None:
    assert engine_state(None) is None
    shown = engine_state(EngineInfo(version="1", vision="local", screen_text=True, timezone="Europe/Berlin"))
    assert shown is not None
    assert (shown.timezone, shown.speech) == ("Europe/Berlin", None)
