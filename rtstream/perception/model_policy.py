"""The models and speech engines that a request may name: those of the settings, the installed local ones, and tiers.

Any other model stands for the default, with a note for the user. It is never loaded, downloaded or called.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from rtstream.config import EngineConfig
from rtstream.perception.llm.names import LOCAL, OPENAI_COMPATIBLE, TIERS, Role, choose, provider_name, tiers
from rtstream.perception.speech import assemblyai, whisper
from rtstream.rules.text_safety import clean

SETTING = "RTSTREAM_ALLOW_MODELS"
MAX_SHOWN = 80  # characters of a refused name
_WHISPER = ("faster-whisper", "whisper")
_ASSEMBLYAI = ("assemblyai", "aais")


@dataclass(frozen=True)
class Choice:
    """The model used for a request. ``note`` is set if it is not the requested one."""

    name: str
    note: str = ""


def model(name: str | None, config: EngineConfig, role: Role = "vision") -> Choice:
    """Return the model for a requested name: a tier, ``local``, ``provider:model``, or None for the default."""
    name = (name or "").strip()
    if not name or name == LOCAL or name in TIERS:
        return Choice(choose(config, role, name))
    wanted = _model_key(name)
    settings = (config.vision_model, config.language_model, *tiers(config).values(), *_listed(config))
    if any(wanted == _model_key(allowed) for allowed in settings if allowed):
        return Choice(choose(config, role, name))
    default = choose(config, role)
    return Choice(default, _note("model", name, default))


def speech(name: str | None, config: EngineConfig) -> Choice:
    """Return the speech engine for a requested name; an empty one and ``default`` mean the engine of the settings.

    The published API's ``assemblyai`` and ``AAIS`` mean AssemblyAI when its key is set, else the default.
    """
    name = (name or "").strip()
    default = config.speech_engine or LOCAL
    if name.lower() in ("", "default"):
        return Choice(default)
    if name.lower() in _ASSEMBLYAI:
        if os.environ.get(assemblyai.KEY):
            return Choice("assemblyai")
        note = "" if _speech_key(default) == _speech_key("assemblyai") else _note("speech engine", name, default)
        return Choice(default, note)
    wanted = _speech_key(name)
    if any(wanted == _speech_key(allowed) for allowed in (LOCAL, default, *_listed(config))):
        return Choice(name)
    if wanted[0] not in (_WHISPER[0], _ASSEMBLYAI[0], *OPENAI_COMPATIBLE):
        return Choice(name)  # no engine at all, which is reported as an error
    return Choice(default, _note("speech engine", name, default))


def engine_name(name: str) -> str:
    """Return the name under which a speech engine stores its records, whether or not it may be used now."""
    engine, model_name = _speech_key(name)
    return f"{engine}:{model_name}" if model_name else engine


def _listed(config: EngineConfig) -> list[str]:
    return [name.strip() for name in config.allow_models.split(",") if name.strip()]


def _model_key(name: str) -> tuple[str, str]:
    provider, _, rest = name.partition(":")
    return provider_name(provider), rest.strip()


def _speech_key(name: str) -> tuple[str, str]:
    engine, _, rest = name.partition(":")
    engine, rest = engine.strip().lower(), rest.strip()
    if engine in _WHISPER:
        return _WHISPER[0], rest or whisper.DEFAULT_MODEL
    if engine in _ASSEMBLYAI:
        return _ASSEMBLYAI[0], rest
    return provider_name(engine), rest


def _note(kind: str, name: str, default: str) -> str:
    shown = clean(name, MAX_SHOWN).replace("\n", " ")
    return (
        f"The {kind} '{shown}' is not allowed by the settings, so the default ({default}) is used. The user can allow "
        f"it with {SETTING}."
    )
