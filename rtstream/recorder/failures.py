"""Reasons for the failures of sources, as sentences for people."""

from __future__ import annotations

import errno

from av import error as averror

from rtstream.states import HealthCode

LOGIN, NOT_MEDIA = HealthCode.LOGIN_REFUSED, HealthCode.NOT_MEDIA
_STATUSES = (
    (averror.HTTPUnauthorizedError, 401),
    (averror.HTTPForbiddenError, 403),
    (averror.HTTPNotFoundError, 404),
    (averror.HTTPServerError, 500),
    (averror.HTTPClientError, 400),
)


class SourceFailed(Exception):
    """The source cannot be read now.

    Args:
        reason: The reason as a sentence without a URL.
        lasting: Whether a retry is unlikely to help.
        code: Code of the reason in the health of the stream.
    """

    def __init__(self, reason: str, lasting: bool = False, code: HealthCode = HealthCode.SOURCE_UNREACHABLE) -> None:
        super().__init__(reason)
        self.reason, self.lasting, self.code = reason, lasting, code


class FormatChanged(Exception):
    """The format or the tracks of the source have changed, so it has to be opened again, at once.

    Args:
        text: The change, as words for people.
        kind: Kind of the track whose packets are of another codec now, or empty.
    """

    def __init__(self, text: str = "", kind: str = "") -> None:
        super().__init__(text)
        self.kind = kind


def failure_code(exc: Exception) -> str:
    """Return the health code of a failure to write to the disk, or an empty string."""
    number = exc.errno if isinstance(exc, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return HealthCode.DISK_FULL
    if number in (errno.EIO, errno.EROFS, errno.ENODEV, errno.ENOENT, errno.EACCES, errno.EPERM, errno.ESTALE):
        return HealthCode.DISK_ERROR
    return ""


def explain_status(status: int) -> SourceFailed:
    """Return the reason for an HTTP status other than success."""
    if status == 401:
        return SourceFailed(
            "the source wants a user name and password, or does not accept those in the URL", True, LOGIN
        )
    if status == 403:
        return SourceFailed(
            "the source refuses access (403); check the user name, its rights and the path", True, LOGIN
        )
    if status == 404:
        return SourceFailed("there is no stream at this path (404); check the path, and that the sender is live")
    if status >= 500:
        return SourceFailed("the server of the source reports an error of its own (5xx)")
    return SourceFailed(f"the server of the source refuses the request ({status})")


def explain(exc: Exception, stall_timeout_s: float, scheme: str = "") -> SourceFailed:
    """Return the meaning of an error of the codec library. Its own text is not used, because it contains the URL."""
    number = getattr(exc, "errno", None)
    if isinstance(exc, SourceFailed):
        return exc
    for error, status in _STATUSES:
        if isinstance(exc, error):
            return explain_status(status)
    if isinstance(exc, TimeoutError) or number in (errno.ETIMEDOUT, errno.EAGAIN):
        return SourceFailed(f"the source sent nothing for {stall_timeout_s:g} s")
    if isinstance(exc, FileNotFoundError):
        return SourceFailed(
            "there is no such file" if scheme == "file" else "there is no such stream", scheme == "file"
        )
    if isinstance(exc, IsADirectoryError):
        return SourceFailed("this is a folder; name a media file in it", True)
    if isinstance(exc, PermissionError):
        return SourceFailed(
            "the file may not be read" if scheme == "file" else "the connection was not permitted", True
        )
    if isinstance(exc, ConnectionRefusedError):
        return SourceFailed("the source refused the connection; check that it is running on that port")
    if isinstance(exc, ConnectionError) or number in (errno.EPIPE, errno.ECONNRESET):
        return SourceFailed("the source closed the connection")
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return SourceFailed("the host cannot be reached from this machine")
    if isinstance(exc, averror.InvalidDataError):
        return SourceFailed("the source does not send a supported media stream", scheme == "file", NOT_MEDIA)
    if isinstance(exc, averror.ProtocolNotFoundError | averror.DemuxerNotFoundError | ValueError):
        return SourceFailed("this kind of source is not supported", True, NOT_MEDIA)
    if isinstance(exc, EOFError):
        return SourceFailed("the source ended before it sent video or audio", code=HealthCode.SOURCE_ENDED)
    if number == errno.EIO:
        return SourceFailed(
            "the source cannot be reached or stopped responding; check the host name, and that it is live"
        )
    return SourceFailed(f"the source could not be read ({type(exc).__name__})", scheme == "file")
