"""``rtstream-mcp recordings``: lists recorded files, copies a range, and finds footage that the database has lost."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from rtstream.errors import InvalidRequest, NotFound, RTStreamError
from server.cli.terminal import say, warn
from server.settings import load

if TYPE_CHECKING:
    from rtstream.engine.recordings.catalogue import RecordedFile

ABOUT = "List recorded files, copy a range to an MP4 file, and find footage again. No engine is needed."
EPILOG = """\
  rtstream-mcp recordings list --stream "Front door"
  rtstream-mcp recordings open "Front door" --start 2026-11-27T14:00 --end 2026-11-27T14:10
  rtstream-mcp recordings scan

Times are ISO 8601 in the time zone of this machine, or Unix seconds.
"""
NO_END = 1e12


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        settings = load({"data_dir": given.data_dir} if given.data_dir else None, lenient=True)
        media = settings.data_dir / "media"
        if not media.is_dir():
            raise NotFound(f"There are no recordings in {settings.data_dir}.")
        match given.command:
            case "list":
                return anyio.run(_list, media, given)
            case "open":
                return anyio.run(_open, media, given)
        from server.cli.database import scan

        return scan(settings.data_dir)
    except RTStreamError as exc:
        warn(f"rtstream-mcp: {exc}")
    except OSError as exc:
        warn(f"rtstream-mcp: The recordings cannot be read: {exc.strerror or exc}.")
    return 2


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "rtstream-mcp recordings", description=ABOUT, epilog=EPILOG, formatter_class=layout, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|open|scan")
    listing = commands.add_parser("list", help="list recorded files with their times", allow_abbrev=False)
    listing.add_argument("--stream", metavar="STREAM", help="only files of this stream (id or name)")
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")
    opening = commands.add_parser("open", help="copy a range to an MP4 file and print its path", allow_abbrev=False)
    opening.add_argument("stream", metavar="STREAM", help="id or name of a stream")
    opening.add_argument(
        "--start", metavar="TIME", type=_time, default=0.0, help="begin here (default: oldest footage)"
    )
    opening.add_argument("--end", metavar="TIME", type=_time, default=NO_END, help="end here (default: newest footage)")
    opening.add_argument("--to", metavar="FILE", type=Path, help="name of the copy (default: in the current folder)")
    scan = commands.add_parser("scan", help="enter footage again that the database has lost", allow_abbrev=False)
    for command in (listing, opening, scan):
        command.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    return parser


def _time(text: str) -> float:
    try:
        return float(text) if re.fullmatch(r"\d+(\.\d*)?", text) else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not a time. Use 2026-11-27T14:05 or Unix seconds."
        ) from None


async def _list(media: Path, given: argparse.Namespace) -> int:
    from rtstream.engine.recordings.catalogue import recorded_files
    from rtstream.storage.folder import FolderStorage

    files = await recorded_files(FolderStorage(media), given.stream)
    for file in files:
        say(json.dumps({**asdict(file), "path": str(media / file.key)}) if given.json else _line(media, file))
    if not files and not given.json:
        say("Nothing is recorded.")
    return 0


def _line(media: Path, file: RecordedFile) -> str:
    times = f"{_shown(file.start)} to {_shown(file.end)}"
    name = re.sub(r"[^\w .()-]", "_", file.stream_name)[:40]
    return f"{times}  {file.size / 1e6:7.1f} MB  {name} ({file.stream_id})  {media / file.key}"


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


async def _open(media: Path, given: argparse.Namespace) -> int:
    from rtstream.engine.recordings.catalogue import copy_range, recorded_files
    from rtstream.storage.folder import FolderStorage

    if given.end <= given.start:
        raise InvalidRequest("The range ends before it starts. Swap --start and --end.")
    storage = FolderStorage(media)
    target: Path | None = given.to
    if target is None:
        files = [file for file in await recorded_files(storage, given.stream) if file.end > given.start]
        first = max(given.start, min((file.start for file in files), default=0.0))
        name = re.sub(r"[^\w.()-]", "_", files[0].stream_name if files else given.stream)[:60].strip(".") or "recording"
        target = Path(f"{name}_{datetime.fromtimestamp(first).astimezone().strftime('%Y-%m-%d_%H-%M-%S')}.mp4")
    duration = await copy_range(storage, given.stream, given.start, given.end, target)
    say(str(await anyio.Path(target).absolute()))
    warn(f"{duration:.1f} s were copied.")
    return 0
