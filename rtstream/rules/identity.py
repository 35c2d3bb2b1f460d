"""The proof by which an engine shows that it is the engine of a data folder and knows the API key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from ipaddress import ip_address

PATH = "/identity"
"""The path of the challenge in the API."""


@dataclass(frozen=True)
class EngineIdentity:
    """The facts by which a client recognises the engine. ``certificate``: PEM, for an engine that serves TLS."""

    secret: str = field(repr=False)
    certificate: str = ""


def proof(api_key: str, secret: str, nonce: str, host: str, port: int) -> str:
    """Return the proof for a challenge, in hexadecimal digits.

    Args:
        api_key: the key of the engine, which the client is about to send.
        secret: the secret of this run of the engine. Only the owner of the data folder can read it, so a listener
            cannot use challenges to guess a key.
        nonce: the client's random text, which makes each proof valid once.
        host: the engine's address of this connection. A listener elsewhere cannot pass the challenge on.
        port: the engine's port of this connection.
    """
    message = "\0".join(("rtstream identity 1", secret, nonce, str(ip_address(host.partition("%")[0])), str(port)))
    return hmac.new(api_key.encode(), message.encode(), hashlib.sha256).hexdigest()
