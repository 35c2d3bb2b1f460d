"""The tracks of a source are shown, and another choice is recorded from then on."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from tests.rtstream.recorder.recorder_sources import served_folder
from tests.rtstream.recorder.test_source_choice import variants
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
KEY = "sk-key-of-the-track-tests"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
async def test_the_choice_of_tracks_is_shown_and_can_be_changed(tmp_path: Path) -> None:
    variants(tmp_path, (160, 320), True)
    settings = {"data_dir": tmp_path / "data", "api_key": KEY, "allow_networks": "loopback", "local_vision": False}
    with served_folder(tmp_path) as base:
        async with Engine(EngineConfig(**settings, min_free_gb=0)) as engine:  # pyright: ignore[reportArgumentType]
            transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
            headers = {"x-access-token": KEY}
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as api:
                wish = {"url": f"{base}/all.m3u8", "name": "channel", "store": True}
                refused = await api.post("/rtstream", json={**wish, "tracks": "everything"})
                assert refused.status_code == 400
                assert "ids of tracks" in refused.json()["message"]
                stream = (await api.post("/rtstream", json=wish)).json()["data"]
                listed = [(track["id"], track["height"], track["chosen"]) for track in stream["media"]["tracks"]]
                assert listed == [("v1", 90, None), ("v2", 180, True)]
                path = f"/rtstream/{stream['id']}"
                assert (await api.patch(path, json={"tracks": "100p"})).json()["data"]["tracks"] == "100p"

                async def is_low() -> bool:
                    media = (await api.get(path)).json()["data"]["media"]
                    return media["height"] == 90 and media["tracks"][0]["chosen"] is True

                await eventually(is_low)
                assert (await api.patch(path, json={"tracks": ""})).json()["data"]["tracks"] is None
