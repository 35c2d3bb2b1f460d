"""HLS and HTTP: nothing in a playlist or a redirect leads to an address that the settings do not allow."""

import hashlib
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rtstream.messages import RecorderSpec
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.source import open_source
from tests.rtstream.recorder.hls_source import hls_segments
from tests.rtstream.recorder.hostile import FORBIDDEN_HOST, ONLY_ALLOWED, Site, forbidden

HEAD = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:1\n"
SCHEMES = [
    *(
        "tcp://{forbidden}",
        "tls://{forbidden}",
        "httpproxy://{forbidden}/x",
        "rtmp://{forbidden}/a/b",
        "rtsp://{forbidden}/x",
    ),
    *("udp://{forbidden}", "file:///etc/passwd", "concat:http://{forbidden}/x", "crypto+http://{forbidden}/x"),
    *("subfile,,start,0,end,9,,:http://{forbidden}/x", "cache:http://{forbidden}/x", "async:http://{forbidden}/x"),
    *(
        "//{forbidden}/x",
        "http://{forbidden}/x",
        "HTTP://{forbidden}/x",
        "http://127.0.0.1@{forbidden}/x",
        "ftp://{forbidden}/x",
    ),
    *(
        "http://127.0.0.1:80\\@{forbidden}/x",
        "http://127.2:{port}/x",
        "http://0x7f000002:{port}/x",
        "http://2130706434:{port}/x",
    ),
    *(
        "http://[::ffff:127.0.0.2]:{port}/x",
        "http://{forbidden}[2606:4700:4700::1111]:80/x",
        "/redirect.ts",
        "redirect.m3u8?x",
    ),
]


def media(*lines: str) -> str:
    return HEAD + "\n".join(lines) + "\n#EXT-X-ENDLIST\n"


PLACES = {
    "segment": media("#EXTINF:1,", "{url}"),
    "second segment": media("#EXTINF:1,", "0.ts", "#EXTINF:1,", "{url}", "#EXTINF:1,", "1.ts"),
    "key": media('#EXT-X-KEY:METHOD=AES-128,URI="{url}"', "#EXTINF:1,", "0.ts"),
    "unquoted key": media("#EXT-X-KEY:METHOD=AES-128,URI={url}", "#EXTINF:1,", "0.ts"),
    "map": media('#EXT-X-MAP:URI="{url}"', "#EXTINF:1,", "0.ts"),
    "variant": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n",
    "second variant": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlive.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\n{url}\n",
    "rendition": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,URI="{url}"\n'
    '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nlive.m3u8\n',
}


