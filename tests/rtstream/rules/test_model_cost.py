"""Models that may cost money are told from free ones by their names."""

from __future__ import annotations

import pytest

from rtstream.perception.llm import names
from rtstream.rules.model_cost import OWN, is_paid


@pytest.mark.parametrize(
    "name",
    [
        *("openai:gpt-6-luna", "anthropic:claude-haiku-5-5", "google:gemini-4-argon", "gemini:gemini-4-argon"),
        *("openai:whisper-1", "assemblyai", "assemblyai:best", "AAIS", "mistral:large", " OpenAI:x"),
    ],
)
def test_models_of_other_companies_may_cost_money(name: str) -> None:
    assert is_paid(name)


@pytest.mark.parametrize(
    "name", ["", "local", "none", "whisper", "faster-whisper:small", "ollama:gemma", "LM-Studio:x", "minilm-l6-v2"]
)
def test_built_in_and_self_hosted_models_are_free(name: str) -> None:
    assert not is_paid(name)


def test_every_spelling_of_a_self_hosted_server_is_free() -> None:
    servers = names.OPENAI_COMPATIBLE - {"openai"}
    spellings = {spelling for spelling, name in names._SPELLINGS.items() if name in servers}
    assert servers | spellings <= OWN
