"""Errors a user can act on. Each carries one sentence: what is wrong and what to do."""

from __future__ import annotations


class RTStreamError(Exception):
    """Base of all expected failures.

    ``status`` is the HTTP status it maps to, ``code`` the API's ``error_code``.
    The text is shown to users and models: never put stream text or credentials into it.
    """

    status = 400
    code = "INVALID_REQUEST"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(RTStreamError):
    """The request cannot be carried out as it stands."""


class NotFound(RTStreamError):
    """No object with that id."""

    status = 404
    code = "NOT_FOUND"


class Unauthorized(RTStreamError):
    """The API key is missing or wrong."""

    status = 401
    code = "UNAUTHORIZED"


class Conflict(RTStreamError):
    """The object is in a state that does not allow this."""

    status = 409
    code = "CONFLICT"


class TooLarge(RTStreamError):
    """The request or its result is over a limit."""

    status = 413
    code = "TOO_LARGE"


class Unavailable(RTStreamError):
    """Cannot be done right now (no engine, full disk, nothing yet). Not 503: API clients lose that message."""

    status = 400
    code = "UNAVAILABLE"
