"""Settings of the engine that name models and servers are checked."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rtstream.config import EngineConfig


@pytest.mark.parametrize("setting", ["vision_model", "language_model", "model_mini", "model_ultra", "embedding_model"])
def test_a_model_is_named_by_its_provider(setting: str) -> None:
    for name in ("", "local", " openai:gpt-6-luna ", "ollama:gemma3:4b"):
        assert getattr(EngineConfig.model_validate({setting: name}), setting) == name.strip()
    for name in ("gpt-6-luna", "openai:", ":gpt", " : "):
        with pytest.raises(ValidationError, match="provider:model"):
            EngineConfig.model_validate({setting: name})


def test_only_the_embeddings_model_may_be_none() -> None:
    assert EngineConfig(embedding_model=" none ").embedding_model == "none"
    with pytest.raises(ValidationError):
        EngineConfig(vision_model="none")


@pytest.mark.parametrize("setting", ["model_base_url", "vision_base_url", "speech_base_url", "embedding_base_url"])
def test_a_model_server_has_an_http_url(setting: str) -> None:
    assert getattr(EngineConfig.model_validate({setting: " https://h/v1 "}), setting) == "https://h/v1"
    with pytest.raises(ValidationError, match="http://"):
        EngineConfig.model_validate({setting: "h:11434/v1"})


def test_a_printout_does_not_show_the_key_of_models() -> None:
    assert "sk-secret" not in repr(EngineConfig(model_api_key="sk-secret"))
