"""The engine's answer to a challenge: clients on this machine check it before they send the API key."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, Field
from starlette.requests import Request

from rtstream.rules.identity import proof


class ChallengeQuery(BaseModel):
    """Query of ``GET identity``."""

    nonce: str = Field(pattern=r"^[0-9a-f]{32,128}$")


class Prover(NamedTuple):
    """The secrets that prove the identity of an engine."""

    api_key: str
    identity_secret: str


class ProofData(BaseModel):
    """Result of ``GET identity``."""

    proof: str


async def prove(request: Request, query: ChallengeQuery) -> ProofData:
    """Return the proof for the client's nonce on this connection."""
    prover: Prover = request.app.state.prover
    host, port = request.scope["server"]
    return ProofData(proof=proof(prover.api_key, prover.identity_secret, query.nonce, host, port))
