"""One recorded hour becomes an MP4 file: our export beside ``ffmpeg -c copy -movflags +faststart`` on the same files.

``python -m benchmarks.export [--minutes 60] [--rounds 3]`` prints a table. Both read the same recording from the page
cache and write to the same folder, in turns; only ours waits until the disk has it. The outputs are compared packet by
packet (MD5 of each stream).
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from unittest import mock

from benchmarks._options import parse
from rtstream.extract.export import VIDEO_FILE, ExportJob, export
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.rules.playlist import Segment, playlist
from rtstream.storage import Draft, LocalFiles
from rtstream.testsource import ClipSpec, make_clip

START = 1_790_000_000.0
SEGMENT_S, FILE_S = 4.0, 60.0
TINY = ClipSpec(width=160, height=90, seconds=4, gop=15, bitrate=50_000, voice="tones")
HLS = ["-allowed_extensions", "ALL"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    options = parse(parser, minutes=0.2, rounds=1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        spec = TINY if options.tiny else ClipSpec(voice="tones")
        compare(Path(folder), spec, options.minutes * 60, options.rounds)


def compare(folder: Path, spec: ClipSpec, seconds: float, rounds: int) -> None:
    """Export in turns, each time to a fresh file."""
    recording, source = record(folder, spec, seconds)
    size = sum(piece.length for piece in recording.pieces) / 1e6
    files, draft = LocalFiles(str(folder)), Draft(str(folder / "ours"))
    job = ExportJob(files, [recording], "avc1", START, START + seconds, draft, 0)
    theirs = folder / "theirs.mp4"
    copy = ["ffmpeg", "-v", "error", "-y", *HLS, "-i", str(source), "-c", "copy"]
    ways: dict[str, Callable[[], Path]] = {
        "ours: faststart, on the disk": lambda: ours(job),
        "ours without waiting for the disk": lambda: unsynced(job),
        "ffmpeg -c copy -movflags +faststart": lambda: ran([*copy, "-movflags", "+faststart", str(theirs)], theirs),
        "ffmpeg -c copy (not faststart)": lambda: ran([*copy, str(theirs)], theirs),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    hashes: dict[str, str] = {}
    for number in range(rounds):
        for name, way in ways.items():
            began, cpu = time.perf_counter(), spent()
            made = way()
            times[name].append((time.perf_counter() - began, spent() - cpu))
            if number == 0:
                hashes[name] = streamhash(made)
            made.unlink()
            if made.name == VIDEO_FILE:
                (made.parent / "index.json").unlink()
                made.parent.rmdir()
            os.sync()
    print(f"\n{seconds / 60:.0f} minutes, {len(recording.pieces)} segments, {size:.0f} MB; median of {rounds} rounds\n")
    print("| | seconds | CPU seconds | MB/s | of ffmpeg's faststart |")
    print("|---|---|---|---|---|")
    base = statistics.median(wall for wall, _ in times["ffmpeg -c copy -movflags +faststart"])
    for name, found in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {size / wall:.0f} | {wall / base:.2f} |")
    same = len(set(hashes.values())) == 1
    print(f"\nEvery stream of every output has {'the same' if same else 'NOT the same'} MD5.")


def ours(job: ExportJob) -> Path:
    """In this process; the engine runs it in one of its own, whose start takes some milliseconds more."""
    export(job, lambda done, total: None)
    return Path(job.draft.folder) / VIDEO_FILE


def unsynced(job: ExportJob) -> Path:
    """Export without waiting for the disk, as the other programs do."""
    with mock.patch("os.fsync"):
        return ours(job)


def ran(command: list[str], made: Path) -> Path:
    subprocess.run(command, check=True)
    return made


def spent() -> float:
    """CPU seconds of this process and its children so far."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def streamhash(path: Path) -> str:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-c", "copy", "-f", "streamhash", "-hash", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def record(folder: Path, spec: ClipSpec, seconds: float) -> tuple[StoredRecording, Path]:
    """A looped clip as our recorder writes it, and the playlist of it."""
    import av

    from rtstream.mp4.fragments import FragmentSplitter, track_runs
    from rtstream.recorder.writer import MUXER_OPTIONS

    clip, looped = make_clip(spec), folder / "looped.mp4"
    loop = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(clip), "-t", str(seconds), "-c", "copy"]
    subprocess.run([*loop, str(looped)], check=True)
    sink, pieces, files = FragmentSplitter(), [], 0
    options = MUXER_OPTIONS | {"frag_duration": "10000000"}
    out = None
    at, path, piece_start, offset, length, begun = 0, folder / "0.m4s", 0.0, 0, 0, False

    def take(last: bool) -> None:
        nonlocal out, at, path, piece_start, offset, length, begun, files
        for fragment in sink.fragments:
            first = track_runs(fragment)[0].first_dts / 90_000
            if begun and first - piece_start >= SEGMENT_S - 0.05:
                pieces.append(StoredSegment(path.name, offset, length, START + piece_start))
                begun = False
            if out is None or (not begun and first >= (files + 1) * FILE_S):
                if out is not None:
                    out.close()
                    files += 1
                path, at = folder / f"{files}.m4s", 0
                out = path.open("wb")
            if not begun:
                begun, piece_start, offset, length = True, first, at, 0
            out.write(fragment)
            at, length = at + len(fragment), length + len(fragment)
        sink.fragments = []
        if last and out is not None:
            pieces.append(StoredSegment(path.name, offset, length, START + piece_start))
            out.close()

    with av.open(str(looped)) as source, av.open(sink, "w", format="mp4", options=options) as muxer:
        streams = {stream.index: muxer.add_stream_from_template(stream) for stream in source.streams}
        streams[source.streams.video[0].index].time_base = Fraction(1, 90_000)
        for packet in source.demux():
            if packet.dts is not None and packet.dts >= 0:
                packet.stream = streams[packet.stream.index]
                muxer.mux(packet)
                take(last=False)
    take(last=True)
    looped.unlink()
    (folder / "init.mp4").write_bytes(sink.init)
    ends = [*(piece.start for piece in pieces[1:]), START + seconds]
    segments = [
        Segment(p.start, end - p.start, "init", p.key, p.offset, p.length) for p, end in zip(pieces, ends, strict=True)
    ]
    text = playlist(segments, START, init_url=lambda name: f"{name}.mp4", segment_url=lambda path: path)
    (folder / "all.m3u8").write_text(text)
    return StoredRecording(sink.init, pieces), folder / "all.m3u8"


if __name__ == "__main__":
    main()
