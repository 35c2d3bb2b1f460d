"""Reads recorded footage without the engine: rows of the database, bytes of the files, and the frames in them."""

from __future__ import annotations

import io
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import av
from av.error import InvalidDataError

from rtstream.testsource import read_barcode


@dataclass(frozen=True)
class Row:
    """One segment of the database. Times are Unix seconds."""

    start: float
    duration: float
    path: str
    offset: int
    length: int


@dataclass(frozen=True)
class Frame:
    """One recorded frame: its number in the loop of the source, and its Unix time."""

    number: int
    at: float


@dataclass
class Recording:
    """One recording with its rows, oldest first."""

    id: str
    started_at: float
    media_start: float
    init: bytes
    folder: Path
    rows: list[Row] = field(default_factory=list)
    unreadable: int = 0
    """Number of damaged frames, once ``frames`` was read."""

    @property
    def span(self) -> tuple[float, float]:
        """Start and end in Unix seconds."""
        return self.rows[0].start, self.rows[-1].start + self.rows[-1].duration

    @property
    def media(self) -> bytes:
        """The bytes of all rows."""
        return b"".join(self.bytes_of(row) for row in self.rows)

    def bytes_of(self, row: Row) -> bytes:
        """Return the bytes of one row."""
        with (self.folder / row.path).open("rb") as file:
            file.seek(row.offset)
            return file.read(row.length)

    @cached_property
    def frames(self) -> list[Frame]:
        """All frames, decoded."""
        later = self.media_start - self.started_at
        with av.open(io.BytesIO(self.init + self.media), "r") as container:
            found = [
                Frame(number_of(frame), float(frame.pts * frame.time_base) - later)
                for packet in container.demux(video=0)
                for frame in self._decoded(packet)
                if frame.pts is not None and frame.time_base is not None
            ]
        self.unreadable += sum(frame.number < 0 for frame in found)
        return [frame for frame in found if frame.number >= 0]

    def _decoded(self, packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except InvalidDataError:
            self.unreadable += 1
            return []

    def flaws(self) -> list[str]:
        """Return where rows and files disagree: bytes in two rows or in none, and rows without bytes."""
        found = []
        by_file: dict[str, list[Row]] = {}
        for row in self.rows:
            by_file.setdefault(row.path, []).append(row)
        for path in (self.folder / self.id).glob("*.m4s"):
            if f"{self.id}/{path.name}" not in by_file:
                found.append(f"{path.name} has no row")
        for name, rows in by_file.items():
            reached = media_offset(self.folder / name)
            for row in sorted(rows, key=lambda one: one.offset):
                if row.offset != reached:
                    found.append(f"{name}: rows continue at byte {row.offset} instead of {reached}")
                reached = row.offset + row.length
            size = (self.folder / name).stat().st_size
            if size < reached or whole_fragment(self.folder / name, reached):
                found.append(f"{name} has {size} bytes, and its rows end at {reached}")
        if self.unreadable:
            found.append(f"{self.id} has {self.unreadable} damaged frames")
        return found


def number_of(frame: av.VideoFrame) -> int:
    """Return the number in the barcode of a frame, or -1 for a damaged one."""
    try:
        return read_barcode(frame.to_ndarray(format="gray"))
    except ValueError:
        return -1


def whole_fragment(path: Path, at: int) -> bool:
    """Return whether a whole fragment begins at an offset of a file. A power cut leaves parts of one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for _ in ("moof", "mdat"):
            file.seek(at)
            head = file.read(8)
            at += max(8, int.from_bytes(head[:4], "big"))
            if len(head) < 8 or at > size:
                return False
    return True


def media_offset(path: Path) -> int:
    """Return the offset of the first fragment of a file, behind the boxes of its header."""
    at = 0
    with path.open("rb") as file:
        while head := file.read(8):
            if head[4:] in (b"moof", b"styp", b"sidx"):
                return at
            at += int.from_bytes(head[:4], "big")
            file.seek(at)
    return at


def whole_lines(log: Path) -> int:
    """Return the bytes of a log up to the end of its last whole line; 0 without a recording that was begun."""
    data = log.read_bytes()
    return data.rfind(b"\n") + 1 if b'"kind":"opened"' in data else 0


@contextmanager
def reading(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for reading, as another program."""
    with closing(sqlite3.connect(f"file:{data_dir / 'rtstream.db'}?mode=ro", uri=True, timeout=20)) as db:
        db.row_factory = sqlite3.Row
        yield db


def recordings(data_dir: Path, stream_id: str) -> list[Recording]:
    """Return the recordings of a stream in the order of their media, which is that in which they were made."""
    folder = data_dir / "media" / stream_id
    with reading(data_dir) as db:
        query = "select id, started_at, media_start, init from recordings where stream_id = ? order by media_start"
        found = {one["id"]: Recording(**dict(one), folder=folder) for one in db.execute(query, [stream_id])}
        query = "select * from segments where stream_id = ? order by recording_id, path, offset"
        for row in db.execute(query, [stream_id]):
            values = {name: row[name] for name in ("start", "duration", "path", "offset", "length")}
            found[row["recording_id"]].rows.append(Row(**values))
    return [one for one in found.values() if one.rows]


def pictures(media: bytes) -> list[int]:
    """Return a checksum of each coded picture of an MP4 file, in their order."""
    with av.open(io.BytesIO(media), "r") as container:
        (video,) = container.streams.video
        return [zlib.crc32(bytes(packet)) for packet in container.demux(video) if packet.size]
