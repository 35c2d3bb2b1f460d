"""Maps model names to providers. No other module does this."""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.perception import model_policy
from rtstream.perception.embeddings import providers as embedding
from rtstream.perception.language.local import LocalLanguage
from rtstream.perception.language.model import ModelLanguage
from rtstream.perception.llm.names import LOCAL, OPENAI_COMPATIBLE, Role, target
from rtstream.perception.protocols import (
    EmbeddingProvider,
    LanguageProvider,
    ProviderError,
    SpeechProvider,
    VisionProvider,
)
from rtstream.perception.speech import pronunciations as speech_dictionary
from rtstream.perception.speech.assemblyai import AssemblyAI
from rtstream.perception.speech.local import LocalSpeech
from rtstream.perception.speech.server import ServerSpeech
from rtstream.perception.speech.whisper import FasterWhisper, is_folder
from rtstream.perception.vision.local import LocalVision, can_read_text
from rtstream.perception.vision.model import ModelVision
from rtstream.rules.sounds import Dictionary

NO_EMBEDDINGS = "none"


def resolve(name: str | None, config: EngineConfig, role: Role = "vision") -> str:
    """Return the model that a name stands for: ``local`` or ``provider:model``. None stands for the default.

    Raises:
        ProviderError: The name is invalid.
    """
    return model_policy.model(name, config, role).name


def vision(name: str | None, config: EngineConfig) -> VisionProvider:
    """Return the provider that describes pictures. The caller closes it. Raises ProviderError."""
    resolved = resolve(name, config)
    return LocalVision(read_text=config.local_vision) if resolved == LOCAL else ModelVision(resolved, config)


def language(name: str | None, config: EngineConfig) -> LanguageProvider:
    """Return the provider that summarises text and decides events. The caller closes it. Raises ProviderError."""
    resolved = resolve(name, config, "language")
    return LocalLanguage() if resolved == LOCAL else ModelLanguage(resolved, config)


def speech(name: str | None, config: EngineConfig) -> SpeechProvider:
    """Return the provider that transcribes audio. The caller closes it.

    Args:
        name: ``local``, ``faster-whisper:<model or folder>``, ``assemblyai`` or ``<provider>:<model>``, where the
            provider's server implements OpenAI's transcription call.
        config: The engine's settings.

    Raises:
        ProviderError: The engine is not supported.
    """
    name = model_policy.speech(name, config).name.strip()
    engine, _, model = name.partition(":")
    engine = engine.strip().lower()
    if engine in ("", LOCAL) and not model:
        return LocalSpeech()
    if engine in ("faster-whisper", "whisper"):
        if is_folder(model) and model != config.speech_engine.partition(":")[2]:
            raise ProviderError(
                "A model folder can only be set with RTSTREAM_SPEECH_ENGINE. Choose an engine by name.", permanent=True
            )
        return FasterWhisper(model.strip())
    if engine == "assemblyai":
        return AssemblyAI(model.strip())
    if model.strip() and target(config, "speech", name).provider in OPENAI_COMPATIBLE:
        return ServerSpeech(target(config, "speech", name))
    raise ProviderError(
        "This speech engine is not supported. Use local, faster-whisper:<model>, openai:<model> (or another server "
        "with OpenAI's transcription call) or assemblyai.",
        permanent=True,
    )


def embeddings(config: EngineConfig) -> EmbeddingProvider | None:
    """Return the provider for search by meaning, or None if search uses words only. The caller closes it.

    Raises:
        ProviderError: The configured provider does not offer OpenAI's embeddings call.
    """
    name = config.embedding_model
    if name in ("", LOCAL):
        return embedding.local(config.data_dir)
    if name == NO_EMBEDDINGS:
        return None
    server = target(config, "embedding", name)
    if server.provider not in OPENAI_COMPATIBLE:
        raise ProviderError(
            f"Embeddings are available from {', '.join(sorted(OPENAI_COMPATIBLE))} and the built-in model. Choose one "
            "of them with RTSTREAM_EMBEDDING_MODEL.",
            permanent=True,
        )
    return embedding.ServerEmbeddings(name, server.model, server.base_url or embedding.OPENAI, server.api_key)


def screen_text(config: EngineConfig) -> bool:
    """Return whether the built-in provider can read text on screen."""
    return config.local_vision and can_read_text()


def pronunciations() -> Dictionary | None:
    """Return the dictionary of English pronunciations, or None if the built-in speech engine is not installed."""
    found = speech_dictionary.installed()
    return None if found is None else found.sounds
