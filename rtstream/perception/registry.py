"""Which provider a model name means. The one place where names become models."""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.perception.local.language import LocalLanguage
from rtstream.perception.local.speech import LocalSpeech
from rtstream.perception.local.vision import LocalVision, can_read_text
from rtstream.perception.models.language import ModelLanguage
from rtstream.perception.models.names import LOCAL, Role, choose
from rtstream.perception.models.vision import ModelVision
from rtstream.perception.protocols import LanguageProvider, ProviderError, SpeechProvider, VisionProvider


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
    """The provider that turns sound into text; the caller closes it. Raises ProviderError."""
    if (name or "").strip() in ("", LOCAL):
        return LocalSpeech()
    raise ProviderError("This speech engine is not supported; leave it out for the embedded default.", permanent=True)


def screen_text(config: EngineConfig) -> bool:
    """The embedded provider can read text on screen."""
    return config.local_vision and can_read_text()
