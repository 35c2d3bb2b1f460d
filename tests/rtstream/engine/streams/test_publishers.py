"""Publishers are told where to send, and settings that cannot work are refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest

from rtstream.engine.streams.publishers import Publishers
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.ipc.sockets import SUPPORTED

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not SUPPORTED, reason="publishers are accepted on Linux only")]
BASE = "http://127.0.0.1:1"


async def names() -> dict[str, str]:
    return {}


def started(setting: str, tasks: anyio.abc.TaskGroup, folder: Path = Path("/x")) -> Publishers:
    found = Publishers(setting, folder, names)
    found.start(tasks, "sk-key")
    return found


@pytest.fixture
def ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some program of this name."""
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/true")


async def test_a_listener_on_all_addresses_is_named_as_the_engine_is(ffmpeg: None) -> None:
    async with anyio.create_task_group() as tasks:
        checked = started("rtmp://0.0.0.0:0,rtmp://[::]:0,srt://0.0.0.0:0,srt://[::]:0", tasks)
        urls = checked.urls("obs", "https://cams.example:8740/x")
        assert [url.partition(":/")[0] for url in urls] == ["rtmp", "rtmp", "srt", "srt"]
        assert {urlsplit(url).hostname for url in urls} == {"cams.example"}
        tasks.cancel_scope.cancel()


async def test_an_srt_url_has_the_stream_key_and_a_passphrase(ffmpeg: None) -> None:
    async with anyio.create_task_group() as tasks:
        checked = started("rtmp://127.0.0.1:0,srt://127.0.0.1:0", tasks)
        rtmp, srt = checked.urls("obs", BASE)
        found = parse_qs(urlsplit(srt).query)
        assert found["streamid"] == [rtmp.rpartition("/")[2]]
        assert 10 <= len(found["passphrase"][0]) <= 79
        assert found["passphrase"] != found["streamid"]
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("scheme", ["rtmp", "srt"])
async def test_an_address_in_use_is_named(scheme: str, ffmpeg: None) -> None:
    async with anyio.create_task_group() as tasks:
        port = urlsplit(started(f"{scheme}://127.0.0.1:0", tasks).urls("obs", BASE)[0]).port
        with pytest.raises(Unavailable, match=f"port {port}.*RTSTREAM_LISTEN"):
            started(f"{scheme}://127.0.0.1:{port}", tasks)
        tasks.cancel_scope.cancel()


async def test_a_setting_that_cannot_work_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match="--listen"):
        Publishers("", tmp_path, names).check()
    with pytest.raises(InvalidRequest, match="Linux"):
        Publishers("rtmp://127.0.0.1", None, names)
    monkeypatch.setenv("PATH", "")
    async with anyio.create_task_group() as tasks:
        with pytest.raises(Unavailable, match="ffmpeg"):
            started("srt://127.0.0.1:0", tasks)
