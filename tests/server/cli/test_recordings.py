"""``rtstream-mcp recordings``: files and times for a person."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from server.__main__ import main
from tests.rtstream.recorder.test_writer import picture_file, record, segments_of

STREAM = "rts-0123456789abcdef"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    source = picture_file(tmp_path / "eight.mkv", [n * 100 for n in range(80)], 10)
    folder = tmp_path / "data" / "media" / STREAM
    folder.mkdir(parents=True)
    assert segments_of(record(source, folder, segment_s=2.0))
    return tmp_path / "data"


def test_the_list_shows_dates_stream_and_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recordings", "list", "--data-dir", str(data)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    (file,) = data.glob("media/*/*/*.m4s")
    assert str(file) in line
    assert f"Door ({STREAM})" in line
    shown = datetime.fromisoformat(line[:19])
    assert main(["recordings", "list", "--json", "--stream", "Door", "--data-dir", str(data)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["path"] == str(file)
    assert shown.timestamp() == int(found["start"])
    assert main(["recordings", "list", "--stream", "Yard", "--data-dir", str(data)]) == 0
    assert capsys.readouterr().out == "Nothing is recorded.\n"


def test_open_prints_the_path_of_a_dated_copy(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["recordings", "open", "Door", "--data-dir", str(data)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent == tmp_path
    assert path.name.startswith("Door_20")
    assert path.stat().st_size > 1000
    assert main(["recordings", "open", "Door", "--data-dir", str(data)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("times", [("--start", "yesterday"), ("--end", "2026-13-01"), ("--start", "2" + "0" * 20)])
def test_a_time_that_cannot_be_read_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str], times: tuple[str, str]
) -> None:
    try:
        status = main(["recordings", "open", "Door", *times, "--data-dir", str(data)])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    assert "Traceback" not in capsys.readouterr().err
