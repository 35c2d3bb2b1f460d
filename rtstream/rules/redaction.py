"""Removes secrets from URLs, and from any text that may contain URLs, for results, logs and errors.

Anything that cannot be distinguished from a secret is removed as well, because a masked camera option is a smaller loss
than a password in a log. Do not pass links through this module that a user has to open.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import unquote

MASK = "***"
MARK_DIGITS = 4
"""Hexadecimal digits of the mark of a hidden path."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}):(//+)(\S+)")
_LOGIN = re.compile(r"[^\s/@:]{1,200}:[^\s/@][^\s@]{0,200}@(?=[\w\[])")  # user:password@host without a scheme
_AUTHORITY = re.compile(r"(\[[^\]@]*\]|[^:@\[\]]*)(:\d*)?")
_SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|key|sig|auth|cred|jwt|sess|streamid|user|login|account|hmac|hdn|policy|ticket|nonce|pin",
    re.I,
)
# Options of cameras and media servers whose values are never secret.
_PLAIN_NAME = re.compile(
    r"(sub)?(channel|type|stream|stream_?type)|camera|cam|profile|unicast|proto(col)?|transport|codec|video_?codec|quality"
    r"|resolution|width|height|fps|mode|latency|timeout|pkt_size|buffer_size|fifo_size|overrun_nonfatal|reuse|ttl|format"
    r"|lang|start|end|listen",
    re.I,
)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.:x-]{0,16}")
_PAIR = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|key|auth|signature|sig)(?:=[\"']?|[\"']\s*:\s*[\"']))"
    r"""([^\s&"',;]+)"""
)
_AUTHORIZATION = re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+\s+)?)[^\s\"']+")
_BEARER = re.compile(r"(?i)\b(bearer\s+)(?=\S*\d)[A-Za-z0-9+/_.~=-]{12,}")
_TRAILING = "\"'`>)]},;:.!?"


