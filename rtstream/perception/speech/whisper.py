"""Runs faster-whisper in a child process, with any of its models by name or from a local folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from rtstream.perception import telemetry
from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError, SpeechSession, Utterance
from rtstream.perception.speech.confidence import is_silence, is_unreliable

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = logging.getLogger(__name__)

DEFAULT_MODEL = "small"
RATE = 16_000  # Hz
LOAD_TIMEOUT_S = 900.0
"""Includes the download of a named model on first use."""
TIMEOUT_S = 120.0


class FasterWhisper:
    """SpeechProvider ``faster-whisper:<model>``. Its sessions share one child process, one utterance at a time."""

    def __init__(self, model: str = "") -> None:
        self._model = model or DEFAULT_MODEL
        self.name = f"faster-whisper:{self._model}"
        self._child = ChildProcess("faster-whisper", _load, (self._model,))

    def ready(self, language: str | None = None) -> None:
        """Check the package, the model folder and the language.

        Raises:
            ProviderError: The extra ``whisper`` is missing, the folder contains no model, or the model does not
                support the language.
        """
        if find_spec("faster_whisper") is None:
            raise ProviderError(
                'faster-whisper requires the extra "whisper" (pip install "rtstream-mcp[whisper]").', permanent=True
            )
        if is_folder(self._model) and not (Path(self._model).expanduser() / "model.bin").is_file():
            raise ProviderError(
                "The folder given for faster-whisper contains no CTranslate2 model (model.bin).", permanent=True
            )
        if self._model.endswith(".en") and _short(language) not in (None, "en"):
            raise ProviderError(f"The model {self._model} supports English only. Choose one without '.en'.")

    async def open(self, *, language: str | None = None) -> SpeechSession:
        """Load the model and start a live transcription. Raises ProviderError."""
        from rtstream.perception.speech.segments import SpeechSegment
        from rtstream.perception.speech.session import SegmentedSession

        self.ready(language)
        await self._run(_loaded, timeout_s=LOAD_TIMEOUT_S)

        async def recognise(segment: SpeechSegment) -> Sequence[Utterance]:
            return await self._run(_recognise, segment.samples, _short(language), timeout_s=TIMEOUT_S)

        return SegmentedSession(recognise)

    async def _run(self, function: Callable[[*Ts], T], *args: *Ts, timeout_s: float) -> T:
        try:
            return await self._child.run(function, *args, timeout_s=timeout_s)
        except ProviderError:
            raise
        except Exception as exc:  # edge of another process, whose libraries may raise anything
            log.exception("faster-whisper failed")
            raise ProviderError(
                f"faster-whisper could not use the model {self._model} ({type(exc).__name__}). Check its name, and "
                "whether it can be downloaded. The engine's log has details.",
                retry_after_s=30.0,
            ) from exc

    async def aclose(self) -> None:
        """End the child process."""
        await self._child.aclose()


def is_folder(model: str) -> bool:
    """Return whether a model is given as a path.

    Names on the model hub contain one slash and no other sign of a path.
    """
    return model.startswith(("/", ".", "~")) or "\\" in model or model.count("/") > 1


def _short(language: str | None) -> str | None:
    return language.replace("_", "-").split("-")[0].lower() if language else None


_model: WhisperModel | None = None  # set in the child process only


def _load(name: str) -> None:
    global _model
    telemetry.disable()  # its voice activity detection runs on onnxruntime
    from faster_whisper import WhisperModel

    where = str(Path(name).expanduser()) if is_folder(name) else name
    _model = WhisperModel(where, device="auto", compute_type="int8")


def _loaded() -> bool:
    return _model is not None


def _recognise(samples: bytes, language: str | None) -> list[Utterance]:
    import numpy as np

    audio = np.frombuffer(samples, "<i2").astype(np.float32) / 32768
    assert _model is not None
    # With a single temperature and no previous text, the time per utterance stays bounded and errors do not propagate.
    segments, _ = _model.transcribe(
        audio,
        language=language,
        beam_size=1,
        temperature=0.0,
        condition_on_previous_text=False,
        word_timestamps=True,
        vad_filter=True,
    )
    seconds = len(audio) / RATE
    return [
        Utterance(
            start=float(part.start),
            end=min(seconds, float(part.end)),
            text=part.text.strip(),
            is_final=True,
            confidence=round(math.exp(min(0.0, part.avg_logprob)), 3),
            low_confidence=is_unreliable(part.avg_logprob, part.no_speech_prob, part.compression_ratio),
            words=[
                {
                    "word": word.word.strip(),
                    "start": float(word.start),
                    "end": min(seconds, float(word.end)),
                    "confidence": round(float(word.probability), 3),
                }
                for word in part.words or ()
            ],
        )
        for part in segments
        # A model that has lost track returns times beyond the end.
        if part.text.strip() and part.start < seconds and not is_silence(part.avg_logprob, part.no_speech_prob)
    ]
