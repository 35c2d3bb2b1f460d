"""Names of models and engines lead to their providers."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.perception import registry
from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.providers import LocalEmbeddings, ServerEmbeddings
from rtstream.perception.language.local import LocalLanguage
from rtstream.perception.language.model import ModelLanguage
from rtstream.perception.protocols import ProviderError
from rtstream.perception.speech.assemblyai import AssemblyAI
from rtstream.perception.speech.local import LocalSpeech
from rtstream.perception.speech.server import ServerSpeech
from rtstream.perception.speech.whisper import FasterWhisper
from rtstream.perception.vision.local import LocalVision
from rtstream.perception.vision.model import ModelVision


def config(**settings: Any) -> EngineConfig:
    return EngineConfig(model_api_key="sk", **settings)


def test_without_settings_the_built_in_providers_are_used() -> None:
    assert isinstance(registry.vision(None, config()), LocalVision)
    assert isinstance(registry.language(None, config()), LocalLanguage)
    assert isinstance(registry.speech(None, config()), LocalSpeech)


def test_a_configured_model_is_the_default_for_its_role() -> None:
    given = config(vision_model="ollama:gemma3", model_base_url="http://127.0.0.1:1/v1")
    assert registry.resolve(None, given) == registry.resolve(None, given, "language") == "ollama:gemma3"
    assert isinstance(registry.vision(None, given), ModelVision)
    assert isinstance(registry.language(None, given), ModelLanguage)
    assert isinstance(registry.vision("local", given), LocalVision)


@pytest.mark.parametrize(
    ("engine", "kind"),
    [("faster-whisper:small", FasterWhisper), ("assemblyai", AssemblyAI), ("openai:whisper-1", ServerSpeech)],
)
def test_speech_engines_are_known_by_name(engine: str, kind: type) -> None:
    assert isinstance(registry.speech(None, config(speech_engine=engine)), kind)


def test_a_folder_of_a_model_may_only_be_named_by_the_settings(tmp_path: Any) -> None:
    named = f"faster-whisper:{tmp_path}"
    assert isinstance(registry.speech(None, config(speech_engine=named)), FasterWhisper)
    with pytest.raises(ProviderError, match="RTSTREAM_SPEECH_ENGINE"):
        registry.speech(named, config(allow_models=named))


@pytest.mark.parametrize("engine", ["unknown", "anthropic:claude", "local:large"])
def test_another_speech_engine_is_refused_for_good(engine: str) -> None:
    with pytest.raises(ProviderError) as refused:
        registry.speech(None, config(speech_engine=engine))
    assert refused.value.permanent


def test_embeddings_come_from_a_server_the_built_in_model_or_not_at_all(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registry.embeddings(config(embedding_model="none")) is None
    built_in = registry.embeddings(config(data_dir=tmp_path))
    if weights.find(tmp_path) is not None:
        assert isinstance(built_in, LocalEmbeddings)
        assert built_in.name == weights.NAME
    monkeypatch.setattr(weights, "PACKAGE", "a_package_that_is_not_installed")
    assert registry.embeddings(config(data_dir=tmp_path)) is None
    server = registry.embeddings(config(embedding_model="ollama:nomic-embed-text"))
    assert isinstance(server, ServerEmbeddings)
    with pytest.raises(ProviderError, match="RTSTREAM_EMBEDDING_MODEL"):
        registry.embeddings(config(embedding_model="anthropic:claude"))


def test_text_on_screen_is_read_only_where_it_is_wanted() -> None:
    assert not registry.screen_text(config(local_vision=False))
