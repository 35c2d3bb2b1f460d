"""Expected failures, each with a sentence that states the problem and the remedy."""

from __future__ import annotations


class RTStreamError(Exception):
    """Base class of all expected failures.

    Args:
        message: The text shown to users and models. It must never contain text from a stream or credentials.

    Attributes:
        status: The HTTP status that the error maps to.
        code: The API's ``error_code``.
    """

    status = 400
    code = "INVALID_REQUEST"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(RTStreamError):
    """The request is invalid."""


class NotFound(RTStreamError):
    """No object has the requested id."""

    status = 404
    code = "NOT_FOUND"


class Unauthorized(RTStreamError):
    """The API key is missing or wrong."""

    status = 401
    code = "UNAUTHORIZED"


class TooManyAttempts(RTStreamError):
    """Too many wrong keys or requests came in; ``retry_after_s`` seconds until the next try."""

    status = 429
    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, message: str, retry_after_s: float = 60.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MethodNotAllowed(RTStreamError):
    """The path does not offer this HTTP method. The header ``Allow`` lists those that it offers."""

    status = 405
    code = "METHOD_NOT_ALLOWED"


class Conflict(RTStreamError):
    """The state of the object does not allow the request."""

    status = 409
    code = "CONFLICT"


class ConfirmationNeeded(RTStreamError):
    """The user has to agree to the cost first. The request is then repeated with ``confirm``."""

    status = 409
    code = "CONFIRMATION_NEEDED"


class TooLarge(RTStreamError):
    """The request or its result exceeds a limit."""

    status = 413
    code = "TOO_LARGE"


class InternalError(RTStreamError):
    """The engine has a fault. Its log has the details."""

    status = 500
    code = "INTERNAL"


class Unavailable(RTStreamError):
    """The request cannot be fulfilled right now, for example without an engine or with a full disk.

    The status is not 503, because API clients discard the message of a 503 response.
    """

    status = 400
    code = "UNAVAILABLE"


class DatabaseUnavailable(RTStreamError):
    """The database cannot be read or written right now: locked, full, read-only, or damaged.

    Args:
        problem: A sentence.
        next_step: A sentence.
        disk_full: Whether the cause is a full disk.
        damaged: Whether the file must be repaired.
    """

    status = 503
    code = "DATABASE_UNAVAILABLE"
    retry_after_s = 10.0

    def __init__(self, problem: str, next_step: str = "", *, disk_full: bool = False, damaged: bool = False) -> None:
        super().__init__(f"{problem} Recordings continue. {next_step}".rstrip())
        self.problem = problem
        self.next_step = next_step
        self.disk_full = disk_full
        self.damaged = damaged
