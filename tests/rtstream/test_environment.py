"""The environment of the program: its proxies receive no request to this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest

from rtstream.config import EngineConfig
from rtstream.environment import LOOPBACK, exempt_loopback
from rtstream.perception.embeddings.providers import ServerEmbeddings
from rtstream.perception.llm.chat import Chat
from rtstream.perception.protocols import ProviderError
from tests.modelserver import model_server

ROOT = Path(__file__).parents[2]
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


class Proxy:
    """A proxy that counts connections and closes them."""

    def __init__(self) -> None:
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that every variable of the environment names."""
    running = Proxy()
    for name in PROXIES:
        monkeypatch.setenv(name, running.url)
    for name in ("NO_PROXY", "no_proxy"):  # restored after the test
        monkeypatch.setenv(name, "")
    yield running
    running.close()


@pytest.mark.anyio
async def test_pictures_and_words_for_a_model_on_this_machine_pass_no_proxy(proxy: Proxy, tmp_path: Path) -> None:
    exempt_loopback()
    async with model_server() as server:
        server.says("A door.")
        config = EngineConfig(data_dir=tmp_path, vision_base_url=server.url, model_timeout_s=5)
        for name in ("ollama:small", "vllm:small"):
            chat = Chat(name, config, "vision")
            assert (await chat.ask("Describe it.", ["A picture", b"\xff\xd8"])).text == "A door."
            await chat.aclose()
        embeddings = ServerEmbeddings("small", "small", server.url)
        with pytest.raises(ProviderError):  # a chat completion contains no vectors
            await embeddings.embed(["words"])
        await embeddings.aclose()
        assert len(server.calls) == 3
    assert proxy.connections == 0


@pytest.mark.parametrize("host", LOOPBACK)
def test_common_libraries_reach_this_machine_directly_and_others_through_the_proxy(host: str, proxy: Proxy) -> None:
    exempt_loopback()
    named = f"[{host}]" if ":" in host else host
    for fetch in (lambda url: urlopen(url, timeout=5), lambda url: httpx.get(url, timeout=5)):
        with pytest.raises((OSError, httpx.HTTPError)):
            fetch(f"http://{named}:9/")
    assert proxy.connections == 0
    with pytest.raises(httpx.HTTPError):
        httpx.get("http://camera.example/", timeout=5)
    assert proxy.connections == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "localhost,127.0.0.1,::1"),
        ("intranet.example, 127.0.0.1", "intranet.example,127.0.0.1,localhost,::1"),
        ("*", "*"),
    ],
)
def test_hosts_that_the_user_exempted_remain(before: str, after: str) -> None:
    code = "import os, server.__main__ as main; main.main(['x']); print(os.environ['NO_PROXY'], os.environ['no_proxy'])"
    env = {"PATH": "/usr/bin:/bin", "NO_PROXY": before, **({"no_proxy": "*"} if before == "*" else {})}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [after, after]
