"""SRT through an ffmpeg program: the bundled codec library does not speak it."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
import time
from collections import deque

from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.program import end_program, start_program

_NEW_TRACK = re.compile(rb"\bNew (?:video|audio) stream\b")
FAREWELL_S = 1.0
LEAST_S = 3.0  # that a connection lasts before it is ended for other tracks


def concat_list(url: str, timeout_s: float) -> bytes:
    """The list that makes ffmpeg's concat demuxer open one SRT URL, which fails after ``timeout_s`` of silence."""
    if "timeout=" not in url:
        url += f"{'&' if '?' in url else '?'}timeout={int(timeout_s * 1e6)}"
    quoted = url.replace("'", "'\\''")
    return f"ffconcat version 1.0\nfile '{quoted}'\n".encode()


class Bridge:
    """A running ffmpeg that turns an SRT source into MPEG-TS on a pipe. Raises SourceFailed when there is none to run.

    It ends when the pipe closes, and by itself when the source is silent for the stall timeout. The tracks that it
    passes on are those of the beginning, so it is also ended when the source sends another one (``has_new_tracks``).
    """

    def __init__(self, url: str, stall_timeout_s: float) -> None:
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            raise SourceFailed(
                "SRT needs the ffmpeg program, and it is not on PATH: install ffmpeg with SRT support", True
            )
        try:
            listed = subprocess.run([ffmpeg, "-hide_banner", "-protocols"], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            raise SourceFailed("SRT needs the ffmpeg program, and the one on PATH cannot be run", True) from None
        if "srt" not in listed.stdout.split():
            raise SourceFailed("SRT needs an ffmpeg with SRT support (libsrt), and the one on PATH has none", True)
        self._stall_s = stall_timeout_s
        # The URL may hold a passphrase, and every user of this machine sees command lines: it arrives as a list of one
        # file on standard input. The lists restrict what that file may turn out to be.
        command = [ffmpeg, "-hide_banner", "-loglevel", "warning", "-protocol_whitelist", "pipe,srt"]
        command += ["-format_whitelist", "concat,mpegts", "-f", "concat", "-safe", "0", "-i", "pipe:0"]
        command += ["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-copyts", "-flush_packets", "1"]
        command += ["-f", "mpegts", "pipe:1"]
        pipe = subprocess.PIPE
        self._process = start_program(command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as listing:
            listing.write(concat_list(url, stall_timeout_s))
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

    def close(self) -> None:
        """End the program."""
        if self._end is not None:
            self._end.cancel()
        end_program(self._process)
        self._reader.join(1.0)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def reason(self) -> str:
        """Return the reason of the failure. The output of ffmpeg is not shown, because it contains the URL."""
        said = b" ".join(self._said).lower()
        for words, reason in (
            (b"timed out", f"the source did not respond within {self._stall_s:g} s"),
            (b"refused", "the source refused the connection; check that it is running on that port"),
            (b"rejected", "the SRT source rejected the connection; check the stream id and the passphrase"),
        ):
            if words in said:
                return reason
        return "the SRT source cannot be reached or stopped responding"

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
