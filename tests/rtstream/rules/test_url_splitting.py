"""The address that is checked is the one FFmpeg connects to: our parser against FFmpeg's own, on made-up URLs."""

import random
from urllib.parse import unquote_to_bytes, urlsplit

import pytest

from rtstream.errors import InvalidRequest
from rtstream.rules.source_urls import _DEFAULT_PORTS as DEFAULT_PORTS
from rtstream.rules.source_urls import SourceUrl, parse_source
from tests.ffmpeg_urls import Split, bundled, model

SCHEMES = ["rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "tcp", "udp", "RTSP", "hTTp"]
HOSTS = [
    *("10.0.0.5", "127.0.0.1", "localhost", "public.example", "[2606:4700:4700::1111]", "[::1]", "[::ffff:10.0.0.5]"),
    *("0x7f.1", "2130706433", "127.1", "0177.0.0.1", "[fe80::1%eth0]", "b\u00fccher.example", "\uff11\uff12.0.0.1"),
    *("a.b.", "a..b", "-a", "xn--a", "%31%30.0.0.5", "10\u30020.0.5", "a_b", "[", "]", "[]", "[10.0.0.5]", "::1"),
]
PORTS = [
    *("", ":", ":80", ":554", ":0", ":65536", ":080", ":+80", ":-1", ":8x", ":80:81", ":\u0668", ": 80"),
    *(":99999999999", ":4294967376"),
]
LOGINS = [
    *("", "@", "u@", "u:p@", "u:p@p@", "10.0.0.5:80@", "[::1]@", "u%40:p%2f@", "u:p#@", "u:p?@", "u:/p@", "u\\@", ":@"),
    "u:%ff@",
]
TAILS = [
    *("", "/", "/x", "/x?y=1", "?y", "#f", "/@10.0.0.5:80/", "?@10.0.0.5", "/[::1]:80", "\\@10.0.0.5/", "/a|b", "/a,b"),
    *("/%zz%41", "/x?listen=1", "?listen", "?mode=listener", "?udp", "?localaddr=10.0.0.5", "/ concat:", "/x?a=b&c#e"),
    *("/\u00e4?\u00fc", "/a b", "//b/c", "/../x", "/;p=1", "?mode=caller&latency=9", "/a{b}'\"<>`^"),
]
JUNK = [*"@:/?#[]\\%,|; \t\u00a0\u2028.0a-_~!$&'()*+=", "//", "::", "%2f", "%40", "\u00df", "\u3002", "::1", "10.0.0.5"]


def _url(dice: random.Random) -> str:
    host = dice.choice(HOSTS)
    if dice.random() < 0.15:  # two hosts: one that is checked, one that is opened
        host += dice.choice([":80", ":554", "", "@", ",", "%00", "\\"]) + dice.choice(HOSTS)
    url = f"{dice.choice(SCHEMES)}://{dice.choice(LOGINS)}{host}{dice.choice(PORTS)}{dice.choice(TAILS)}"
    for _ in range(dice.choice([0, 0, 0, 1, 1, 2, 3])):
        at = dice.randrange(len(url) + 1)
        url = url[:at] + dice.choice(JUNK) + url[at + dice.choice([0, 0, 1]) :]
    return url


def _differs(source: SourceUrl, split: Split) -> str:
    port = DEFAULT_PORTS.get(source.scheme, 0) if split.port == -1 else split.port
    login = (source.user or "") + (f":{source.password}" if source.password else "")
    for name, ours, theirs in (
        ("scheme", source.scheme, split.scheme),
        ("host", source.host, split.host),
        ("port", source.port, port),
        ("path", source.path + (f"?{source.query}" if source.query else ""), split.path),
        ("login", login.encode(errors="surrogateescape"), unquote_to_bytes(split.login)),
    ):
        if ours != theirs:
            return f"{name}: {ours!r}, FFmpeg reads {theirs!r}"
    return ""


def _compare(number: int, seed: int) -> None:
    dice, library, read = random.Random(seed), bundled(), 0
    for _ in range(number):
        raw = _url(dice)
        assert model(raw) == library(raw), f"the model of FFmpeg is wrong about {raw!r}"
        try:
            source = parse_source(raw)
        except InvalidRequest:
            continue
        if source.scheme == "file":
            assert raw.startswith("/")
            assert source.url == raw.strip()
            continue
        read += 1
        difference = _differs(source, library(source.url))
        assert not difference, f"{raw!r} -> {source.url!r}: {difference}"
        again = parse_source(source.url)
        assert again == source, f"{raw!r} is read differently the second time"
        assert urlsplit(source.url).hostname == source.host
    assert read > number / 20, "hardly any URL was accepted: nothing was compared"


def test_ffmpeg_opens_the_host_that_was_checked() -> None:
    _compare(5_000, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ffmpeg_opens_the_host_that_was_checked_in_100_000_urls() -> None:
    _compare(100_000, seed=2)


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp", "tcp"])
@pytest.mark.parametrize("host", ["10.0.0.5", "localhost"])
def test_a_public_address_behind_a_private_one_is_the_trap(scheme: str, host: str) -> None:
    trap = f"{scheme}://{host}:554[2606:4700:4700::1111]:554/x"
    assert bundled()(trap).host == host
    with pytest.raises(InvalidRequest):
        parse_source(trap)
