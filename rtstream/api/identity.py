"""The engine's answer to a challenge: clients on this machine check it before they send the API key."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import ok, query
from rtstream.api.routing import engine_of
from rtstream.rules.identity import proof


class ChallengeQuery(BaseModel):
    """Query of ``GET identity``."""

    nonce: str = Field(pattern=r"^[0-9a-f]{32,128}$")


async def prove(request: Request) -> Response:
    """Return the proof for the client's nonce on this connection."""
    engine = engine_of(request)
    host, port = request.scope["server"]
    nonce = query(request, ChallengeQuery).nonce
    return ok({"proof": proof(engine.api_key, engine.identity_secret, nonce, host, port)})
