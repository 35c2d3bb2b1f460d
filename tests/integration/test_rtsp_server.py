"""Other people's RTSP: our clips out of GStreamer's server, and our server read by the ffmpeg command line."""

from __future__ import annotations

import shutil
import subprocess

import av
import pytest

from rtstream.testsource import LiveSource, read_barcode


@pytest.mark.rtsp_server
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_clip_comes_out_of_gstreamer_as_it_went_in(gst_rtsp: str, transport: str) -> None:
    with av.open(gst_rtsp, options={"rtsp_transport": transport, "timeout": "10000000"}) as container:
        frames = zip(container.decode(video=0), range(30), strict=False)
        numbers = [read_barcode(frame.to_ndarray(format="rgb24")) for frame, _ in frames]
        assert container.streams.audio[0].codec_context.name == "aac"
    assert numbers == [(numbers[0] + n) % 180 for n in range(30)]


@pytest.mark.rtsp_server
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_ffmpeg_command_line_reads_our_server_without_a_complaint(live_source: LiveSource, transport: str) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    command = [ffmpeg, "-v", "warning", "-nostdin", "-rtsp_transport", transport, "-i", live_source.rtsp_url]
    done = subprocess.run([*command, "-t", "1", "-f", "null", "-"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "error" not in done.stderr.lower()
    assert "missed" not in done.stderr
