"""The engine proves its identity for a nonce, without a key in the request."""

from __future__ import annotations

import httpx
import pytest

from rtstream.rules.identity import PATH, proof
from tests.rtstream.api.conftest import KEY, Served

pytestmark = pytest.mark.anyio


async def test_the_proof_is_that_of_the_nonce_and_the_connection(served: Served) -> None:
    nonce = "0123456789abcdef" * 2
    async with httpx.AsyncClient(base_url=served.url) as http:
        answer = await http.get(PATH, params={"nonce": nonce})
        host, port = httpx.URL(served.url).host, httpx.URL(served.url).port
        expected = proof(KEY, served.engine.identity_secret, nonce, host, port or 0)
        assert answer.json()["data"] == {"proof": expected}
        for bad in ("", "0" * 31, "0" * 129, "G" * 32):
            assert (await http.get(PATH, params={"nonce": bad})).status_code == 400
