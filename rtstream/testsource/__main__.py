"""Serves the synthetic live source and prints its URLs as one JSON line.

It ends on SIGINT, SIGTERM or the end of stdin.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from rtstream.testsource.audio import available_voice
from rtstream.testsource.clip import ClipSpec, make_clip
from rtstream.testsource.live import LiveSource


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal or the end of stdin."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    width, _, height = options.size.partition("x")
    spec = ClipSpec(
        width=int(width),
        height=int(height),
        fps=options.fps,
        seconds=options.seconds,
        gop=options.gop or 2 * options.fps,
        bframes=options.bframes,
        bitrate=options.bitrate,
        audio=not options.no_audio,
        voice=options.voice or available_voice(),
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if not options.no_stdin:
        threading.Thread(target=_set_at_end_of_stdin, args=(ended,), daemon=True).start()
    clip = options.clip or make_clip(spec, options.cache)
    with LiveSource(
        clip, host=options.host, port=options.port, rtsp_port=options.rtsp_port, auth=options.auth
    ) as source:
        urls = {"http_url": source.http_url, "hls_url": source.hls_url, "rtsp_url": source.rtsp_url}
        voice = None if options.clip or options.no_audio else spec.voice
        line = json.dumps({**urls, "clip": str(clip), "voice": voice, "epoch": source.epoch})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        ended.wait()


def _set_at_end_of_stdin(ended: threading.Event) -> None:
    # Not sys.stdin, because a thread that holds its lock cannot be ended together with the interpreter.
    while os.read(0, 4096):
        pass
    ended.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rtstream.testsource", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="IP address or host name to listen on")
    parser.add_argument("--port", type=int, default=0, help="HTTP port (default: a free one)")
    parser.add_argument("--rtsp-port", type=int, default=0, help="RTSP port (default: a free one)")
    parser.add_argument("--auth", help="user:password that clients must send")
    parser.add_argument("--clip", type=Path, help="serve this MP4 file (H.264, AAC) instead of the synthetic clip")
    parser.add_argument("--size", default="1280x720", help="pixels")
    parser.add_argument("--fps", type=int, default=30, help="pictures per second")
    parser.add_argument("--seconds", type=int, default=30, help="length of the loop in seconds")
    parser.add_argument("--gop", type=int, default=0, help="pictures from keyframe to keyframe (default: 2 s)")
    parser.add_argument("--bframes", type=int, default=0, help="number of consecutive B-frames")
    parser.add_argument("--bitrate", type=int, default=2_000_000, help="bits per second")
    parser.add_argument("--no-audio", action="store_true", help="serve video only")
    parser.add_argument(
        "--voice", choices=("reading", "espeak", "tones", "numbers"), help="default: the first one available"
    )
    parser.add_argument("--cache", type=Path, help="folder for encoded clips")
    parser.add_argument("--no-stdin", action="store_true", help="ignore the end of stdin")
    return parser


if __name__ == "__main__":
    main()
