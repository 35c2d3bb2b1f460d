"""A recorded window as one plain MP4 file: exact to the picture, the payload untouched, playable as file and as HLS."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rtstream.extract.export import VIDEO_FILE, write
from rtstream.mp4.progressive import FormatMismatch, ProgressiveFile, plan, retime, same_format
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.rules.playlist import Segment, playlist
from rtstream.storage import Draft
from tests.sources import FILES, key_of, record

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

START = 1_790_000_000.25
FPS = 30


@pytest.fixture(scope="module")
def b_frames(clip_of: Callable[[ClipSpec], Path]) -> Path:
    """8 s with pictures that are decoded in another order than shown, a keyframe every second, and audio."""
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones"))


@pytest.fixture
def recording(b_frames: Path, tmp_path: Path) -> StoredRecording:
    return record(b_frames, tmp_path / "run", start=START, audio=True)


def shown(path: Path) -> list[int]:
    """Numbers of the pictures that a player shows."""
    import av

    from rtstream.testsource import read_barcode

    with av.open(str(path)) as container:
        return [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def payload(path: Path) -> dict[str, list[bytes]]:
    """Every packet of a file by the kind of its stream, in decoding order."""
    import av

    found: dict[str, list[bytes]] = {"video": [], "audio": []}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                found[packet.stream.type].append(bytes(packet))
    return found


def flattened(
    recordings: list[StoredRecording], start: float, end: float, folder: Path
) -> tuple[ProgressiveFile, Path]:
    flat = plan(recordings, start, end, FILES.open)
    path = folder / "flat.mp4"
    with Draft(str(folder / "flat")) as draft:
        write(flat, FILES, draft)
        draft.publish()
    shutil.move(folder / "flat" / VIDEO_FILE, path)
    assert path.stat().st_size == flat.size
    return flat, path


def split(recording: StoredRecording, *, keep: Callable[[int], bool]) -> StoredRecording:
    return StoredRecording(recording.init, [piece for number, piece in enumerate(recording.pieces) if keep(number)])


def test_the_whole_recording_has_every_packet_of_the_source_untouched(
    recording: StoredRecording, b_frames: Path, tmp_path: Path
) -> None:
    flat, path = flattened([recording], START, START + 8, tmp_path)
    source, copy = payload(b_frames), payload(path)
    assert copy["video"] == source["video"]
    first = source["audio"].index(copy["audio"][0])
    assert copy["audio"] == source["audio"][first : first + len(copy["audio"])]
    assert len(copy["audio"]) * 1024 / 48_000 == pytest.approx(8.0, abs=0.1)
    assert flat.duration == pytest.approx(8.0)
    assert path.read_bytes()[36:40] == b"moov"


@pytest.mark.parametrize(
    ("begin", "end", "first", "last"), [(1.37, 4.9, 41, 146), (2.0, 3.0, 60, 89), (0.0, 0.5, 0, 14)]
)
def test_a_window_shows_exactly_its_pictures(
    recording: StoredRecording, tmp_path: Path, begin: float, end: float, first: int, last: int
) -> None:
    flat, path = flattened([recording], START + begin, START + end, tmp_path)
    assert shown(path) == list(range(first, last + 1))
    assert flat.parts[0].start == pytest.approx(START + first / FPS, abs=1e-4)
    assert flat.duration == pytest.approx((last + 1 - first) / FPS, abs=1e-4)


def test_sound_and_pictures_stay_together_after_a_cut(recording: StoredRecording, tmp_path: Path) -> None:
    import av

    _, path = flattened([recording], START + 2.5, START + 6.2, tmp_path)
    for kind in ("video", "audio"):
        with av.open(str(path)) as container:
            frames: list[Any] = [frame.time for frame in container.decode(getattr(container.streams, kind)[0])]
        assert frames[0] == pytest.approx(0.0, abs=0.035)
        assert frames[-1] == pytest.approx(3.7, abs=0.06)


def test_recordings_of_one_format_follow_each_other_without_their_gap(b_frames: Path, tmp_path: Path) -> None:
    import av

    first = record(b_frames, tmp_path / "one", start=START, audio=True, media_time=0)  # as it once was
    second = record(b_frames, tmp_path / "two", start=START + 100, audio=True)
    flat, path = flattened([first, second], START + 6, START + 102, tmp_path)
    assert shown(path) == [*range(180, 240), *range(60)]
    assert [(part.start, part.end) for part in flat.parts] == [
        (pytest.approx(START + 6), pytest.approx(START + 8)),
        (pytest.approx(START + 100), pytest.approx(START + 102)),
    ]
    assert flat.duration == pytest.approx(4.0, abs=0.2)  # sound that outlasts the pictures is heard
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0) if frame.time is not None]
    assert times == sorted(times)
    assert times[60] == pytest.approx(flat.parts[1].at, abs=0.01)


def test_a_gap_inside_a_recording_is_closed(recording: StoredRecording, tmp_path: Path) -> None:
    flat, path = flattened([split(recording, keep=lambda n: n != 1)], START, START + 8, tmp_path)
    assert shown(path) == [*range(60), *range(120, 240)]
    assert len(flat.parts) == 2
    assert flat.parts[1].start == pytest.approx(START + 4)


def test_another_format_is_refused_and_the_recordings_that_fit_are_named(
    recording: StoredRecording, clip: Path, tmp_path: Path
) -> None:
    other = record(clip, tmp_path / "other", start=START + 50)
    with pytest.raises(FormatMismatch) as error:
        plan([recording, other], START, START + 60, FILES.open)
    assert error.value.recording == 1
    assert same_format([other.init, recording.init, recording.init]) == [False, True, True]


def test_guessed_bit_rates_do_not_make_another_format(recording: StoredRecording) -> None:
    at = recording.init.index(b"btrt") + 8
    louder = recording.init[:at] + b"\0\1\2\3\4\5\6\7" + recording.init[at + 8 :]
    assert same_format([louder, recording.init]) == [True, True]


def test_the_fragments_inside_the_file_play_as_hls(recording: StoredRecording, tmp_path: Path) -> None:
    import av

    flat, path = flattened([recording], START + 1.37, START + 4.9, tmp_path)
    data = path.read_bytes()
    (tmp_path / "init.mp4").write_bytes(data[flat.init_at : flat.init_at + flat.init_length])
    segments = [Segment(f.start, f.duration, "init", "flat.mp4", f.offset, f.length) for f in flat.fragments]
    text = playlist(segments, START + 1.37, init_url=lambda name: f"{name}.mp4", segment_url=lambda name: name)
    (tmp_path / "video.m3u8").write_text(text)
    assert "TIME-OFFSET=0.370000" in text
    options = {"allowed_extensions": "ALL", "extension_picky": "0", "allowed_segment_extensions": "ALL"}
    with av.open(str(tmp_path / "video.m3u8"), options=options) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4 * FPS


def test_recordings_play_as_hls_one_after_the_other_even_where_discontinuities_are_ignored(
    b_frames: Path, tmp_path: Path
) -> None:
    import av

    from rtstream.testsource import read_barcode

    recordings = [
        record(b_frames, tmp_path / name, start=START + at, audio=True) for name, at in (("one", 0), ("two", 100))
    ]
    flat, path = flattened(recordings, START + 6, START + 102, tmp_path)
    data = path.read_bytes()
    media = b"".join(data[f.offset : f.offset + f.length] for f in flat.fragments)
    (tmp_path / "all.mp4").write_bytes(data[flat.init_at : flat.init_at + flat.init_length] + media)
    with av.open(str(tmp_path / "all.mp4")) as container:
        frames = [
            (frame.pts or 0, read_barcode(frame.to_ndarray(format="gray"))) for frame in container.decode(video=0)
        ]
    assert [number for _, number in frames] == [*range(180, 240), *range(60)]
    assert sorted({pts for pts, _ in frames}) == [pts for pts, _ in frames]


def test_a_fragment_is_moved_to_another_time_with_its_sound(recording: StoredRecording, tmp_path: Path) -> None:
    import av

    flat, path = flattened([recording], START, START + 8, tmp_path)
    data = path.read_bytes()
    init, fragment = data[flat.init_at : flat.init_at + flat.init_length], flat.fragments[5]
    moved = retime(init, data[fragment.offset : fragment.offset + fragment.length], 100.0)
    (tmp_path / "moved.mp4").write_bytes(init + moved)
    first: dict[str, float] = {}
    with av.open(str(tmp_path / "moved.mp4")) as container:
        for packet in container.demux():
            if packet.pts is not None:
                first.setdefault(packet.stream.type, float(packet.pts * packet.time_base))
    assert first["video"] == pytest.approx(100.0)
    assert first["audio"] == pytest.approx(100.0, abs=0.1)


def test_sound_alone_becomes_a_file_too(b_frames: Path, tmp_path: Path) -> None:
    import av

    from rtstream.mp4.fragments import FragmentSplitter

    sink = FragmentSplitter()
    options = {
        "movflags": "empty_moov+delay_moov+default_base_moof+skip_trailer+frag_discont",
        "frag_duration": "1000000",
        "use_editlist": "0",
    }
    with av.open(str(b_frames)) as source, av.open(sink, "w", format="mp4", options=options) as muxer:
        out = muxer.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is not None and packet.pts >= 0:
                packet.stream = out
                muxer.mux(packet)
    stored = tmp_path / "sound.m4s"
    stored.write_bytes(b"".join(sink.fragments))
    recording = StoredRecording(sink.init, [StoredSegment(key_of(stored), 0, stored.stat().st_size, START)])
    flat, path = flattened([recording], START + 1.5, START + 4.0, tmp_path)
    with av.open(str(path)) as container:
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert seconds == pytest.approx(2.5, abs=0.05)
    assert flat.duration == pytest.approx(2.5, abs=0.03)