@pytest.fixture(scope="module")
def segments(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return hls_segments(clip, tmp_path_factory.mktemp("hls") / "cut")[1][:4]


def spec(url: str, folder: Path, **settings: Any) -> RecorderSpec:
    return RecorderSpec(
        "rts-test", url, ["video", "audio"], True, str(folder), 4.0, 2.0, 4.0, **(ONLY_ALLOWED | settings)
    )


def read_all(url: str, folder: Path) -> int:
    """Open and read a source to its end; the number of packets, 0 when it is refused."""
    try:
        source = open_source(spec(url, folder))
    except SourceFailed:
        return 0
    try:
        return sum(1 for packet in source.container.demux() if packet.size)
    except (SourceFailed, OSError, ValueError):
        return 0
    finally:
        source.close()


def pages(segments: list[bytes]) -> dict[str, Any]:
    listed = [line for number in range(len(segments)) for line in ("#EXTINF:0.5,", f"{number}.ts")]
    return {f"/{number}.ts": data for number, data in enumerate(segments)} | {"/live.m3u8": media(*listed)}


@pytest.mark.parametrize("place", PLACES)
def test_no_address_in_a_playlist_is_opened_without_a_check(place: str, segments: list[bytes], tmp_path: Path) -> None:
    site = Site(pages(segments))
    with forbidden() as listener, site.served() as base:
        there = f"{FORBIDDEN_HOST}:{listener.port}"
        for ending in ("ts", "m3u8"):
            site.pages[f"/redirect.{ending}"] = (302, {"Location": f"http://{there}/x"}, b"")
        for number, scheme in enumerate(SCHEMES):
            url = scheme.format(forbidden=there, port=listener.port)
            site.pages[f"/attack{number}.m3u8"] = PLACES[place].replace("{url}", url)
            read_all(f"{base}/attack{number}.m3u8", tmp_path)
            assert not listener.connected.is_set(), scheme
        assert site.asked["/redirect.ts"] + site.asked["/redirect.m3u8?x"] > 0


def test_addresses_in_a_playlist_are_relative_to_where_a_redirect_led(segments: list[bytes], tmp_path: Path) -> None:
    site = Site({f"/deep/er{path}": page for path, page in pages(segments).items()})
    site.pages["/entry"] = (302, {"Location": "/deep/er/live.m3u8?token=1"}, b"")
    with site.served() as base:
        assert read_all(f"{base}/entry", tmp_path) > 20


@pytest.mark.parametrize("ending", ["", ".jpg", ".php", ".ts.gz"])
def test_segments_may_have_any_name(ending: str, segments: list[bytes], tmp_path: Path) -> None:
    listed = pages(segments)
    renamed = {path.removesuffix(".ts") + ending: page for path, page in listed.items() if path.endswith(".ts")}
    renamed["/live.m3u8"] = listed["/live.m3u8"].replace(".ts", ending)
    with Site(renamed).served() as base:
        assert read_all(f"{base}/live.m3u8", tmp_path) > 20


def test_encrypted_segments_and_byte_ranges_are_read_as_plain_ones(segments: list[bytes], tmp_path: Path) -> None:
    site = Site(pages(segments))
    key, iv, whole = bytes(range(16)), 7, b""
    lines = ['#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x%032x' % iv]  # noqa: UP031
    ranges = []
    for number, data in enumerate(segments):
        locked = subprocess.run(
            ["openssl", "enc", "-aes-128-cbc", "-K", key.hex(), "-iv", f"{iv:032x}"],
            input=data,
            capture_output=True,
            check=True,
        ).stdout
        site.pages[f"/locked{number}.ts"] = locked
        lines += ["#EXTINF:0.5,", f"locked{number}.ts"]
        ranges += ["#EXTINF:0.5,", f"#EXT-X-BYTERANGE:{len(data)}@{len(whole)}", "whole.ts"]
        whole += data
    site.pages |= {"/key": key, "/whole.ts": whole, "/locked.m3u8": media(*lines), "/ranges.m3u8": media(*ranges)}

    def content(path: str) -> str:
        source = open_source(spec(base + path, tmp_path))
        digest = hashlib.sha256()
        for packet in source.container.demux():
            digest.update(bytes(packet))
        source.close()
        return digest.hexdigest()

    with site.served() as base:
        assert content("/locked.m3u8") == content("/ranges.m3u8") == content("/live.m3u8")


def test_a_playlist_has_limits(segments: list[bytes], tmp_path: Path) -> None:
    site = Site(pages(segments))
    variant = "#EXT-X-STREAM-INF:BANDWIDTH=1\n"
    site.pages["/many.m3u8"] = "#EXTM3U\n" + "".join(f"{variant}{number}.m3u8\n" for number in range(51))
    site.pages["/long.m3u8"] = "#EXTM3U\n" + "# nothing\n" * 900_000
    site.pages["/nested.m3u8"] = media("#EXTINF:1,", "live.m3u8")
    for depth in range(9):
        site.pages[f"/deep{depth}.m3u8"] = f"#EXTM3U\n{variant}deep{depth + 1}.m3u8\n"
    with site.served() as base:
        for path, reason in (("many", "more than 50 variants"), ("long", "longer than 8 MB")):
            with pytest.raises(SourceFailed, match=reason) as failed:
                open_source(spec(f"{base}/{path}.m3u8", tmp_path))
            assert failed.value.lasting
        assert site.asked["/0.m3u8"] == 0
        with pytest.raises(SourceFailed, match="nested more than 3 deep"):
            open_source(spec(f"{base}/deep0.m3u8", tmp_path))
        assert site.asked["/deep3.m3u8"] <= 1
        assert site.asked["/deep4.m3u8"] == 0
        with pytest.raises(SourceFailed, match="another playlist as a segment"):
            open_source(spec(f"{base}/nested.m3u8", tmp_path))


def test_a_playlist_cannot_make_the_recorder_ask_without_pause(tmp_path: Path) -> None:
    site = Site({"/flood.m3u8": media(*(f"#EXTINF:0.001,\n{number}.ts" for number in range(10_000)))})
    with site.served() as base:
        began = time.monotonic()
        with pytest.raises(SourceFailed):
            open_source(spec(f"{base}/flood.m3u8", tmp_path))
        spent = time.monotonic() - began
    assert sum(site.asked.values()) <= 120 + 20 * spent
