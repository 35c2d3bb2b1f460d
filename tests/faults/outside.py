"""The services around an engine, on loopback: a vision model, a speech model and a receiver of webhooks.

Both models really read what they are sent. The vision model returns the numbers of the frames in the pictures, and the
speech model the number of the sentence in the audio.
"""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import wave
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from rtstream.testsource import read_barcode, read_sentence
from tests.modelserver import chat_completion

MARK_EVERY = 3
"""Every third window of 20 frames has the word ``marked`` in its description."""
_PICTURE = re.compile(r'"url":\s*"data:image/jpeg;base64,([A-Za-z0-9+/=]+)"')


class Outside:
    """The state of the services.

    Attributes:
        url: URL of the models.
        webhooks: Number of times that each ``webhook-id`` was received.
        bodies: The bodies of each ``webhook-id``, without repetition.
        pictures: Number of pictures that the vision model was shown.
        refuse_every: Every n-th new webhook is received, but not confirmed. 0: all are confirmed.
    """

    def __init__(self, refuse_every: int = 7) -> None:
        self.url = ""
        self.webhooks: Counter[str] = Counter()
        self.bodies: dict[str, set[str]] = {}
        self.pictures = 0
        self.refuse_every = refuse_every
        self._lock = threading.Lock()

    def see(self, body: str) -> str:
        """Describe the pictures in a request of the chat completions API."""
        numbers = []
        for encoded in _PICTURE.findall(body):
            with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
                numbers.append(read_barcode(np.asarray(picture.convert("L"))))
        with self._lock:
            self.pictures += len(numbers)
        return description(numbers)

    def hear(self, body: bytes) -> str:
        """Transcribe the audio file in a multipart request."""
        begin = body.index(b"RIFF")
        with wave.open(io.BytesIO(body[begin:])) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            try:
                return f"sentence {read_sentence(samples, file.getframerate())}"
            except ValueError:
                return "noise"

    def receive(self, webhook_id: str, body: str) -> bool:
        """Note a webhook. Returns whether it is confirmed."""
        with self._lock:
            first = webhook_id not in self.webhooks
            self.webhooks[webhook_id] += 1
            self.bodies.setdefault(webhook_id, set()).add(body)
            return not (first and self.refuse_every and len(self.webhooks) % self.refuse_every == 0)


def description(numbers: list[int]) -> str:
    """The text of a scene that shows these frames."""
    marked = bool(numbers) and numbers[0] // 20 % MARK_EVERY == 0
    return f"frames {','.join(map(str, numbers))}{' marked' if marked else ''}"


@contextmanager
def outside(refuse_every: int = 7) -> Iterator[Outside]:
    """Run the services until the end of the block."""
    state = Outside(refuse_every)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            if len(raw) < int(self.headers["content-length"]):
                self.close_connection = True  # the engine was killed while it sent
            elif self.path.endswith("/chat/completions"):
                self._respond(200, chat_completion(state.see(raw.decode())))
            elif self.path.endswith("/audio/transcriptions"):
                self._respond(200, json.dumps({"text": state.hear(raw)}))
            elif state.receive(self.headers["webhook-id"], raw.decode()):
                self._respond(200, "{}")
            else:
                self.close_connection = True  # the sender cannot know that it was received

        def _respond(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None: ...

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # the engine was killed

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
