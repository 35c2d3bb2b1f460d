"""``rtstream-mcp link``: lists and revokes playback links of the engine that runs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import datetime

import anyio

from rtstream.client import RTStreamClient
from rtstream.concurrency import first_error
from rtstream.errors import InvalidRequest, RTStreamError
from rtstream.models import PlaybackLink, Stream
from server.cli.terminal import say, say_json, warn
from server.settings import load
from server.stdio import locate

ABOUT = "List and revoke playback links. A revoked link stops working at once, in every player."
EPILOG = """\
  rtstream-mcp link list --stream "Front door"
  rtstream-mcp link revoke http://127.0.0.1:8740/watch?v=Qm3x0Zb7T1yVwA9sKd2LpE
  rtstream-mcp link revoke "Front door"
  rtstream-mcp link list --video m-0195f3c27e1a4b60
  rtstream-mcp link revoke m-0195f3c27e1a4b60
"""
PAGE = 500
LINK_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_IN_URL = re.compile(r"(?:[?&]v=|/m/|/p/)([A-Za-z0-9_-]{22})(?![A-Za-z0-9_-])")


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    given = _parser().parse_args(arguments)
    status = 2
    try:
        status = anyio.run(_run, given)
    except* RTStreamError as group:
        warn(f"rtstream-mcp: {first_error(group)}")
    return status


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "rtstream-mcp link", description=ABOUT, epilog=EPILOG, formatter_class=layout, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|revoke")
    listing = commands.add_parser("list", help="list links, newest first", allow_abbrev=False)
    which = listing.add_mutually_exclusive_group()
    which.add_argument("--stream", metavar="STREAM", help="only links of this stream (id or name)")
    which.add_argument("--video", metavar="VIDEO", help="only links that play this video or parts of it (id)")
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")
    revoke = commands.add_parser("revoke", help="revoke a link, or all links of a stream or video", allow_abbrev=False)
    revoke.add_argument(
        "target", metavar="TARGET", help="id or URL of a link, or id or name of a stream, or id of a video"
    )
    return parser


async def _run(given: argparse.Namespace) -> int:
    client = RTStreamClient.located_by(locate(load()))
    try:
        if given.command == "list":
            await _list(client, given.stream, given.video, as_json=given.json)
        else:
            await _revoke(client, given.target)
    finally:
        await client.aclose()
    return 0


async def _list(client: RTStreamClient, stream: str | None, video: str | None, *, as_json: bool) -> None:
    stream_id = None if stream is None else (await _stream(client, stream)).id
    video_id = None if video is None else (await client.videos.get(video)).id
    offset = 0
    while True:
        page = await client.links.list(stream_id, video_id, limit=PAGE, offset=offset)
        for link in page.links:
            if as_json:
                say_json(link)
            else:
                say(_line(link))
        offset += len(page.links)
        if not page.links or offset >= page.count:
            break
    if not offset and not as_json:
        say("There are no links.")


def _line(link: PlaybackLink) -> str:
    end = "while it exists" if link.expires_at is None else f"until {_time(link.expires_at)}"
    state = f"valid {end}" if link.state == "valid" else link.state
    return f"{link.id}  {state:<32}  {link.purpose:<7}  {_target(link)}"


def _target(link: PlaybackLink) -> str:
    if link.kind == "window":
        return f"{link.rtstream_id} from {_time(link.start or 0.0)} to {_time(link.end or 0.0)}"
    if link.kind == "picture":
        video_id, at, _ = link.ranges[0]
        return f"{video_id}, the picture at {at:g} s"
    parts = [video_id if end is None else f"{video_id} {start:g}-{end:g} s" for video_id, start, end in link.ranges]
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


async def _revoke(client: RTStreamClient, target: str) -> None:
    found = LINK_ID.fullmatch(target) or _IN_URL.search(target)
    if found:
        await client.links.revoke(found[found.re.groups])
        say("The link was revoked.")
        return
    streams = await _streams(client, target)
    if not streams and target.startswith(("m-", "a-")):
        count = await client.links.revoke_all(video_id=(await client.videos.get(target)).id)
    else:
        count = await client.links.revoke_all(stream_id=_only(streams, target).id)
    say(f"{count} {'link was' if count == 1 else 'links were'} revoked.")


async def _stream(client: RTStreamClient, name: str) -> Stream:
    """Return the stream with an id or a unique name. Raises InvalidRequest."""
    return _only(await _streams(client, name), name)


async def _streams(client: RTStreamClient, name: str) -> list[Stream]:
    """Return the streams with an id or a name."""
    offset = 0
    found: list[Stream] = []
    while True:
        streams, count = await client.list_streams(limit=PAGE, offset=offset)
        found += [stream for stream in streams if name in (stream.id, stream.name)]
        offset += len(streams)
        if not streams or offset >= count:
            return found


def _only(found: list[Stream], name: str) -> Stream:
    if len(found) == 1:
        return found[0]
    problem = "There is no link, stream or video" if not found else f"There are {len(found)} streams"
    raise InvalidRequest(
        f"{problem} {name[:80]!r}. Pass the id or URL of a link, the id or name of a stream, or the id of a video."
    )
