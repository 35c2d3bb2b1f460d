from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.errors import InvalidRequest
from rtstream.rules.source_urls import MAX_URL, parse_source, parse_web, parse_webhook


@pytest.mark.parametrize(
    ("url", "plan"),
    [
        ("rtsp://cam/stream", ("cam", 554)),
        ("RTSP://User:p%40ss@CAM.example:8554/stream", ("cam.example", 8554)),
        ("rtsps://cam/x", ("cam", 322)),
        ("rtmp://host/app/key", ("host", 1935)),
        ("rtmps://host/app/key", ("host", 443)),
        ("http://[2001:db8::1]/live.m3u8", ("2001:db8::1", 80)),
        ("https://bücher.example/live.m3u8?a=b", ("xn--bcher-kva.example", 443)),
        ("srt://host:9000?streamid=x", ("host", 9000)),
        ("srt://:9000?mode=listener", ("0.0.0.0", 9000)),
        ("udp://@:5000", ("0.0.0.0", 5000)),
        ("udp://@239.1.2.3:5000", ("239.1.2.3", 5000)),
        ("tcp://host:5000", ("host", 5000)),
        (" rtsp://cam/stream\n", ("cam", 554)),
        ("file:///media/a%20b.ts", ("", 0)),
    ],
)
def test_a_source_url_says_what_to_resolve(url: str, plan: tuple[str, int]) -> None:
    source = parse_source(url)
    assert (source.host, source.port) == plan


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/media/a b.ts", "/media/a b.ts"),
        ("file:///media/a%20b.ts", "/media/a b.ts"),
        ("file://localhost/media/a.ts", "/media/a.ts"),
        ("C:\\media\\a.ts", "C:\\media\\a.ts"),
        ("file:///C:/media/a.ts", "C:/media/a.ts"),
    ],
)
def test_a_local_file_is_named_by_its_absolute_path(url: str, path: str) -> None:
    source = parse_source(url)
    assert (source.scheme, source.file, source.host) == ("file", path, "")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("cam/stream", "must begin with one of rtsp://"),
        ("movies/a.ts", "must begin with"),
        ("push://", "as in push://phone"),
        ("push://phone/live", "as in push://phone"),
        ("push://user:pw@phone", "as in push://phone"),
        ("push://phone:1935", "as in push://phone"),
        ("ftp://host/a", "must begin with one of rtsp://, rtsps://, rtmp://"),
        ("concat:/etc/passwd|/etc/hosts", "must begin with"),
        ("subfile,,start,0,end,9,,:/etc/passwd", "must begin with"),
        ("lavfi:testsrc", "must begin with"),
        ("pipe:0", "must begin with"),
        ("data:text/plain,hello", "must begin with"),
        ("hls+http://host/a.m3u8", "must begin with"),
        ("crypto+file:///etc/passwd", "must begin with"),
        ("rtsp:host", "must begin with"),
        ("rtsp:///stream", "has no host"),
        ("rtsp://user:pw@/stream", "has no host"),
        ("tcp://:5000", "has no host"),
        ("srt://:9000", "has no host"),
        ("tcp://host", "needs a port"),
        ("tcp://host:0", "needs a port"),
        ("rtsp://host:99999/", "needs a port from 1 to 65535"),
        ("rtsp://user:pa#ss@host/", "no valid host and port"),
        ("rtsp://[::1/", "no valid host and port"),
        ("rtsp://[fe80::zz]/", "not a valid IPv6 address"),
        ("rtsp://ho%73t/", "not a valid name"),
        ("rtsp://-oops/", "not a valid name"),
        ("rtsp://a..b/", "not a valid name"),
        ("http://good\\@evil/", "backslash"),
        ("rtmp://host/app live=1", "space"),
        ("rtsp://host/a\x00b", "control characters"),
        ("rtsp://host/a\r\nHost: b", "control characters"),
        ("rtsp://host/a\ud800", "control characters"),
        ("rtsp://\udcff:p@host/", "control characters"),
        ("/media/\ud800.mp4", "control characters"),
        ("file:///a%00b", "control characters"),
        ("file://server/share/a.ts", "may not name a host"),
        ("//server/share/a.ts", "network shares"),
        ("file:////server/share/a.ts", "network shares"),
        ("file:", "must begin with"),
        ("file://", "absolute path"),
        ("rtsp://host/" + "a" * 3000, "longer than 2048"),
    ],
)
def test_a_bad_source_url_gets_one_clear_sentence(url: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as failure:
        parse_source(url)
    assert says in failure.value.message
    assert failure.value.message.endswith(".")
    assert "\n" not in failure.value.message


@given(st.text(max_size=60), st.sampled_from(["", "rtsp://", "http://", "file://", "udp://", "rtsp://u:s3cretpw@"]))
def test_any_text_is_either_checked_or_refused_without_repeating_it(text: str, scheme: str) -> None:
    message, source = "", None
    try:
        source = parse_source(scheme + text)
    except InvalidRequest as failure:
        message = failure.message
    assert "s3cretpw" not in message
    assert message if source is None else bool(source.file) != bool(source.host)


@pytest.mark.parametrize("url", ["rtsp://host/", "file:///a", "/a", "javascript:alert(1)", "host/path"])
def test_a_webhook_is_http_only(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"webhook URL must begin with one of http://, https://\."):
        parse_webhook(url)
    assert parse_webhook("https://hooks.example/a?b=c").host == "hooks.example"


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5:554[2606:4700:4700::1111]:554",
        "localhost:554[2606:4700:4700::1111]",
        "[2606:4700:4700::1111]10.0.0.5",
        "[2606:4700:4700::1111]:554:554",
        "[2606:4700:4700::1111]@10.0.0.5:1:2",
        "[[2606:4700:4700::1111]]",
        "10.0.0.5]:80",
        "10.0.0.5[",
        "10.0.0.5:80:81",
        "::1",
        "[fe80::1%eth0]",
        "[fe80::1%25eth0]",
        "[10.0.0.5]",
        "[v1.x]",
        "[]",
        "10.0.0.5%00.example",
        "10.0.0.5,public.example",
        "public.example|10.0.0.5",
        "10.0.0.5:+80",
        "10.0.0.5:-1",
        "10.0.0.5:8_0",
        "10.0.0.5:\u0668\u0660",
        "10.0.0.5:080808",
        "10.0.0.5:4294967376",
        "10.0.0.5\u2028",
        "10.0.0.5\u00a0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.1",
        "127.0.0.256",
        "a.0x7f",
        "1.2.3.4.5",
        "\u2488\u2488",
        "a\u2100b",
        "xn--\u00fc",
    ],
)
@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp", "tcp", "srt"])
def test_a_host_that_two_readers_could_read_differently_is_refused(scheme: str, host: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_source(f"{scheme}://{host}:9000/x")
    with pytest.raises(InvalidRequest):
        parse_source(f"{scheme}://user:pw@{host}/x")


@pytest.mark.parametrize(
    ("url", "rebuilt"),
    [
        ("RTSP://CAM.Example.:554/Live?ch=1", "rtsp://cam.example/Live?ch=1"),
        ("rtsp://admin:p@ss:w%2Frd@10.0.0.5:8554/x", "rtsp://admin:p%40ss%3Aw%2Frd@10.0.0.5:8554/x"),
        ("rtsp://user:%ff%zz@cam/", "rtsp://user:%FF%25zz@cam/"),
        ("http://[2001:DB8:0:0::1]:80/a", "http://[2001:db8::1]/a"),
        ("http://[::ffff:10.0.0.1]/", "http://10.0.0.1/"),
        ("http://\uff11\uff12\uff17\u30020.0.1/", "http://127.0.0.1/"),
        ("http://B\u00dccher.example/\u00e4?\u00fc=<1>#t=3", "http://xn--bcher-kva.example/%C3%A4?%C3%BC=%3C1%3E"),
        ("http://cam/a%2fb/%zz?x=50%", "http://cam/a%2fb/%25zz?x=50%25"),
        ("rtsp://cam/a@10.0.0.5:80/b:c", "rtsp://cam/a@10.0.0.5:80/b:c"),
        ("http://cam:/x", "http://cam/x"),
        ("http://cam?a=b@c", "http://cam?a=b@c"),
        ("udp://@:5000", "udp://0.0.0.0:5000"),
        ("push://Front-Door/", "push://front-door"),
        ("srt://:9000?mode=listener", "srt://0.0.0.0:9000?mode=listener"),
    ],
)
def test_the_url_that_is_passed_on_is_rebuilt_from_its_parts(url: str, rebuilt: str) -> None:
    assert parse_source(url).url == rebuilt
    assert parse_source(rebuilt).url == rebuilt
    assert urlsplit(rebuilt).hostname == parse_source(url).host


@pytest.mark.parametrize("login", ["us%0aer:pw", "user:p%0d%0aw", "user:p%00w", "us%7fer:pw"])
def test_a_login_cannot_hold_control_characters(login: str) -> None:
    with pytest.raises(InvalidRequest, match="control characters"):
        parse_source(f"rtsp://{login}@cam/")


@pytest.mark.parametrize(
    "url",
    [
        "tcp://h:1/",
        "tls://h:1",
        "file:///etc/passwd",
        "data:text/plain,x",
        "concat:http://h/a",
        "crypto+http://h/a",
        "h",
    ],
)
def test_a_playlist_names_http_only(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_web(url)


def test_a_url_of_a_playlist_may_be_four_times_as_long_as_one_of_a_user() -> None:
    longest = "http://h/".ljust(4 * MAX_URL, "a")
    assert parse_web(longest).target == longest.removeprefix("http://h")
    with pytest.raises(InvalidRequest):
        parse_web(longest + "a")


@pytest.mark.parametrize(
    ("url", "target"),
    [("http://h", "/"), ("http://h/a/b", "/a/b"), ("http://h/a?x=1&y=2", "/a?x=1&y=2"), ("http://h?x=1", "/?x=1")],
)
def test_a_request_asks_for_the_path_and_the_query(url: str, target: str) -> None:
    assert parse_source(url).target == target
