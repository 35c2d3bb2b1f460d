"""The addresses to which the engine lets a source URL lead, with the names resolved."""

from pathlib import Path

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.streams.addresses import Addresses
from rtstream.errors import InvalidRequest


def _addresses(tmp_path: Path, **settings: str) -> Addresses:
    return Addresses(EngineConfig(data_dir=tmp_path, **settings))  # type: ignore[arg-type]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    [
        "udp://@:5000",
        "udp://127.0.0.1:5000",
        "udp://239.1.2.3:5000",
        "tcp://127.0.0.1:5000?listen=1",
        "tcp://:5000?listen=2&listen_timeout=1000",
        "srt://:5000?mode=listener",
        "srt://127.0.0.1:5000?mode=rendezvous",
    ],
)
async def test_a_source_that_makes_the_engine_listen_needs_its_port_in_the_settings(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidRequest, match="RTSTREAM_LISTEN_PORTS=5000"):
        await _addresses(tmp_path, allow_networks="private,loopback").source(url)
    allowed = _addresses(tmp_path, allow_networks="private,loopback", listen_ports="5000-5001")
    assert (await allowed.source(url)).startswith(url.split(":")[0])


@pytest.mark.anyio
async def test_a_port_that_may_be_listened_on_opens_no_address_to_connect_to(tmp_path: Path) -> None:
    addresses = _addresses(tmp_path, listen_ports="5000")
    for url in ("tcp://127.0.0.1:5000", "srt://127.0.0.1:5000?mode=rendezvous", "udp://239.1.2.3:5000"):
        with pytest.raises(InvalidRequest, match="RTSTREAM_ALLOW_NETWORKS"):
            await addresses.source(url)


@pytest.mark.anyio
async def test_the_url_that_is_stored_is_the_one_that_was_checked(tmp_path: Path) -> None:
    addresses = _addresses(tmp_path, allow_networks="loopback")
    assert await addresses.source("RTSP://admin:p@ss@LOCALHOST.:554/a b".replace(" ", "%20")) == (
        "rtsp://admin:p%40ss@localhost/a%20b"
    )
