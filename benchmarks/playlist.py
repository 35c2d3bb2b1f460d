"""Playlists out of a big table: 30 days of 4-second segments of 10 streams, about 6.5 million rows.

The rows of a stream share one file of real media, which is read at both ends of each window.

``python -m benchmarks.playlist [--days 30] [--streams 10] [--data FOLDER]`` prints a table. Making the rows takes most
of the time; with ``--data`` they are kept for the next run.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import anyio
import av

from benchmarks._options import parse
from rtstream.engine.recordings import LinkService, MediaAccess, PlaybackService, TimelineMarks
from rtstream.mp4.fragments import FragmentSplitter
from rtstream.rules.link_targets import LinkOrigin
from rtstream.storage.folder import FolderStorage
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.testsource.clip import ClipSpec, make_clip

SEGMENT_S = 4.0
RUN_S = 6 * 3600.0  # continuous; then the stream is away for a minute
START = 1_790_000_000.0
WINDOWS = {"1 minute": 60, "10 minutes": 600, "1 hour": 3600, "6 hours": 6 * 3600, "1 day": 86400}
AT_ONCE = 12
FILE_SEGMENTS = 300
FRAGMENTED = {"movflags": "empty_moov+default_base_moof+frag_keyframe+skip_trailer", "frag_duration": "2000000"}
CODECS = "avc1.4D401F,mp4a.40.2"
RECORDING = """
    insert into recordings (id, stream_id, started_at, ended_at, closed, init, codecs) values (?, ?, ?, ?, 1, ?, ?)"""
SEGMENTS = """
    with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < :count)
    insert into segments (stream_id, start, duration, recording_id, path, "offset", length)
    select :stream, :start + i * 4.0, 4.0, :run, 'media.m4s', (i % :in_file) * :length, :length from n
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=60, help="windows of each length")
    parser.add_argument("--data", type=Path)
    options = parse(parser, days=1.5, streams=2, rounds=2)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder)
        anyio.run(measure, data, options.days, options.streams, options.rounds)


async def measure(data: Path, days: float, streams: int, rounds: int) -> None:
    """Make the rows where there are none, then ask for windows at random places."""
    database = data / "rtstream.db"
    made = database.exists()
    db = Database.below(data)
    if not made:
        await db.write(stream_rows.ensure_default_collection, START)
        fill(database, days, streams)
    rows = await db.read(lambda conn: conn.exec_driver_sql("select count(*) from segments").scalar_one())
    print(f"\n{rows:,} segments of {streams} streams, database {database.stat().st_size / 1e6:.0f} MB\n")
    links, storage = LinkService(db, 3600.0), FolderStorage(data)
    recorded = PlaybackService(db, links, storage)
    access = MediaAccess(db, links, storage, storage, TimelineMarks(db).between)
    print("| window | segments | link: median ms | p95 | playlist: median ms | p95 | CPU: median ms |")
    print("|---|---|---|---|---|---|---|")
    for name, seconds in WINDOWS.items():
        linked: list[float] = []
        manifests: list[float] = []
        cpu: list[float] = []
        count = 0
        for _ in range(rounds):
            stream, start = f"rts-{random.randrange(streams)}", START + random.random() * (days * 86400 - seconds)
            began = time.perf_counter()
            playback = await recorded.playback(LinkOrigin("http://x"), stream, start, start + seconds)
            linked.append(1000 * (time.perf_counter() - began))
            link_id = playback.player_url.rpartition("=")[2]
            began, busy = time.perf_counter(), time.process_time()
            text = await access.manifest(link_id)
            manifests.append(1000 * (time.perf_counter() - began))
            cpu.append(1000 * (time.process_time() - busy))
            count = text.count("#EXTINF")
        print(f"| {name} | {count} | {shown(linked)} | {shown(manifests)} | {statistics.median(cpu):.1f} |", flush=True)
    await at_once(recorded, access, days, streams)
    await db.aclose()


async def at_once(recorded: PlaybackService, access: MediaAccess, days: float, streams: int) -> None:
    """Days asked for all at once: how long each takes, and how late the event loop is meanwhile."""
    asked: list[str] = []
    for _ in range(AT_ONCE):
        stream, start = f"rts-{random.randrange(streams)}", START + random.random() * (days - 1) * 86400
        playback = await recorded.playback(LinkOrigin("http://x"), stream, start, start + 86400)
        asked.append(playback.player_url.rpartition("=")[2])
    late: list[float] = []
    spent = 0.0

    async def beat() -> None:
        while True:
            began = time.perf_counter()
            await anyio.sleep(0.002)
            late.append(1000 * (time.perf_counter() - began) - 2)

    async with anyio.create_task_group() as beating:
        beating.start_soon(beat)
        began = time.perf_counter()
        async with anyio.create_task_group() as requests:
            for one in asked:
                requests.start_soon(access.manifest, one)
        spent = 1000 * (time.perf_counter() - began)
        beating.cancel_scope.cancel()
    print(
        f"\n{AT_ONCE} days at once: {spent / AT_ONCE:.0f} ms each; the event loop is late by {shown(late)} ms, ", end=""
    )
    print(f"at most {max(late):.1f}")


def shown(values: list[float]) -> str:
    """Median and 95th percentile."""
    return f"{statistics.median(values):.1f} | {statistics.quantiles(values, n=20)[18]:.1f}"


def media(folder: Path) -> tuple[bytes, bytes]:
    """The init segment and the two fragments of four seconds of video and audio."""
    sink = FragmentSplitter()
    with (
        av.open(str(make_clip(ClipSpec(seconds=4, voice="tones"), folder / "clips")), "r") as clip,
        av.open(sink, "w", format="mp4", options=FRAGMENTED) as out,
    ):
        tracks = {
            track.index: out.add_stream_from_template(track) for track in (*clip.streams.video, *clip.streams.audio)
        }
        for packet in clip.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream_index]
                out.mux(packet)
    return sink.init, b"".join(sink.fragments)


def fill(database: Path, days: float, streams: int) -> None:
    """Rows as the engine writes them: runs of six hours, files of a minute."""
    init, segment = media(database.parent)
    began = time.perf_counter()
    with sqlite3.connect(database) as db:
        db.execute("pragma synchronous=off")
        for number in range(streams):
            stream = f"rts-{number}"
            (database.parent / stream).mkdir()
            (database.parent / stream / "media.m4s").write_bytes(segment * FILE_SEGMENTS)
            db.execute(
                "insert into streams (id, name, url, collection_id, created_at, media_types, audio, sample_rate,"
                " store, enable_transcript, desired, health, retention, recorded_bytes)"
                " values (?, ?, 'rtsp://192.0.2.1/', 'default', ?, '[]', 1, 30, 1, 0, 'stopped', '{}', '{}', 0)",
                [stream, stream, START],
            )
            at = START
            while at < START + days * 86400:
                run = f"rec-{number}-{int(at)}"
                row = [run, stream, at, at + RUN_S, init, CODECS]
                db.execute(RECORDING, row)
                values = {"count": int(RUN_S / SEGMENT_S), "stream": stream, "start": at, "run": run}
                values |= {"length": len(segment), "in_file": FILE_SEGMENTS}
                db.execute(SEGMENTS, values)
                at += RUN_S + 60
    print(f"rows made in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
