"""Which provider a model name means. The one place where names become models."""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.perception.embeddings import providers as embedding
from rtstream.perception.language.local import LocalLanguage
from rtstream.perception.language.model import ModelLanguage
from rtstream.perception.llm.names import LOCAL, OPENAI_COMPATIBLE, Role, choose, target
from rtstream.perception.protocols import (
    EmbeddingProvider,
    LanguageProvider,
    ProviderError,
    SpeechProvider,
    VisionProvider,
)
from rtstream.perception.speech.assemblyai import AssemblyAI
from rtstream.perception.speech.local import LocalSpeech
from rtstream.perception.speech.server import ServerSpeech
from rtstream.perception.speech.whisper import FasterWhisper, is_folder
from rtstream.perception.vision.local import LocalVision, can_read_text
from rtstream.perception.vision.model import ModelVision

NO_EMBEDDINGS = "none"


def resolve(name: str | None, config: EngineConfig, role: Role = "vision") -> str:
    """The model a name means: ``local`` or ``provider:model``; None is the default. Raises ProviderError."""
    return choose(config, role, name)


def vision(name: str | None, config: EngineConfig) -> VisionProvider:
    """The provider that describes pictures; the caller closes it. Raises ProviderError."""
    resolved = resolve(name, config)
    return LocalVision(read_text=config.local_vision) if resolved == LOCAL else ModelVision(resolved, config)


def language(name: str | None, config: EngineConfig) -> LanguageProvider:
    """The provider that summarises and decides events; the caller closes it. Raises ProviderError."""
    resolved = resolve(name, config, "language")
    return LocalLanguage() if resolved == LOCAL else ModelLanguage(resolved, config)


def speech(name: str | None, config: EngineConfig) -> SpeechProvider:
    """The provider that turns sound into text; the caller closes it. Raises ProviderError.

    Names: ``local``, ``faster-whisper:<model or folder>``, ``assemblyai``, ``<provider>:<model>`` of a server with the
    OpenAI call.
    """
    name = (name or "").strip()
    engine, _, model = name.partition(":")
    engine = engine.strip().lower()
    if engine in ("", LOCAL) and not model:
        return LocalSpeech()
    if engine in ("faster-whisper", "whisper"):
        if is_folder(model) and model != config.speech_engine.partition(":")[2]:
            raise ProviderError("A model in a folder is chosen with RTSTREAM_SPEECH_ENGINE only.", permanent=True)
        return FasterWhisper(model.strip())
    if engine == "assemblyai":
        return AssemblyAI(model.strip())
    if model.strip() and target(config, "speech", name).provider in OPENAI_COMPATIBLE:
        return ServerSpeech(target(config, "speech", name))
    raise ProviderError(
        "This speech engine is not supported. There are: local, faster-whisper:<model>, openai:<model> (or another "
        "server with OpenAI's transcription call), assemblyai.",
        permanent=True,
    )


def embeddings(config: EngineConfig) -> EmbeddingProvider | None:
    """The provider of search by meaning; the caller closes it. None: there is none, search goes by words only.

    Raises ProviderError for a provider whose servers do not speak OpenAI's embeddings call.
    """
    name = config.embedding_model
    if name in ("", LOCAL):
        return embedding.local(config.data_dir)
    if name == NO_EMBEDDINGS:
        return None
    server = target(config, "embedding", name)
    if server.provider not in OPENAI_COMPATIBLE:
        raise ProviderError(
            f"Embeddings come from {', '.join(sorted(OPENAI_COMPATIBLE))} or the embedded model; choose one of them "
            "with RTSTREAM_EMBEDDING_MODEL.",
            permanent=True,
        )
    return embedding.ServerEmbeddings(name, server.model, server.base_url or embedding.OPENAI, server.api_key)


def screen_text(config: EngineConfig) -> bool:
    """The embedded provider can read text on screen."""
    return config.local_vision and can_read_text()
