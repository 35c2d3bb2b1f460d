"""SRT through an ffmpeg program: the bundled codec library does not speak it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from urllib.parse import parse_qsl, urlsplit

from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.program import end_program, start_program

_NEW_TRACK = re.compile(rb"\bNew (?:video|audio) stream\b")
FAREWELL_S = 1.0
BUNDLE_S = 0.05  # bytes within this time are read together, because each wake-up is expensive
LEAST_S = 3.0  # that a connection lasts before it is ended for other tracks
READ_BYTES = 1 << 16  # the size of a pipe
SECRETS = ("passphrase", "streamid", "srt_streamid")
"""Options of a URL that other users of this machine must not see."""

# Every user of this machine sees command lines. A URL with a secret therefore arrives as a list of one file on standard
# input, which needs a demuxer that parses that file. The lists restrict what it may turn out to be.
_TRACKS = (
    *("-protocol_whitelist", "pipe,srt", "-format_whitelist", "concat,mpegts", "-f", "concat", "-safe", "0"),
    *("-i", "pipe:0", "-map", "0:v?", "-map", "0:a?", "-c", "copy", "-copyts", "-flush_packets", "1"),
    *("-f", "mpegts", "pipe:1"),
)
_BYTES = (
    *("-protocol_whitelist", "srt", "-f", "data", "-raw_packet_size", "65536", "-i", "URL", "-map", "0", "-c", "copy"),
    *("-flush_packets", "1", "-f", "data", "pipe:1"),
)


def with_timeout(url: str, timeout_s: float) -> str:
    """Return an SRT URL that fails after ``timeout_s`` of silence, unless it has a limit of its own."""
    return url if "timeout=" in url else f"{url}{'&' if '?' in url else '?'}timeout={int(timeout_s * 1e6)}"


def concat_list(url: str, timeout_s: float) -> bytes:
    """The list that makes ffmpeg's concat demuxer open one SRT URL, which fails after ``timeout_s`` of silence."""
    quoted = with_timeout(url, timeout_s).replace("'", "'\\''")
    return f"ffconcat version 1.0\nfile '{quoted}'\n".encode()


class Bridge:
    """A running ffmpeg that passes an SRT source on as MPEG-TS on a pipe.

    It ends when the pipe closes, and by itself when the source is silent for the stall timeout. It passes the bytes on
    as they are, unless the URL has a secret. Then, it passes on the tracks of the beginning, so it is also ended when
    the source sends another one (``has_new_tracks``).
    """

    def __init__(self, url: str, stall_timeout_s: float) -> None:
        """Start the program. Raises SourceFailed when there is none that speaks SRT.

        Args:
            url: The source.
            stall_timeout_s: Longest silence of the source.
        """
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            raise SourceFailed(
                "SRT needs the ffmpeg program, and it is not on PATH: install ffmpeg with SRT support", True
            )
        self._stall_s = stall_timeout_s
        self.in_bytes = in_bytes = not any(name in SECRETS for name, _ in parse_qsl(urlsplit(url).query))
        """Whether the bytes are those of the source, unchanged."""
        command = [ffmpeg, "-hide_banner", "-loglevel", "warning", *(_BYTES if in_bytes else _TRACKS)]
        command = [with_timeout(url, stall_timeout_s) if word == "URL" else word for word in command]
        pipe = subprocess.PIPE
        try:
            self._process = start_program(command, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError:
            raise SourceFailed("SRT needs the ffmpeg program, and the one on PATH cannot be run", True) from None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as listing:
            listing.write(b"" if in_bytes else concat_list(url, stall_timeout_s))
        self._said: deque[bytes] = deque(maxlen=20)
        self.has_new_tracks = False
        """Whether the program was ended because the source sends another track."""
        self._began = time.monotonic()
        self._end: threading.Timer | None = None
        self._reader = threading.Thread(target=self._read_errors, name="bridge", daemon=True)
        self._reader.start()

    @property
    def output(self) -> int:
        """File descriptor to read the transport stream from."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def read(self, _size: int) -> bytes:
        """Return bytes, as many as came in a short time; none at the end. May wait until there are some."""
        time.sleep(BUNDLE_S)
        return os.read(self.output, READ_BYTES)

    def close(self, *, farewell: bool = False) -> None:
        """End the program. ``farewell``: Let it end the connection."""
        if self._end is not None:
            self._end.cancel()
        end_program(self._process, FAREWELL_S if farewell else 0.0)
        self._reader.join(1.0)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def failure(self) -> SourceFailed:
        """Return why nothing can be read. The output of ffmpeg is not shown, because it contains the URL."""
        self._reader.join(1.0)
        said = b" ".join(self._said).lower()
        if b"protocol not found" in said:
            return SourceFailed("SRT needs an ffmpeg with SRT support (libsrt), and the one on PATH has none", True)
        for words, reason in (
            (b"timed out", f"the source did not respond within {self._stall_s:g} s"),
            (b"refused", "the source refused the connection; check that it is running on that port"),
            (b"rejected", "the SRT source rejected the connection; check the stream id and the passphrase"),
        ):
            if words in said:
                return SourceFailed(reason)
        return SourceFailed("the SRT source cannot be reached or stopped responding")

    def _read_errors(self) -> None:
        # Read to the end, or a chatty program would block on a full pipe.
        assert self._process.stderr is not None
        with self._process.stderr as errors:
            for line in errors:
                self._said.append(line)
                if self._end is None and _NEW_TRACK.search(line):
                    self._end = threading.Timer(self._began + LEAST_S - time.monotonic(), self._end_for_new_tracks)
                    self._end.daemon = True
                    self._end.start()

    def _end_for_new_tracks(self) -> None:
        self.has_new_tracks = True
        end_program(self._process, FAREWELL_S)  # else, the sender notices after 5 s
