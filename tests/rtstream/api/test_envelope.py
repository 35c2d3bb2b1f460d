"""Requests are parsed, or refused in a sentence, and responses have one envelope."""

from __future__ import annotations

import httpx
import pytest

from tests.rtstream.api.test_app import refusal

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "label is missing."),
        (b"{", "The request body is not JSON: EOF while parsing an object at line 1 column 1."),
        (b"[]", "The request body must be a JSON object."),
        (b'"text"', "The request body must be a JSON object."),
        (b"null", "The request body must be a JSON object."),
        (b"\xff\xfe", "The request body is not JSON: expected value at line 1 column 1."),
        (b'{"event_prompt": NaN}', "The request body is not JSON: expected value at line 1 column 18."),
        (b'{"event_prompt": "a", "label": ""}', "label: String should have at least 1 character."),
        (b'{"event_prompt": "a", "label": 5}', "label: Input should be a valid string."),
        (b'{"event_prompt": "a", "label": null}', "label is missing."),
    ],
)
async def test_a_bad_body_gets_one_clear_sentence(api: httpx.AsyncClient, body: bytes, message: str) -> None:
    assert refusal(await api.post("/rtstream/event", content=body), 400) == message


async def test_deep_json_and_lone_surrogates_are_refused(api: httpx.AsyncClient) -> None:
    deep = b'{"a":' * 100_000
    assert "recursion limit" in refusal(await api.post("/rtstream/event", content=deep), 400)
    lone = rb'{"event_prompt": "\ud800", "label": "a"}'
    assert "not JSON" in refusal(await api.post("/rtstream/event", content=lone), 400)


async def test_a_body_over_a_mebibyte_is_refused_also_when_it_comes_in_chunks(api: httpx.AsyncClient) -> None:
    too_much = b'{"event_prompt": "' + b"a" * 1024 * 1024 + b'"}'

    async def chunks():
        for begin in range(0, len(too_much), 65536):
            yield too_much[begin : begin + 65536]

    message = "The request body is over 1024 KiB. Send less."
    assert refusal(await api.post("/rtstream/event", content=too_much), 413) == message
    assert refusal(await api.post("/rtstream/event", content=chunks()), 413) == message


async def test_the_value_of_a_wrong_field_is_not_repeated(api: httpx.AsyncClient) -> None:
    answer = await api.post("/rtstream", json={"url": ["rtsp://user:secret@cam"], "name": "a"})
    assert "secret" not in answer.text
    assert refusal(answer, 400) == "url: Input should be a valid string."
