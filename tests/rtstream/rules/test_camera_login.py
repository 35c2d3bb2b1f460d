"""Logins of cameras are added to the URLs of their hosts alone."""

from __future__ import annotations

import pytest

from rtstream.errors import InvalidRequest
from rtstream.rules.camera_login import login_of, parse_logins, with_login

SETTING = "front=admin:p%40ss%2C1@192.168.1.20, yard=viewer:x@10.1.0.0/16 ,gate=op:@gate.local,six=u:p@2001:db8::/32"


def test_logins_are_named_users_of_hosts_and_networks() -> None:
    logins = parse_logins(SETTING)
    assert [(login.name, login.user, login.password) for login in logins] == [
        ("front", "admin", "p@ss,1"),
        ("yard", "viewer", "x"),
        ("gate", "op", ""),
        ("six", "u", "p"),
    ]
    hosts = ("192.168.1.20", "10.1.2.3", "gate.local", "2001:db8::1", "192.168.1.21", "10.2.0.1", "local")
    named = [login.name if (login := login_of(host, logins)) else None for host in hosts]
    assert named == ["front", "yard", "gate", "six", None, None, None]
    assert "p@ss" not in repr(logins)


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("rtsp://192.168.1.20/main", "rtsp://admin:p%40ss%2C1@192.168.1.20/main"),
        ("rtsps://gate.local:322/x?y=1", "rtsps://op@gate.local/x?y=1"),
        ("http://10.1.9.9:8080/video", "http://viewer:x@10.1.9.9:8080/video"),
        ("rtsp://[2001:db8::7]/x", "rtsp://u:p@[2001:db8::7]/x"),
    ],
)
def test_a_url_without_a_login_receives_that_of_its_host(url: str, opened: str) -> None:
    assert with_login(url, parse_logins(SETTING)) == opened


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://me:own@192.168.1.20/main",
        "rtsp://192.168.1.200/main",
        "rtsp://192.168.1.20.example.org/main",
        "rtsp://gate.local.example.org/x",
        "rtmp://192.168.1.20/live/x",
        "udp://10.1.0.1:5000",
        "push://phone",
        "/media/192.168.1.20.mp4",
        "not a URL",
    ],
)
def test_other_urls_are_opened_as_they_are(url: str) -> None:
    assert with_login(url, parse_logins(SETTING)) == url


@pytest.mark.parametrize(
    "wrong",
    [
        "secret",
        "front=admin:secret",
        "front=admin@h",
        "=admin:secret@h",
        "a b=admin:secret@h",
        "front=admin:secret@h@x",
        "ok=a:b@h,front=:secret@h",
        "front=admin:secret@300.1.1.1",
        "front=admin:secret@10.0.0.0/99",
        "front=admin:secret@http://h",
    ],
)
def test_an_entry_of_another_form_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_logins(wrong)
    assert "secret" not in refused.value.message
    assert "entry" in refused.value.message.lower()
