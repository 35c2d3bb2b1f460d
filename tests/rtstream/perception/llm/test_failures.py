"""A failed call becomes one plain sentence."""

from __future__ import annotations

import pytest

from rtstream.perception.protocols import ProviderError
from rtstream.perception.vision.model import ModelVision
from tests.modelserver import KEY, Answer, ModelServer, failure
from tests.rtstream.perception.vision.test_model import eye, request

__all__ = ["eye"]

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("answer", "words", "permanent", "wait"),
    [
        (Answer(failure("slow down"), 429, {"retry-after": "7"}), "rate limit", False, 7.0),
        (Answer(failure("no credit", "insufficient_quota"), 429), "credit or quota", True, None),
        (Answer(failure("boom"), 500), "HTTP 500", False, None),
        (Answer(failure("later"), 503, {"retry-after": "2"}), "failed with a server error", False, 2.0),
        (Answer("<html>Bad gateway</html>", 502, {"content-type": "text/html"}), "HTTP 502", False, None),
        (Answer(failure(f"Incorrect API key: {KEY}"), 401), "RTSTREAM_MODEL_API_KEY", True, None),
        (Answer(failure(f"no {KEY}"), 403), "rejected the key", True, None),
        (Answer(failure("nope", "model_not_found"), 404), "model eye-1 does not exist at 127.0.0.1", True, None),
        (Answer(failure("this model takes no images, stranger's words"), 400), "rejected the request", True, None),
        (Answer("Hello, I am not JSON", 200), "unreadable response|dropped the connection", False, None),
        (Answer("I am plain text", 200, {"content-type": "text/plain"}), "unreadable response", False, None),
        (Answer("{}", 200), "unreadable response", False, None),
        (Answer('{"choices": []}', 200), "unreadable response", False, None),
        (
            Answer('{"id": "a long body that breaks off in the middle"}', cut=True),
            "dropped the connection",
            False,
            None,
        ),
    ],
)
async def test_a_failure_becomes_one_plain_sentence(
    server: ModelServer, eye: ModelVision, answer: Answer, words: str, permanent: bool, wait: float | None
) -> None:
    server.answers.append(answer)
    with pytest.raises(ProviderError, match=words) as caught:
        await eye.describe(request())
    assert (caught.value.permanent, caught.value.retry_after_s) == (permanent, wait)
    assert len(server.calls) == 1, "the engine retries, not the client"
    assert KEY not in str(caught.value)
    assert KEY not in caught.value.detail  # pyright: ignore
    assert "stranger" not in str(caught.value)
