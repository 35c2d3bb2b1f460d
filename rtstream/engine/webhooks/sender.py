"""Signs webhooks and makes single attempts to send them."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import anyio
from standardwebhooks import Webhook

from rtstream.concurrency import log_failure
from rtstream.engine.webhooks.transport import PostFailed, PostResponse, post
from rtstream.errors import RTStreamError
from rtstream.json_types import JsonObject
from rtstream.rules.delivery import failure

log = logging.getLogger(__name__)

Check = Callable[[str], Awaitable[Sequence[str]]]
"""Resolves the host of a URL, checks its addresses, and returns those to connect to. Raises RTStreamError."""


@dataclass(frozen=True)
class SendResult:
    """The result of one attempt."""

    error: str = ""
    """Reason for which it failed, as a sentence without the URL; empty if the receiver accepted the webhook."""
    status: int | None = None
    """HTTP status of the response, if there was one."""
    retry_after_s: float | None = None


class WebhookSender:
    """Sends webhooks by the Standard Webhooks specification.

    Args:
        check: Checks the URL of a receiver before each attempt.
        secret: Standard Webhooks secret that signs the bodies.
        timeout_s: Time limit of an attempt in seconds.
    """

    def __init__(self, check: Check, secret: str, timeout_s: float) -> None:
        self._check = check
        self._webhook = Webhook(secret)
        self._timeout_s = timeout_s

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def send(self, webhook_id: str, url: str, payload: JsonObject) -> SendResult:
        """Make one attempt. Raises nothing: the result contains the reason of a failure.

        Args:
            webhook_id: Id with which the receiver recognises repetitions.
            url: URL of the receiver.
            payload: Body of the request.
        """
        try:
            with anyio.fail_after(self._timeout_s):
                response = await self._post(webhook_id, url, payload)
        except RTStreamError as exc:
            return SendResult(exc.message)
        except TimeoutError:
            return SendResult(f"the receiver did not respond within {self._timeout_s:g} s")
        except PostFailed as exc:
            return SendResult(f"the receiver could not be reached ({exc})")
        except Exception as exc:  # noqa: BLE001 - logged
            log_failure(log, f"webhook {webhook_id} could not be sent", exc)
            return SendResult("internal error")
        error = "" if 200 <= response.status < 300 else failure(response.status)
        return SendResult(error, response.status, response.retry_after_s)

    async def _post(self, webhook_id: str, url: str, payload: JsonObject) -> PostResponse:
        addresses = await self._check(url)
        body = json.dumps(payload, separators=(",", ":"))
        at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "rtstream-webhooks/1",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(webhook_id, at, body),
        }
        # Connect to the checked addresses, because the name may resolve to others a moment later.
        return await post(url, addresses, headers, body.encode(), self._tls)
