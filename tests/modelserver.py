"""A model server on loopback that speaks the providers' documented protocols, and what it is asked and answers."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from rtstream.perception.protocols import Picture

KEY = "sk-secret-1234567890abcdef"


@dataclass
class Answer:
    """The reaction of the server to one call."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: bool = False
    """Never answer: wait until the caller gives up."""
    cut: bool = False
    """Break off in the middle of the body."""
    delay_s: float = 0.0
    """Think so long before answering."""


@dataclass
class Call:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = 0.0
    """Unix seconds when it arrived."""

    @property
    def model(self) -> str:
        """The model that was asked."""
        return self.body["model"]

    @property
    def instructions(self) -> str:
        """The system message."""
        return self.body["messages"][0]["content"]

    @property
    def text(self) -> str:
        """The words of the user's message."""
        content = self.body["messages"][1]["content"]
        return content if isinstance(content, str) else content[0]["text"]

    @property
    def pictures(self) -> list[Image.Image]:
        """The pictures of the user's message, really decoded."""
        content = self.body["messages"][1]["content"]
        return [decoded(part["image_url"]["url"]) for part in content if part["type"] == "image_url"]


class ModelServer:
    """Answers calls in order; the last answer again and again."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: deque[Answer] = deque()
        self.reply: Callable[[Call], str | Answer] | None = None
        """Instead of ``answers``: what the model says to a call."""
        self._called = asyncio.Event()
        self.left = asyncio.Event()
        """A caller that was held has gone away."""
        self.open = 0
        """Connections open now."""
        self.idle = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def called(self, times: int = 1, limit_s: float = 10.0) -> None:
        """Wait until the server has received ``times`` calls in all."""
        async with asyncio.timeout(limit_s):
            while len(self.calls) < times:
                self._called.clear()
                await self._called.wait()

    def says(self, text: str, **more: Any) -> None:
        """Answer like chat completions."""
        self.answers.append(Answer(chat_completion(text, **more)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.idle.clear()
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open -= 1
            if self.open == 0:
                self.idle.set()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.calls.append(Call(head[0].split()[1], headers, body, time.time()))
        self._called.set()
        if self.reply is not None:
            said = self.reply(self.calls[-1])
            answer = Answer(chat_completion(said)) if isinstance(said, str) else said
        else:
            answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if answer.hold:
            assert await reader.read(1) == b""
            self.left.set()
            return False
        await asyncio.sleep(answer.delay_s)
        payload = answer.body.encode()
        lines = {"content-type": "application/json", "content-length": str(len(payload)), **answer.headers}
        writer.write(f"HTTP/1.1 {answer.status} X\r\n".encode())
        writer.write("".join(f"{key}: {value}\r\n" for key, value in lines.items()).encode() + b"\r\n")
        writer.write(payload[: len(payload) // 2] if answer.cut else payload)
        await writer.drain()
        return not answer.cut


def chat_completion(text: str, *, finish: str = "stop", tokens: tuple[int, int] = (11, 7)) -> str:
    """A body as in OpenAI's reference of POST /chat/completions."""
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "eye-1",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": finish,
                    "logprobs": None,
                }
            ],
            "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
        }
    )


def tool_call(name: str, arguments: dict[str, Any], call_id: str) -> str:
    """A body in which the model calls a tool."""
    body = json.loads(chat_completion("", finish="tool_calls"))
    function = {"name": name, "arguments": json.dumps(arguments)}
    calls = [{"id": call_id, "type": "function", "function": function}]
    body["choices"][0]["message"] |= {"content": None, "tool_calls": calls}
    return json.dumps(body)


def failure(message: str, code: str | None = None) -> str:
    """An error body as OpenAI writes it."""
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}})


def picture(at: float, colour: tuple[int, int, int] = (20, 40, 200), size: tuple[int, int] = (64, 48)) -> Picture:
    """A picture of one colour, as a real JPEG."""
    jpeg = io.BytesIO()
    Image.new("RGB", size, colour).save(jpeg, "JPEG")
    return Picture(at, jpeg.getvalue(), *size)


def decoded(data_url: str) -> Image.Image:
    """The picture in a data URL, really decoded."""
    head, _, payload = data_url.partition(",")
    assert head == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(payload, validate=True)))
    image.load()
    return image


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    """A model server on a free port."""
    model = ModelServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(model.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    model.port = listening.sockets[0].getsockname()[1]
    try:
        yield model
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


def forget_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test sees only the keys and addresses it sets itself."""
    providers = ("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "OLLAMA_", "VLLM_", "LMSTUDIO_", "LLAMACPP_")
    for name in list(os.environ):
        if name.startswith(providers) or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
