"""Tokens of texts and pictures are guessed as the providers document them."""

from __future__ import annotations

import pytest

from rtstream.rules.model_tokens import picture_tokens, text_tokens


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("openai:gpt-4o", (1280, 720), 85 + 170 * 6),
        ("openai:gpt-4o", (512, 512), 85 + 170),
        ("openai:gpt-4o", (2560, 1440), 85 + 170 * 6),
        ("openai:gpt-4.1-mini", (1024, 1024), 1.62 * 1024),
        ("openai:gpt-4.1-mini", (4096, 4096), 1.62 * 1536),
        ("anthropic:claude-haiku-5-5", (750, 500), 500),
        ("anthropic:claude-haiku-5-5", (1920, 1080), 1600),
        ("google:gemini-4-argon", (384, 216), 258),
        ("gemini:gemini-4-argon", (1280, 720), 2 * 258),
        ("other:eye", (512, 512), 85 + 170),
    ],
)
def test_a_picture_has_the_tokens_that_its_provider_documents(model: str, size: tuple[int, int], tokens: float) -> None:
    assert picture_tokens(model, *size) == pytest.approx(tokens)


def test_four_characters_of_text_are_a_token() -> None:
    assert text_tokens(400) == 100
