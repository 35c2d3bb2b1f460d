"""HTTP and HLS for the codec library, which opens nothing itself and gets every resource from here."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Collection
from typing import Protocol

from rtstream.errors import InvalidRequest
from rtstream.recorder.failures import SourceFailed, explain
from rtstream.recorder.web import Resource, WebClient
from rtstream.rules.hls_periods import discontinuities, ended_before, period_of
from rtstream.rules.hls_playlist import MAX_BYTES, MAX_DEPTH, MAX_VARIANTS, filter_playlist, fragment_s, is_playlist
from rtstream.rules.hls_variants import ChosenVariant
from rtstream.rules.mpegts_tables import LEAST_BYTES, SYNC, described_tracks

BEGINNING = 7  # bytes that tell a playlist from media
SHORT_SEEK = 64 * 1024  # bytes that are read over instead of asked for again
MAX_FAILURES = 30  # in a row: then nothing more is asked for
BLOCK = 16  # bytes of AES


class SourceFile(Protocol):
    """The interface of a file that the codec library reads."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class WebFile:
    """A resource as a file. If the server supports ranges, it can be read at any position."""

    def __init__(self, client: WebClient, url: str, resource: Resource, beginning: bytes, first: int | None) -> None:
        self._client, self._url = client, url
        self._resource: Resource | None = resource
        self._read_ahead = beginning
        self._at = 0  # of the reader
        self._seekable = resource.seekable and first is None
        self._size = resource.total or 0

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, as soon as there are some."""
        if self._read_ahead:
            data, self._read_ahead = self._read_ahead[:size], self._read_ahead[size:]
        else:
            if self._resource is None:
                if self._at >= self._size:
                    return b""
                self._resource = self._client.get(self._url, self._at)
            data = self._resource.read(size)
        self._at += len(data)
        return data

    @property
    def content_type(self) -> str:
        """The content type that the server states, in lower case; empty if it states none, or after ``seek``."""
        return "" if self._resource is None else self._resource.headers.get("content-type", "").lower()

    def seekable(self) -> bool:
        """Whether ``seek`` works."""
        return self._seekable

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position. The request is sent by the next ``read``."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        to = max(0, base + offset)
        if 0 <= to - self._at <= SHORT_SEEK and self._resource is not None and to <= self._size:
            while self._at < to and self.read(to - self._at):
                pass
        if to != self._at:
            self.close()
            self._read_ahead, self._at = b"", to
        return to

    def close(self) -> None:
        """Release the connection."""
        resource, self._resource = self._resource, None
        if resource is not None:
            resource.close()


class DecryptedFile:
    """A segment encrypted with AES-128 in CBC mode (RFC 8216, 4.3.2.4)."""

    def __init__(self, file: WebFile, key: bytes, iv: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # few sources need it

        self._file = file
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        self._plain = b""  # the last block of it may be padding
        self._ended = False

    def read(self, size: int) -> bytes:
        """At most ``size`` decrypted bytes; none at the end."""
        while not self._ended and len(self._plain) <= BLOCK:
            data = self._file.read(max(size, BLOCK))
            self._plain += self._cipher.update(data)
            if not data:
                self._ended = True
                padding = self._plain[-1] if self._plain else 0
                if 0 < padding <= BLOCK:
                    self._plain = self._plain[:-padding]
        ready = len(self._plain) if self._ended else len(self._plain) - BLOCK
        data, self._plain = self._plain[: min(size, ready)], self._plain[min(size, ready) :]
        return data

    def close(self) -> None:
        """Release the connection."""
        self._file.close()


class _Nested:
    """A resource in a playlist. A failed read ends it, so that the codec library continues with the next one."""

    def __init__(self, file: SourceFile, opener: WebInput) -> None:
        self._file, self._opener = file, opener
        self.close = file.close

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes."""
        try:
            return self._file.read(size)
        except (SourceFailed, OSError, ValueError) as exc:
            self._opener.failed(exc)
            return b""


