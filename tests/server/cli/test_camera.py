"""``rtstream-mcp camera`` finds cameras, and shows what a source carries without connecting it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from rtstream.testsource import LiveSource
from server.cli.camera import main
from tests.rtstream.camera.loopback import probe_on_loopback
from tests.rtstream.camera.onvif_camera import OnvifCamera
from tests.rtstream.recorder.recorder_sources import video_file

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("RTSTREAM_DATA_DIR", str(folder))
    monkeypatch.setenv("RTSTREAM_ALLOW_NETWORKS", "loopback")
    monkeypatch.setenv("RTSTREAM_MEDIA_FOLDERS", str(tmp_path))
    return folder


def test_a_live_source_is_shown_and_nothing_is_stored(
    live_source: LiveSource, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", live_source.http_url, "--seconds", "1.2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("opened in ")
    assert lines[1].startswith("video     H.264, 320x180, 30 frames/s, a keyframe every 0.5 s, ")
    assert lines[2].startswith("audio     AAC, 48 kHz, ")
    assert not data_dir.exists()


def test_g711_and_a_codec_for_few_browsers_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = video_file(
        tmp_path / "camera.mov", "libx265", "pcm_alaw", x265_params="log-level=none", preset="ultrafast", gop=90
    )
    assert main(["test", str(clip)]) == 0
    shown = capsys.readouterr().out
    assert "video     HEVC, 320x180" in shown
    assert "audio     G.711 A-law, 8 kHz, 64 kbit/s, recorded as AAC" in shown
    assert "note      Fewer than two keyframes arrived" in shown
    assert "note      Not every browser plays HEVC." in shown


def test_the_url_may_come_from_standard_input_and_the_report_as_json(
    live_source: LiveSource, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{live_source.http_url}\n"))
    assert main(["test", "-", "--json", "--seconds", "0.3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["video_codec"], found["width"], found["audio_rate"]) == ("h264", 320, 48000)


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("rtsp://user:secret@127.0.0.1:1/x", 1, "The source cannot be read: the source refused the connection"),
        ("http://10.0.0.1/x", 2, "RTSTREAM_ALLOW_NETWORKS"),
        ("push://phone", 2, "A publisher connects to the engine."),
        ("camera", 2, "must begin with"),
    ],
)
def test_a_source_that_cannot_be_read_has_a_reason(
    url: str, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", url]) == status
    shown = capsys.readouterr()
    assert says in shown.err
    assert "secret" not in shown.err + shown.out


def test_cameras_of_the_network_are_listed_with_their_streams(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_on_loopback(monkeypatch)
    monkeypatch.setenv("RTSTREAM_CAMERA_CREDENTIALS", "front=admin:p%C3%A4ssw%C3%B6rd%2C1@127.0.0.1")
    with OnvifCamera():
        assert main(["discover", "--seconds", "0.5"]) == 0
        shown = capsys.readouterr().out
        assert main(["discover", "--seconds", "0.5", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    assert shown.splitlines() == [
        "127.0.0.1  Front door  IPC-1",
        "  rtsp://127.0.0.1/main  HEVC  2560x1440",
        "  rtsp://127.0.0.1/sub  H.264  640x360",
        "  login     front",
    ]
    assert [stream["url"] for stream in found["cameras"][0]["streams"]] == [
        "rtsp://127.0.0.1/main",
        "rtsp://127.0.0.1/sub",
    ]


def test_a_search_for_cameras_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_on_loopback(monkeypatch)
    assert main(["discover", "--seconds", "0.5"]) == 1
    assert "No camera responded." in capsys.readouterr().err
    assert main(["discover", "--seconds", "0"]) == 2
    monkeypatch.setitem(sys.modules, "onveef.wsdiscovery", None)
    assert main(["discover"]) == 2
    assert "pip install 'rtstream-mcp[onvif]'" in capsys.readouterr().err


def test_the_login_of_the_settings_opens_a_camera(
    clip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTSTREAM_CAMERA_CREDENTIALS", "front=admin:s3cret@127.0.0.1")
    with LiveSource(clip, auth="admin:s3cret") as camera:
        assert main(["test", camera.rtsp_url, "--seconds", "0.3"]) == 0
    captured = capsys.readouterr()
    assert "s3cret" not in captured.out + captured.err
