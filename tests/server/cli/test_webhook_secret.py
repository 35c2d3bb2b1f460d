"""The command that shows receivers the secret of webhooks."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from rtstream import keys
from tests.server.mcp_servers import SCRIPT


def secret(**environment: str) -> str:
    done = subprocess.run(
        [str(SCRIPT), "webhook-secret"], env=environment, capture_output=True, text=True, timeout=20, check=True
    )
    return done.stdout.strip()


def test_the_secret_follows_from_the_key_and_verifies_what_the_engine_signs(tmp_path: Path) -> None:
    shown = secret(RTSTREAM_DATA_DIR=str(tmp_path))
    assert shown.startswith("whsec_")
    assert shown == secret(RTSTREAM_DATA_DIR=str(tmp_path))
    assert shown == keys.webhook_secret(keys.read(tmp_path))
    other = secret(RTSTREAM_DATA_DIR=str(tmp_path), RTSTREAM_API_KEY="sk-another-key")
    assert other == keys.webhook_secret("sk-another-key") != shown

    at, body = datetime.now(UTC), json.dumps({"label": "invoice"})
    headers = {
        "webhook-id": "dlv-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(shown).sign("dlv-1", at, body),
    }
    assert Webhook(shown).verify(body, headers) == {"label": "invoice"}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)
