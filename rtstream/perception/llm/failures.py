"""Translates errors of the client library into sentences for users, and states whether a retry can help."""

from __future__ import annotations

import math

from pydantic_ai import exceptions as theirs

from rtstream.perception.llm.names import OPENAI_COMPATIBLE, Target
from rtstream.perception.protocols import ProviderError
from rtstream.rules.redaction import MASK, redact
from rtstream.rules.text_safety import clean

MAX_WAIT_S = 86_400.0
_MAX_DETAIL = 300


class ModelError(ProviderError):
    """A model call failed.

    ``detail`` is the server's own message. It may repeat the request, so show it only if nothing from a stream was
    sent.
    """

    detail: str = ""


def explain(exc: Exception, target: Target, timeout_s: float) -> ModelError:
    """Translate an error of the client library.

    The message contains neither a key nor anything that the server returned.

    Args:
        exc: The error of the client library.
        target: The model that was called.
        timeout_s: The time limit of the call in seconds.
    """
    where = f" at {target.host}" if target.host else ""
    status = exc.status_code if isinstance(exc, theirs.ModelHTTPError) else None
    text, permanent = _sentence(exc, target, where, status, timeout_s)
    error = ModelError(text, retry_after_s=None if permanent else _wait(exc), permanent=permanent)
    error.detail = _detail(exc, target)
    return error


def _sentence(exc: Exception, target: Target, where: str, status: int | None, timeout_s: float) -> tuple[str, bool]:
    name = target.name
    match exc:
        case theirs.ModelQuotaExceededError():
            return f"{name}: the account's credit or quota is used up. Top it up or set another model.", True
        case theirs.ModelRateLimitError():
            return f"{name} rejected a call because of its rate limit. Use longer windows or fewer indexes.", False
        case theirs.ModelAuthenticationError():
            return f"{name} rejected the key{where}. {_key_advice(target)}", True
        case theirs.ModelNotFoundError():
            return f"The model {target.model} does not exist{where}. Check its name and the server URL.", True
        case theirs.ModelContextWindowExceededError():
            return f"{name} cannot process a request this large. Use fewer frames or a shorter window.", True
        case theirs.ModelTimeoutError() | theirs.ModelRequestTimeout():
            return f"{name} did not respond within {timeout_s:g} s.", False
        case theirs.ModelConnectionError():
            return f"{name} cannot be reached{where}, or dropped the connection. Check that the server runs.", False
        case theirs.ModelHTTPError() if status in (408, 409, 425) or exc.status_code >= 500:
            return f"{name} failed with a server error (HTTP {status}). Try again later.", False
        case theirs.ModelServerError() | theirs.ModelUnavailableError():
            return f"{name} failed with a server error. Try again later.", False
        case theirs.ModelHTTPError() | theirs.ModelRequestRejectedError():
            code = f"HTTP {status}" if status else "rejected"
            return (
                f"{name} rejected the request ({code}). It may not accept pictures, or not this many. "
                "`rtstream-mcp doctor` shows its error message.",
                True,
            )
        case theirs.UserError():
            return f"{name} cannot be used: {clean(redact(str(exc)), _MAX_DETAIL)}", True
        case _:
            return f"{name} returned an unreadable response.", False


def _key_advice(target: Target) -> str:
    variables = list(target.key_variables[:1])
    if target.provider in OPENAI_COMPATIBLE and target.base_url:
        variables.insert(0, "RTSTREAM_MODEL_API_KEY")
    return f"Check {' or '.join(variables)}." if variables else "Check the provider's key."


def _wait(exc: Exception) -> float | None:
    wait = getattr(exc, "retry_after", None)
    return min(float(wait), MAX_WAIT_S) if isinstance(wait, int | float) and math.isfinite(wait) and wait >= 0 else None


def _detail(exc: Exception, target: Target) -> str:
    text = _message(getattr(exc, "body", None)) or getattr(exc, "message", "") or str(exc)
    if target.api_key:
        text = text.replace(target.api_key, MASK)
    return clean(redact(text[:5000]), _MAX_DETAIL)


def _message(body: object) -> str:
    """Return the message of an error body in the format of OpenAI, Anthropic or Google."""
    if isinstance(body, dict):
        return _message(body["error"]) if "error" in body else str(body.get("message") or "")
    return body if isinstance(body, str) else ""
