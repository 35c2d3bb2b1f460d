"""Failures of a source become sentences without a URL, and failures of the disk become codes."""

from __future__ import annotations

import errno

import av.error
import pytest

from rtstream.recorder.failures import SourceFailed, explain, explain_status, failure_code
from rtstream.states import HealthCode

URL = "rtsp://user:secret@cam.example/live"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, HealthCode.DISK_FULL),
        (errno.EDQUOT, HealthCode.DISK_FULL),
        (errno.EROFS, HealthCode.DISK_ERROR),
        (errno.EIO, HealthCode.DISK_ERROR),
        (errno.EACCES, HealthCode.DISK_ERROR),
        (errno.EINTR, ""),
    ],
)
def test_a_failure_to_write_has_a_code(number: int, code: str) -> None:
    assert failure_code(OSError(number, "no")) == code
    assert failure_code(ValueError("no")) == ""


@pytest.mark.parametrize(
    ("status", "words", "lasting"),
    [(401, "password", True), (403, "403", True), (404, "404", False), (503, "5xx", False), (418, "418", False)],
)
def test_a_status_is_explained(status: int, words: str, lasting: bool) -> None:
    failed = explain_status(status)
    assert words in failed.reason
    assert failed.lasting is lasting


@pytest.mark.parametrize(
    ("error", "scheme", "words", "lasting"),
    [
        (av.error.HTTPNotFoundError(404, URL), "http", "404", False),
        (TimeoutError(URL), "rtsp", "nothing for 10 s", False),
        (FileNotFoundError(URL), "file", "no such file", True),
        (FileNotFoundError(URL), "rtmp", "no such stream", False),
        (PermissionError(URL), "file", "may not be read", True),
        (ConnectionRefusedError(URL), "rtsp", "refused the connection", False),
        (ConnectionResetError(errno.ECONNRESET, URL), "rtsp", "closed the connection", False),
        (OSError(errno.EHOSTUNREACH, URL), "rtsp", "cannot be reached", False),
        (av.error.InvalidDataError(1, URL), "http", "supported media stream", False),
        (av.error.InvalidDataError(1, URL), "file", "supported media stream", True),
        (ValueError(URL), "rtsp", "not supported", True),
        (EOFError(URL), "rtsp", "ended before", False),
        (OSError(errno.EIO, URL), "rtsp", "stopped responding", False),
        (RuntimeError(URL), "rtsp", "RuntimeError", False),
    ],
)
def test_an_error_of_the_codec_library_is_explained(error: Exception, scheme: str, words: str, lasting: bool) -> None:
    failed = explain(error, 10.0, scheme)
    assert words in failed.reason
    assert failed.lasting is lasting
    assert "secret" not in failed.reason


def test_a_failure_that_is_explained_already_stays_as_it_is() -> None:
    failed = SourceFailed("the reason", True)
    assert explain(failed, 10.0) is failed
