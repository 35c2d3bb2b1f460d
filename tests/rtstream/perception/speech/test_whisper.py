"""faster-whisper in its child process, with a real (tiny, untrained) model."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.config import EngineConfig
from rtstream.perception import registry
from rtstream.perception.protocols import ProviderError
from rtstream.perception.speech.whisper import FasterWhisper, is_folder
from tests.rtstream.perception.speech.sounds import hear, noise, pcm, reading, silence
from tests.rtstream.perception.speech.tiny_whisper import write

pytestmark = pytest.mark.anyio


async def test_a_model_in_a_folder_hears_utterances_and_silence_gives_no_text(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason='needs the extra "whisper"')
    folder = write(tmp_path / "model")
    provider = registry.speech(f"whisper:{folder}", EngineConfig(speech_engine=f"whisper:{folder}"))
    assert provider.name == f"faster-whisper:{folder}"
    try:
        assert await hear(provider, pcm(silence(4), noise(8))) == []
        heard = await hear(provider, pcm(silence(1), reading(5), silence(1)), language="en-GB")
    finally:
        await provider.aclose()
    assert heard
    for said in heard:
        assert said.is_final
        assert said.text
        # The model says nonsense, and its own figures show it.
        assert said.low_confidence
        assert said.confidence is not None
        assert said.confidence < 0.5
        assert 1.0 <= said.start <= said.end <= 7.0
        assert all(1.0 <= word["start"] <= word["end"] <= 7.0 for word in said.words)


async def test_what_is_no_model_is_explained(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason='needs the extra "whisper"')
    with pytest.raises(ProviderError, match=r"no CTranslate2 model \(model.bin\)"):
        FasterWhisper(str(tmp_path)).ready()
    (tmp_path / "model.bin").write_bytes(b"not a model")
    provider = FasterWhisper(str(tmp_path))
    try:
        with pytest.raises(ProviderError, match="could not use the model"):
            await provider.open()
    finally:
        await provider.aclose()
    with pytest.raises(ProviderError, match="English only"):
        FasterWhisper("tiny.en").ready("de")


def test_a_folder_is_chosen_by_the_settings_only(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="only be set with RTSTREAM_SPEECH_ENGINE"):
        registry.speech(f"faster-whisper:{tmp_path}", EngineConfig(allow_models=f"faster-whisper:{tmp_path}"))
    assert (
        registry.speech("faster-whisper", EngineConfig(speech_engine="faster-whisper")).name == "faster-whisper:small"
    )


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("small", False),
        ("Systran/faster-whisper-small", False),
        ("/models/tiny", True),
        ("./tiny", True),
        ("~/m", True),
    ],
)
def test_paths_and_names_are_told_apart(model: str, folder: bool) -> None:
    assert is_folder(model) is folder