def show_url(url: str) -> str:
    """Return a URL without credentials, stream keys and other secrets, for example ``rtmp://host/app/***``.

    The whole string counts as one URL, including spaces. A string that is not a URL is passed to ``redact``.
    """
    url = url.strip()
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):(//+)(.*)", url, re.S)
    if not match:
        return redact(url)
    return _clean(match[1], match[2], match[3])


def show_source(url: str, key: str) -> str:
    """Return what ``show_url`` does, with a mark after a hidden path that tells sources of one server apart.

    Args:
        url: URL of a source.
        key: A secret, without which the mark reveals nothing about the hidden path.
    """
    shown, mark, query = show_url(url).partition("?")
    if not shown.endswith(f"/{MASK}"):
        return shown + mark + query
    digest = hmac.new(key.encode(), without_login(url).encode("utf-8", "surrogatepass"), hashlib.sha256)
    return f"{shown}-{digest.hexdigest()[:MARK_DIGITS]}{mark}{query}"


def without_login(url: str) -> str:
    """Return a valid URL without its user and password."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*:/+)([^/?#]*)(.*)", url, re.S)
    return f"{match[1]}{match[2].rpartition('@')[2]}{match[3]}" if match else url


def redact(text: str, urls: Iterable[str] = ()) -> str:
    """Return ``text`` with the secrets removed from every URL in it.

    Args:
        text: Any text.
        urls: Source URLs whose secrets are removed even outside a URL, because some libraries put the bare password or
            stream key into their messages.
    """
    for secret in sorted({s for url in urls for s in secrets_in(url)}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _URL.sub(_url_in_text, text)
    for pattern in (_AUTHORIZATION, _BEARER, _PAIR):
        text = pattern.sub(rf"\1{MASK}", text)
    return _LOGIN.sub(f"{MASK}@", text)


def secrets_in(url: str) -> set[str]:
    """Return the secrets of a URL: its password, secret query values and RTMP stream key.

    Each secret of three characters or more is returned as written and percent-decoded.
    """
    match = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://+(.*)", url, re.S)
    if not match:
        return set()
    userinfo, _, tail = _split(match[2].strip())
    path, _, query = tail.partition("?")
    strict = re.split(r"[/?#]", match[2], maxsplit=1)[0].rpartition("@")[0]
    found = {info.partition(":")[2] for info in (userinfo, strict)}
    for name, value in _pairs(query):
        if not _harmless(name, value):
            found.add(value)
    if match[1].lower().startswith("rtmp"):
        found.update(path.split("/")[2:])
    return {secret for raw in found for secret in (raw, unquote(raw)) if len(secret) >= 3}


def _url_in_text(match: re.Match[str]) -> str:
    rest = match[3]
    bare = rest.rstrip(_TRAILING)
    return _clean(match[1], match[2], bare) + rest[len(bare) :]


def _clean(scheme: str, slashes: str, rest: str) -> str:
    _, host, tail = _split(rest)
    path, mark, query = tail.partition("?")
    if "#" in path:  # a source needs nothing from a fragment
        path, mark, query = path.partition("#")[0], "", ""
    path = _clean_path(scheme.lower(), path)
    return f"{scheme}:{slashes}{host}{path}{mark}{_clean_query(query)}"


def _split(rest: str) -> tuple[str, str, str]:
    """Split the part of a URL after ``://`` into user info, host with port, and the rest.

    An unencoded slash, question mark or hash sign in a password ends the authority early, which would leave the rest of
    the password in the path. If the authority cannot be valid, everything up to the last @ counts as user info.
    """
    end = re.search(r"[/?#]", rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    userinfo, _, host = authority.rpartition("@")
    if _AUTHORITY.fullmatch(host):
        path, _, query = tail.partition("?")
        if ":" not in authority or "@" not in (path if "=" in query.partition("@")[0] else tail):
            return userinfo, host, tail
        query = tail[len(path) :] if "@" in path else ""
        rest = rest[: len(rest) - len(query)]
    else:
        query = ""
    if "@" not in rest:
        return "", re.sub(r":.*", ":" + MASK, host), tail
    userinfo, _, after = rest.rpartition("@")
    end = re.search(r"[/?#]", after)
    return (userinfo, after[: end.start()], after[end.start() :] + query) if end else (userinfo, after, query)


def _clean_path(scheme: str, path: str) -> str:
    parts = path.split("/")
    if scheme.startswith("rtmp") and len(parts) > 2:
        return "/".join([*parts[:2], MASK])
    return "/".join(MASK if _looks_secret(part) else _PAIR_IN_PATH.sub(rf"\1{MASK}", part) for part in parts)


# Some cameras expect the login in the path: /user=admin_password=secret_channel=1_stream=0.sdp
_PAIR_IN_PATH = re.compile(
    r"(?i)((?:user|username|login|pass|password|passwd|pwd|token|key|auth)=)(.*?)(?=_[a-z]+=|&|;|$)"
)


def _looks_secret(part: str) -> bool:
    """Return whether a path segment looks like a stream key or webhook token.

    These are long, mix letters and digits, and contain no hyphenated words.
    """
    runs = re.findall(r"[A-Za-z0-9]+", part)
    longest = max(runs, key=len, default="")
    mixed = re.search(r"\d", longest) and re.search(r"[A-Za-z]", longest)
    return bool(len(longest) >= 20 and mixed)


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for piece in re.split(r"[&;]", query):
        name, equals, value = piece.partition("=")
        pairs.append((name, value) if equals else ("", piece))
    return pairs


def _clean_query(query: str) -> str:
    shown = []
    for name, value in _pairs(query):
        value = value if _harmless(name, value) else MASK
        shown.append(f"{name}={value}" if name else value)
    return "&".join(shown)


def _harmless(name: str, value: str) -> bool:
    if not name:
        return not value or bool(_PLAIN_NAME.fullmatch(value))
    if not value:
        return True
    return bool(_PLAIN_NAME.fullmatch(name) and _PLAIN_VALUE.fullmatch(value)) and not _SECRET_NAME.search(name)
