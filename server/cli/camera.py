"""``rtstream-mcp camera``: finds cameras, tries sources, and shows publishers where to send."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio
from pydantic import BaseModel, Field

from rtstream.errors import InvalidRequest, RTStreamError
from rtstream.models import Camera, CameraSearch
from rtstream.rules.camera_login import parse_logins, with_login
from rtstream.rules.source_urls import PUSH
from server.cli.terminal import say, say_json, warn
from server.settings import Settings, load

if TYPE_CHECKING:  # loads the codec library
    from rtstream.messages import RecorderSpec
    from rtstream.recorder.source_check import CheckedSource

ABOUT = "Open a source for some seconds, and show what it carries. Nothing is connected, recorded or analysed."
FIND = "Find ONVIF cameras on the networks of this machine, with the URLs of their streams. Needs the extra onvif."
SEND = (
    "Print the server and the stream key with which OBS or a phone sends to the engine. Connects the stream if needed."
)
EPILOG = """\
  rtstream-mcp camera test rtsp://192.168.1.20/stream1
  echo "rtsp://user:password@192.168.1.20/stream1" | rtstream-mcp camera test -

Other users of this machine can see command lines. With -, the URL is read from standard input.
"""
MARGIN_S = 5.0
RARE_S = 10.0
NAMES = {"h264": "H.264", "hevc": "HEVC", "av1": "AV1", "mjpeg": "MJPEG", "aac": "AAC", "opus": "Opus", "mp3": "MP3"}
NAMES |= {"pcm_alaw": "G.711 A-law", "pcm_mulaw": "G.711 mu-law", "ac3": "AC-3", "adpcm_g722": "G.722"}
NOT_EVERYWHERE = ("hevc", "av1", "mjpeg", "mpeg4", "mpeg2video")
"""Codecs that not every browser plays."""


class CameraReport(BaseModel):
    """The findings about a source."""

    opened_s: float = Field(description="Seconds until it was open.")
    video_codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    video_bit_rate: int | None = None
    keyframe_s: float | None = Field(None, description="Longest time between keyframes, in seconds.")
    audio_codec: str | None = None
    audio_rate: int | None = None
    audio_bit_rate: int | None = None
    audio_stored_as: str | None = None
    timing: str | None = None
    tracks: list[str] = Field(default_factory=list, description="The tracks of which there is a choice.")
    notes: list[str] = Field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        settings = load({"data_dir": given.data_dir} if given.data_dir else None)
        if given.command == "publish":
            from server.cli.publisher import publish

            return anyio.run(partial(publish, settings, given.name, as_json=given.json))
        if given.command == "discover":
            return _discover(settings, given.seconds, as_json=given.json)
        url = sys.stdin.readline().strip() if given.url == "-" else given.url
        spec = anyio.run(_specified, settings, url)
    except RTStreamError as exc:
        warn(f"rtstream-mcp: {exc}")
        return 2
    found = _checked(spec, given.seconds)
    if isinstance(found, str):
        warn(f"The source cannot be read: {found}.")
        return 1
    report = _report(found)
    if given.json:
        say_json(report)
    else:
        say(*_lines(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("rtstream-mcp camera", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{test,discover,publish}")
    test = commands.add_parser(
        "test",
        help="show what a source carries",
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=layout,
        allow_abbrev=False,
    )
    test.add_argument("url", metavar="URL", help="URL of the source, or - to read it from standard input")
    test.add_argument("--seconds", type=float, default=5.0, help="seconds to read the source (default 5)")
    test.add_argument("--json", action="store_true", help="print one JSON object")
    test.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    find = commands.add_parser("discover", help="find ONVIF cameras", description=FIND, allow_abbrev=False)
    find.add_argument("--seconds", type=float, default=3.0, help="seconds to wait for responses (default 3)")
    find.add_argument("--json", action="store_true", help="print one JSON object")
    find.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    sender = commands.add_parser("publish", help="show a publisher where to send", description=SEND, allow_abbrev=False)
    sender.add_argument("name", metavar="NAME", help="name of the publisher, such as obs or phone")
    sender.add_argument("--json", action="store_true", help="print one JSON object per URL")
    sender.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    return parser


def _discover(settings: Settings, seconds: float, *, as_json: bool) -> int:
    """Find cameras and print them; returns the exit status. Raises Unavailable or InvalidRequest."""
    from rtstream.camera.discovery import discover
    from rtstream.rules.addresses import parse_allowed

    if not 0.5 <= seconds <= 60:
        raise InvalidRequest("--seconds takes a number from 0.5 to 60.")
    allowed, logins = parse_allowed(settings.allow_networks), parse_logins(settings.camera_credentials)
    found = CameraSearch(cameras=discover(seconds, allowed, logins, tls_verify=settings.tls_verify))
    if as_json:
        say_json(found)
    else:
        say(*(line for camera in found.cameras for line in _camera_lines(camera)))
    if not found.cameras:
        warn("No camera responded. It has to be on a network of this machine with ONVIF turned on.")
    return 0 if found.cameras else 1


def _camera_lines(camera: Camera) -> list[str]:
    lines = ["  ".join(part for part in (camera.address, camera.name, camera.model) if part)]
    for stream in camera.streams:
        size = f"{stream.width}x{stream.height}" if stream.width and stream.height else ""
        lines.append("  " + "  ".join(part for part in (stream.url, _name(stream.codec), size) if part))
    lines += [f"  login     {camera.login}"] if camera.login else []
    return lines + ([f"  note      {camera.reason}"] if camera.reason else [])


async def _specified(settings: Settings, url: str) -> RecorderSpec:
    """Check the URL as the engine does. Raises InvalidRequest."""
    from rtstream.engine.streams.addresses import Addresses
    from rtstream.messages import RecorderSpec

    checked = await Addresses(settings).source(url)
    if checked.startswith(f"{PUSH}://"):
        raise InvalidRequest("A publisher connects to the engine. Connect the stream, and look at its health.")
    return RecorderSpec(
        stream_id="camera-test",
        url=with_login(checked, parse_logins(settings.camera_credentials)),
        media_types=["video", "audio"],
        record=True,
        folder="",
        stall_timeout_s=settings.stall_timeout_s,
        open_timeout_s=settings.open_timeout_s,
        tls_verify=settings.tls_verify,
        allow_networks=settings.allow_networks,
        listen_ports=settings.listen_ports,
        max_height=settings.max_height or 0,
        language=settings.speech_language,
    )


def _checked(spec: RecorderSpec, seconds: float) -> CheckedSource | str:
    """Return the source, or the reason why it cannot be read. The codec library may hang, so the wait has a limit."""
    from av.error import FFmpegError

    from rtstream.recorder.failures import SourceFailed
    from rtstream.recorder.source_check import check_source

    found: list[CheckedSource | str] = []

    def run() -> None:
        try:
            found.append(check_source(spec, seconds))
        except SourceFailed as failed:
            found.append(failed.reason)
        except (FFmpegError, OSError, ValueError, LookupError) as exc:  # damaged media
            found.append(f"its media cannot be read ({type(exc).__name__})")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(spec.open_timeout_s + seconds + spec.stall_timeout_s + MARGIN_S)
    return found[0] if found else "it stopped responding"


def _report(found: CheckedSource) -> CameraReport:
    media = {name: value for name, value in found.media.items() if name != "tracks"}
    video, audio = found.traffic.get("video"), found.traffic.get("audio")
    report = CameraReport(**media, opened_s=round(found.opened_s, 2), audio_stored_as=found.audio_stored_as or None)
    for track in found.media["tracks"]:
        shown = [track["id"], track["codec"], track["language"], track["name"]]
        size = f"{track['width']}x{track['height']}" if track["width"] else ""
        report.tracks.append(" ".join(str(part) for part in [*shown, size] if part) + (" *" if track["chosen"] else ""))
    if video is not None:
        report.video_bit_rate = video.bit_rate
        report.keyframe_s = None if video.keyframe_s is None else round(video.keyframe_s, 2)
    if audio is not None:
        report.audio_bit_rate = audio.bit_rate
    report.notes = [*_notes(found, report), *(f"{text}." for text in found.unrecordable)]
    return report


def _notes(found: CheckedSource, report: CameraReport) -> list[str]:
    notes = []
    video, audio = found.traffic.get("video"), found.traffic.get("audio")
    if video is not None and not video.packets:
        notes.append("No video arrived.")
    elif video is not None and report.keyframe_s is None:
        notes.append(f"Fewer than two keyframes arrived in {video.span_s:.1f} s. A recording begins at a keyframe.")
    elif report.keyframe_s is not None and report.keyframe_s > RARE_S:
        notes.append("Keyframes are rare. Set a keyframe interval of 2 s in the camera.")
    if audio is not None and not audio.packets:
        notes.append("The audio track sent nothing.")
    if report.video_codec in NOT_EVERYWHERE:
        notes.append(f"Not every browser plays {_name(report.video_codec)}.")
    if report.timing == "arrival":
        notes.append("The source states no times, so frames are timed by their arrival.")
    return notes


def _lines(report: CameraReport) -> list[str]:
    lines = [f"opened in {report.opened_s:.1f} s"]
    video = [_name(report.video_codec)]
    if report.width:
        video.append(f"{report.width}x{report.height}")
    if report.fps:
        video.append(f"{report.fps:g} frames/s")
    if report.keyframe_s is not None:
        video.append(f"a keyframe every {report.keyframe_s:.1f} s")
    lines.append(f"video     {', '.join([*video, *_rate(report.video_bit_rate)]) if report.video_codec else 'none'}")
    audio = [_name(report.audio_codec)]
    if report.audio_rate:
        audio.append(f"{report.audio_rate / 1000:g} kHz")
    audio += _rate(report.audio_bit_rate)
    if report.audio_stored_as not in (None, report.audio_codec):
        audio.append(f"recorded as {_name(report.audio_stored_as)}")
    lines.append(f"audio     {', '.join(audio) if report.audio_codec else 'none'}")
    lines += [f"track     {track}" for track in report.tracks]
    return lines + [f"note      {note}" for note in report.notes]


def _rate(bits: int | None) -> list[str]:
    if bits is None:
        return []
    return [f"{bits / 1e6:.1f} Mbit/s" if bits >= 1e6 else f"{bits / 1e3:.0f} kbit/s"]


def _name(codec: str | None) -> str:
    return NAMES.get(codec or "", codec or "")
