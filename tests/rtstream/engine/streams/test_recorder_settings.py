"""The specification of a recorder follows from the row of its stream and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtstream.config import EngineConfig
from rtstream.engine.streams.recorder_settings import recorder_spec, sub_stream_spec
from rtstream.states import DesiredState
from rtstream.store.streams import StreamRow


def row(**given: Any) -> StreamRow:
    values: dict[str, Any] = {"id": "rts-1", "name": "Door", "url": "rtsp://h/main", "collection_id": "default"}
    values |= {"created_at": 0.0, "media_types": ["video"], "audio": True, "sample_rate": 30, "store": True}
    values |= {"enable_transcript": False, "desired": DesiredState.RUNNING, "health": {}, "media": None}
    values |= {"retention": None, "tracks": "v2,a1", "recorded_bytes": 0}
    return StreamRow(**values | given)


def test_a_publisher_is_waited_for_without_a_long_back_off(tmp_path: Path) -> None:
    config = EngineConfig(data_dir=tmp_path, reconnect_max_s=30)
    waits = [recorder_spec(row(url=url), config, "/f", "").reconnect_max_s for url in ("push://phone", "rtsp://h/x")]
    assert waits == [1.0, 30]


def test_audio_that_is_off_is_not_read(tmp_path: Path) -> None:
    config = EngineConfig(data_dir=tmp_path)
    read = [recorder_spec(row(audio=audio), config, "/f", "").media_types for audio in (True, False)]
    assert read == [["video", "audio"], ["video"]]


def test_a_sub_stream_is_read_without_audio_and_never_recorded(tmp_path: Path) -> None:
    main = recorder_spec(row(), EngineConfig(data_dir=tmp_path), "/f", "/run")
    sub = sub_stream_spec(main, "rtsp://h/sub")
    assert (sub.stream_id, sub.url, sub.media_types, sub.record) == ("rts-1-sub", "rtsp://h/sub", ["video"], False)
    assert sub.tracks == ""  # those of the main stream have other numbers
    assert (sub.folder, sub.run_folder, sub.allow_networks) == (main.folder, main.run_folder, main.allow_networks)