class WebInput:
    """Opens the resources that the codec library requests (PyAV's ``io_open``), and stores the reason of a failure.

    Its first request is for the source itself, which is open already.
    """

    def __init__(
        self,
        client: WebClient,
        url: str,
        choose: Callable[[str, Collection[str]], ChosenVariant] = lambda text, failed: ChosenVariant(text),
    ) -> None:
        """Request the source itself.

        Args:
            client: Fetches everything.
            url: Address of the source.
            choose: Returns a playlist with one variant alone. Its second argument are the addresses of variants that
                could not be read.

        Raises:
            SourceFailed: The source cannot be read.
            OSError: The connection failed.
        """
        self._client, self._url = client, url
        self._choose = choose
        self.variant = ChosenVariant("")
        """The variant that is read, if there are several."""
        self._failed: set[str] = set()  # addresses of variants
        self._begins: dict[str, int] = {}  # of the period that is read, by the URL of its playlist
        self._following: dict[str, int] = {}  # of the period that follows it
        self._seen: dict[str, tuple[int, str]] = {}  # its newest segment that was listed, and the init segment of it
        self._breaks: dict[str, tuple[str, int]] = {}  # playlist and number of segments that follow a discontinuity
        self._media: set[str] = set()  # URLs of the media playlists
        self._tracks: frozenset[tuple[int, int]] = frozenset()  # of the transport stream that is read
        self._over = False  # whether the next segment begins another period
        self._depths = {url: 1}  # of the playlists that are known
        self._failures = 0
        self.fragment_s = 0.0
        """Longest segment of the playlists in seconds, if they are of MP4."""
        self.failure: SourceFailed | None = None  # of the last resource; None when it could be opened
        self.first: SourceFile | None = self._open(url, {})
        """The source itself, until it is opened."""

    def advance(self) -> bool:
        """Go to the next period of the playlists, if there is one. Returns whether there is.

        Raises SourceFailed or OSError.
        """
        if not self._following:
            return False
        self._begins |= self._following
        self._following = {}
        self._over, self._tracks = False, frozenset()
        self.first = self._open(self._url, {})
        return True

    def next_variant(self) -> bool:
        """Go to the next best variant, if there is one. Returns whether there is.

        Raises SourceFailed or OSError.
        """
        if not self.variant.others:
            return False
        self._failed.add(self.variant.url)
        self._failures = 0
        self.first = self._open(self._url, {})
        return True

    @property
    def is_hls(self) -> bool:
        """Whether the source is a playlist. The codec library would rely on the extension of its name."""
        return isinstance(self.first, io.BytesIO)

    def __call__(self, url: str, flags: int, options: dict[str, str]) -> SourceFile:
        """Open ``url``. A failure returns an empty file, because PyAV logs every error that is raised here."""
        if self.first is not None:
            file, self.first = self.first, None
            return file
        if self._failures >= MAX_FAILURES or (self._over and url not in self._depths):
            return io.BytesIO()
        try:
            file = self._open(url, options)
        except (SourceFailed, OSError, ValueError) as exc:
            self.failed(exc)
            return io.BytesIO()
        self.failure, self._failures = None, 0
        return _Nested(file, self)

    def failed(self, exc: Exception) -> None:
        """Remember why the last resource could not be read."""
        self.failure, self._failures = explain(exc, self._client.dialer.timeout_s), self._failures + 1

    def _open(self, url: str, options: dict[str, str]) -> SourceFile:
        encrypted = url.startswith(("crypto+", "crypto:"))
        if encrypted:
            url = url[len("crypto+") :]
        first = int(options["offset"]) if "offset" in options else None
        last = int(options["end_offset"]) - 1 if "end_offset" in options else None
        resource = self._client.get(url, first, last)
        try:
            beginning = _beginning(resource)
            if is_playlist(beginning) and not encrypted:
                return self._playlist(url, resource, beginning)
        except BaseException:
            resource.close()
            raise
        if first is None and not encrypted and self._depths.get(url) is None:
            beginning = _tables(resource, beginning)
            if self._changes(url, beginning):
                resource.close()
                return io.BytesIO()
        file = WebFile(self._client, url, resource, beginning, first)
        if encrypted:
            return DecryptedFile(file, bytes.fromhex(options["key"]), bytes.fromhex(options["iv"]))
        return file

    def _changes(self, url: str, beginning: bytes) -> bool:
        """Return whether a segment begins a period with other tracks, which needs another demuxer."""
        tracks, before = described_tracks(beginning), self._tracks
        if tracks and before and tracks != before and url in self._breaks and len(self._media) == 1:
            playlist, number = self._breaks[url]
            self._following[playlist], self._over = number, True
            return True
        self._tracks = tracks or before
        return False

    def _playlist(self, url: str, resource: Resource, data: bytes) -> io.BytesIO:
        depth = self._depths.get(url)
        if depth is None:
            raise SourceFailed("the playlist names another playlist as a segment", True)
        if depth > MAX_DEPTH:
            raise SourceFailed(f"the playlists of the source are nested more than {MAX_DEPTH} deep", True)
        deadline = time.monotonic() + self._client.dialer.timeout_s
        whole = bytearray(data)
        while more := resource.read(65536):
            whole += more
            if len(whole) > MAX_BYTES:
                raise SourceFailed(f"the playlist is longer than {MAX_BYTES // 1_000_000} MB", True)
            if time.monotonic() > deadline:
                raise SourceFailed("the playlist did not arrive in time")
        resource.close()
        try:
            filtered = filter_playlist(bytes(whole), resource.url)
        except InvalidRequest as exc:
            raise SourceFailed(exc.message[:1].lower() + exc.message[1:].removesuffix("."), True) from None
        for each in filtered.playlists:
            self._depths.setdefault(each, depth + 1)
        if len(self._depths) > MAX_VARIANTS + 1:
            raise SourceFailed(f"the playlist lists more than {MAX_VARIANTS} variants", True)
        if "#EXT-X-STREAM-INF" in filtered.text:
            self.variant = self._choose(filtered.text, self._failed)
            return io.BytesIO(self.variant.text.encode())
        self._media.add(url)
        if self._over and url in self._following:
            return io.BytesIO(ended_before(filtered.text, self._following[url]).encode())
        self._breaks = {each: (url, number) for each, number in discontinuities(filtered.text).items()}
        self.fragment_s = max(self.fragment_s, fragment_s(filtered.text))
        period = period_of(filtered.text, self._begins.get(url), self._seen.get(url))
        if period.newest is not None:
            self._seen[url] = period.newest
        if period.start is not None:  # a later period is not read with the init segment of this one
            self._begins.setdefault(url, period.start)
        if period.following is not None:
            self._following[url] = period.following
        return io.BytesIO(period.text.encode())


def _tables(resource: Resource, beginning: bytes) -> bytes:
    """Read on until the tables of a transport stream are among the first bytes."""
    while beginning.startswith(SYNC) and len(beginning) < LEAST_BYTES and (more := resource.read(32768)):
        beginning += more
    return beginning


def _beginning(resource: Resource) -> bytes:
    data = b""
    while len(data) < BEGINNING and (more := resource.read(32768 - len(data))):
        data += more
    return data
