"""Logins over HTTP: the strongest scheme that a server offers is used, and a failure names the schemes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.messages import RecorderSpec
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.inputs import dialer_of
from rtstream.recorder.login import LoginChallenge, authorization, challenges, digest, strongest
from rtstream.recorder.source import open_source
from rtstream.recorder.web import WebClient
from rtstream.rules.source_urls import parse_source
from tests.rtstream.recorder.guard import Guard
from tests.rtstream.recorder.hostile import ALLOWED_HOST, Site
from tests.sources import free_port, wait_for_port

CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
LOGIN = "us%20%C3%A9r:p%3A%22w%5C%C3%A4@"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_standard_are_met(algorithm: str, response: str) -> None:
    fields = {"realm": "http-auth@example.org", "nonce": NONCE, "algorithm": algorithm, "qop": "auth"}
    fields |= {"nc": "00000001", "cnonce": CNONCE}
    assert digest(fields, "GET", "/dir/index.html", "Mufasa", "Circle of Life") == response


def test_one_header_can_contain_several_challenges() -> None:
    header = 'Negotiate YWJj==, Basic realm="a, b=\\"c\\"" , Digest realm=cam,nonce="n,1", qop="auth,auth-int", Bearer'
    found = challenges([header, 'Digest algorithm = SHA-256 , nonce="n2"'])
    assert [each.name for each in found] == ["Negotiate", "Basic", "Digest MD5", "Bearer", "Digest SHA-256"]
    assert found[1].get("realm") == 'a, b="c"'
    assert (found[2].get("realm"), found[2].get("nonce"), found[2].qop) == ("cam", "n,1", "auth")
    assert found[4].get("nonce") == "n2"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ('Digest nonce="1", Digest nonce="2", algorithm=SHA-256', "Digest SHA-256"),
        ('Digest nonce="2", algorithm=sha-256-SESS, Digest nonce="1"', "Digest SHA-256-sess"),
        ('Basic realm="x", Digest nonce="1"', "Digest MD5"),
        ('Digest nonce="1", algorithm=X, Basic realm="x"', "Basic"),
        ('Digest nonce="1", qop="other", Basic realm="x"', "Basic"),
        ('Digest nonce="1", algorithm=X', None),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_the_strongest_scheme_that_is_known_is_chosen(header: str, chosen: str | None) -> None:
    found = strongest(challenges([header]))
    assert (found.name if found else None) == chosen


@given(st.lists(st.text(alphabet=st.sampled_from(' ,="\\abDigestBasic-/\x00é'), max_size=60), max_size=4))
def test_a_damaged_challenge_is_read_to_its_end(headers: list[str]) -> None:
    for each in challenges(headers):
        value = authorization(each, "GET", "/", 'a"\r\nb', "c") or ""
        assert not re.search(r"[\x00-\x1f]", value + each.encode())


def test_a_challenge_reads_back_as_it_was_written() -> None:
    challenge = LoginChallenge("digest", (("realm", 'a "b" \\ c, d=e'), ("nonce", "n")))
    assert challenges([challenge.encode()]) == [challenge]


def spec(url: str, folder: Path) -> RecorderSpec:
    settings: dict[str, Any] = {"allow_networks": "loopback"}
    return RecorderSpec("rts-test", url, ["audio", "video"], True, str(folder), 4.0, 4.0, 8.0, **settings)


def guarded(guard: Guard, clip: Path) -> Site:
    return Site({"/a b/clip.mp4": clip.read_bytes()}, guard=guard)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("schemes", "used"),
    [
        (("Basic",), "Basic"),
        (("MD5",), "MD5"),
        (("MD5-sess",), "MD5-sess"),
        (("SHA-256",), "SHA-256"),
        (("SHA-256-sess",), "SHA-256-sess"),
        (("SHA-512-256",), "SHA-512-256"),
        (("Bearer", "Basic", "MD5", "SHA-256"), "SHA-256"),
        (("SHA-256", "MD5", "Basic"), "SHA-256"),
    ],
)
@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
def test_http_logs_in_with_the_strongest_scheme(
    schemes: tuple[str, ...], used: str, qop: str, together: bool, clip: Path, tmp_path: Path
) -> None:
    guard = Guard(schemes, qop, together=together)
    site = guarded(guard, clip)
    with site.served() as base:
        url = base.replace("//", f"//{LOGIN}") + "/a%20b/clip.mp4?x=1"
        with_site = open_source(spec(url, tmp_path))
        with_site.close()
    assert set(guard.taken) == {used}
    assert guard.refused == 1
    assert not any("Basic" in each.get("authorization", "") for each in site.headers) or used == "Basic"


@pytest.mark.parametrize("says_stale", [True, False])
def test_a_nonce_that_is_too_old_is_replaced(says_stale: bool, clip: Path, tmp_path: Path) -> None:
    guard = Guard(("SHA-256",), lasts=1, says_stale=says_stale)
    with guarded(guard, clip).served() as base:
        url = base.replace("//", f"//{LOGIN}") + "/a%20b/clip.mp4"
        client = WebClient(parse_source(url), dialer_of(spec(url, tmp_path)))
        for _ in range(3):
            client.get(f"{base}/a%20b/clip.mp4").close()
        client.close()
    assert (len(guard.taken), guard.refused) == (3, 3)


@pytest.mark.parametrize(
    ("login", "schemes", "message"),
    [
        ("", ("Basic", "SHA-256"), r"wants a user name and password \(it offers Basic, Digest SHA-256\)"),
        ("us%20er:wrong@", ("MD5", "SHA-256"), r"does not accept .* \(it offers Digest MD5, Digest SHA-256\)"),
        (LOGIN, ("Bearer",), "offers only a login with Bearer, which is not supported"),
        (LOGIN, ("SHA3",), "offers only a login with Digest SHA3, which is not supported"),
    ],
)
def test_a_failed_login_names_the_schemes_of_the_server(
    login: str, schemes: tuple[str, ...], message: str, clip: Path, tmp_path: Path
) -> None:
    guard = Guard(schemes)
    with guarded(guard, clip).served() as base, pytest.raises(SourceFailed, match=message) as failed:
        open_source(spec(base.replace("//", f"//{login}") + "/a%20b/clip.mp4", tmp_path))
    assert failed.value.lasting
    assert "wrong" not in failed.value.reason
    assert guard.refused <= 2


def test_a_server_that_refuses_without_a_challenge_is_tried_with_basic(clip: Path, tmp_path: Path) -> None:
    class Silent(Guard):
        def challenges(self, method: str, uri: str, authorization: str, body: bytes = b"") -> list[str] | None:
            return None if super().challenges(method, uri, authorization, body) is None else []

    guard = Silent(("Basic",))
    with guarded(guard, clip).served() as base:
        open_source(spec(base.replace("//", f"//{LOGIN}") + "/a%20b/clip.mp4", tmp_path)).close()
    assert guard.taken


def test_a_redirect_to_another_server_that_wants_a_login_says_so(clip: Path, tmp_path: Path) -> None:
    guard = Guard(("SHA-256",))
    with guarded(guard, clip).served() as there:
        door = Site({"/x": (302, {"Location": f"{there}/a%20b/clip.mp4"}, b"")})
        with door.served() as base, pytest.raises(SourceFailed, match="redirects to a server that wants a login"):
            open_source(spec(base.replace("//", f"//{LOGIN}") + "/x", tmp_path))
    assert not guard.taken


LIGHTTPD = """
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/error.log"
mimetype.assign = (".mp4" => "video/mp4")
server.modules = ("mod_auth", "mod_authn_file")
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("" => ("method" => "digest", "algorithm" => "{algorithm}", "realm" => "cam", "require" => "valid-user"))
"""


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5|SHA-256"])
def test_lighttpd_accepts_the_login(algorithm: str, clip: Path, tmp_path: Path) -> None:
    lighttpd = shutil.which("lighttpd", path="/usr/sbin:/usr/bin")
    if lighttpd is None:
        pytest.skip("lighttpd is not installed")
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "users").write_text("admin:se cret\n")
    config, port = tmp_path / "lighttpd.conf", free_port()
    config.write_text(LIGHTTPD.format(folder=tmp_path, port=port, algorithm=algorithm))
    server = subprocess.Popen([lighttpd, "-D", "-f", str(config)])
    try:
        wait_for_port(port)
        open_source(spec(f"http://admin:se%20cret@{ALLOWED_HOST}:{port}/clip.mp4", tmp_path)).close()
        with pytest.raises(SourceFailed, match="Digest"):
            open_source(spec(f"http://admin:other@{ALLOWED_HOST}:{port}/clip.mp4", tmp_path))
    finally:
        server.terminate()
        server.wait(10)
