"""Over stdio, the API key goes to the engine that the settings name, and to no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.client import RTStreamClient
from rtstream.client.identity import UnprovenEngine
from rtstream.errors import Unauthorized
from server.engine_file import write_engine_file
from server.settings import Settings
from server.stdio import locate
from tests.rtstream.client.test_identity import STALE, impostor
from tests.server.mcp_servers import KEY

pytestmark = pytest.mark.anyio


async def test_the_key_of_the_data_folder_goes_to_no_other_address(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text(KEY)
    for url in ("https://api.example.org", "http://192.0.2.1:8740"):
        with pytest.raises(Unauthorized, match="Set RTSTREAM_API_KEY"):
            await locate(Settings(data_dir=tmp_path, api_url=url))(False)
    with impostor() as other:
        with pytest.raises(Unauthorized):
            await locate(Settings(data_dir=tmp_path, api_url=other.url))(False)
        write_engine_file(tmp_path, other.url, STALE)
        client = RTStreamClient.located_by(locate(Settings(data_dir=tmp_path, api_url=other.url)))
        with pytest.raises(UnprovenEngine):
            await client.info()
        await client.aclose()
        assert not other.knows()
