"""Access to /mcp: the key, the Host and Origin headers, and the size of a request."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rtstream.errors import InvalidRequest
from server.http import check_address
from server.settings import Settings
from tests.server.mcp_servers import KEY, Served, serving

pytestmark = pytest.mark.anyio

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
def engine_settings() -> dict[str, Any]:
    return {"allowed_hosts": "cam.example.org", "allowed_origins": "https://app.test/"}


async def post(served: Served, body: Any = INITIALIZE, **headers: str) -> httpx.Response:
    headers = {**HEADERS, **headers}
    async with httpx.AsyncClient(timeout=10) as http:
        return await http.post(f"{served.url}/mcp", headers=headers, json=body)


async def test_only_the_holder_of_the_key_is_let_in(served: Served) -> None:
    for headers in (
        {},
        {"authorization": "Bearer sk-other"},
        {"authorization": f"Basic {KEY}"},
        {"x-access-token": ""},
    ):
        refused = await post(served, **headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.json()["error_code"] == "UNAUTHORIZED"
    for headers in ({"authorization": f"Bearer {KEY}"}, {"x-access-token": KEY}):
        assert (await post(served, **headers)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PUT"])
async def test_the_key_is_asked_for_whatever_the_method(served: Served, method: str) -> None:
    async with httpx.AsyncClient(timeout=10) as http:
        assert (await http.request(method, f"{served.url}/mcp", headers=HEADERS)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example.org"}, 421),
        ({"host": "cam.example.org"}, 200),
        ({"host": "cam.example.org:8740"}, 200),
        ({"origin": "https://evil.example.org"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://app.test"}, 200),
        ({"origin": "http://localhost:5173"}, 200),
    ],
)
async def test_a_web_page_elsewhere_cannot_reach_it(served: Served, headers: dict[str, str], status: int) -> None:
    assert (await post(served, **{"x-access-token": KEY, **headers})).status_code == status


async def test_a_request_that_is_too_large_is_not_read(served: Served) -> None:
    body = {**INITIALIZE, "params": {"padding": "x" * (5 * 1024 * 1024)}}
    assert (await post(served, body, **{"x-access-token": KEY})).status_code == 413


async def test_the_key_can_be_switched_off_for_this_machine_only(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", mcp_require_key=False) as served:
        assert (await post(served)).status_code == 200
        assert (await post(served, host="evil.example.org")).status_code == 421
    open_to_all = Settings(data_dir=tmp_path, host="0.0.0.0", api_key=KEY, mcp_require_key=False)
    with pytest.raises(InvalidRequest, match="cannot be switched off"):
        check_address(open_to_all)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_other_machines_are_let_in_only_with_a_key_of_the_users_own(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidRequest, match="RTSTREAM_API_KEY"):
        check_address(Settings(data_dir=tmp_path, host=host, api_key=None))
    check_address(Settings(data_dir=tmp_path, host=host, api_key=KEY))


@pytest.mark.parametrize(
    "exposed",
    [{"host": "0.0.0.0"}, {"behind_proxy": True}, {"public_url": "https://rt.example.org"}, {"host": "192.0.2.7"}],
)
@pytest.mark.parametrize("key", ["sk-0123456789", "passwordpasswordpassword", "a" * 64])
def test_a_key_that_is_easy_to_guess_is_refused_where_others_can_try_it(
    tmp_path: Path, exposed: dict[str, Any], key: str
) -> None:
    with pytest.raises(InvalidRequest, match=r"RTSTREAM_API_KEY .*secrets\.token_urlsafe"):
        check_address(Settings(data_dir=tmp_path, api_key=key, **exposed))
    check_address(Settings(data_dir=tmp_path, api_key=key))


def test_a_network_address_without_tls_is_warned_about_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    strong = {"data_dir": tmp_path, "api_key": secrets.token_urlsafe(32)}
    check_address(Settings(host="0.0.0.0", tls_cert=tmp_path / "cert.pem", **strong))
    check_address(Settings(host="0.0.0.0", behind_proxy=True, **strong))
    check_address(Settings(host="127.0.0.1", **strong))
    assert caplog.records == []
    check_address(Settings(host="0.0.0.0", **strong))
    [warning] = caplog.records
    assert "--tls-cert" in warning.getMessage()


async def test_wrong_keys_at_mcp_are_limited(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as served, httpx.AsyncClient(base_url=served.url) as http:
        wrong = {"authorization": "Bearer wrong"}
        answers = [await http.post("/mcp", json={}, headers=wrong) for _ in range(22)]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 0
        assert (await post(served, authorization=f"Bearer {KEY}")).status_code == 200


async def test_wrong_keys_at_the_api_at_mcp_and_at_the_websocket_are_counted_together(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as served, httpx.AsyncClient(base_url=served.url) as http:
        ws = served.url.replace("http", "ws")

        async def api(number: int) -> int:
            return (await http.get("/rtstream", headers={"x-access-token": f"wrong {number}"})).status_code

        async def mcp(number: int) -> int:
            name, value = [("authorization", "bearer  wrong"), ("x-access-token", "wrong")][number % 2]
            return (await http.post("/mcp", json={}, headers={name: f"{value}{number}"})).status_code

        async def websocket(number: int) -> int:
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"{ws}/ws?ticket=forged{number}&scope=all"):
                    pass
            return refused.value.response.status_code

        ways = (api, mcp, websocket)
        assert [await ways[number % 3](number) for number in range(20)] == [401] * 20
        assert [await way(20) for way in ways] == [429] * 3
        # A client that has the key is not disturbed: neither its calls nor its WebSocket.
        key = {"x-access-token": KEY}
        found = (await http.get("/collection/default/websocket", headers=key)).json()
        async with connect(found["data"]["websocket_url"]) as socket:
            assert "connection_id" in str(await socket.recv())
        assert (await post(served, authorization=f"Bearer {KEY}")).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_needs_no_key_of_its_own(tmp_path: Path, host: str) -> None:
    check_address(Settings(data_dir=tmp_path, host=host, api_key=None))


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    asked = "authorization,content-type,mcp-protocol-version,mcp-session-id,x-access-token"
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": asked,
    }


@pytest.mark.parametrize("path", ["/mcp", "/rtstream", "/rtstream/rts-1/frame", "/watch"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_page_on_an_allowed_origin_gets_its_preflight_without_the_key(
    served: Served, path: str, method: str
) -> None:
    async with httpx.AsyncClient(timeout=10) as http:
        found = await http.options(served.url + path, headers=preflight("https://app.test", method))
    assert found.status_code == 200
    assert found.headers["access-control-allow-origin"] == "https://app.test"
    assert method in found.headers["access-control-allow-methods"]
    assert {"authorization", "mcp-session-id"} <= set(
        found.headers["access-control-allow-headers"].replace(" ", "").split(",")
    )


async def test_a_page_on_an_allowed_origin_reads_responses_and_refusals(served: Served) -> None:
    answers = [await post(served, origin="https://app.test", **key) for key in ({}, {"x-access-token": KEY})]
    async with httpx.AsyncClient(timeout=10, headers={"origin": "https://app.test"}) as http:
        answers.append(await http.get(f"{served.url}/rtstream"))
        answers.append(await http.get(f"{served.url}/rtstream", headers={"x-access-token": KEY}))
    assert [answer.status_code for answer in answers] == [401, 200, 401, 200]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "https://app.test"
        assert "mcp-session-id" in answer.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("origin", ["https://evil.example.org", "https://app.test.evil.org", "http://app.test", "null"])
async def test_a_page_elsewhere_gets_no_permission_to_read(served: Served, origin: str) -> None:
    async with httpx.AsyncClient(timeout=10) as http:
        for path in ("/mcp", "/rtstream"):
            found = await http.options(served.url + path, headers=preflight(origin))
            assert found.status_code == 401
            assert not [name for name in found.headers if name.startswith("access-control")]
