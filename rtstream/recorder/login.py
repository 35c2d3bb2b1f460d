"""HTTP Basic and Digest credentials (RFC 7617, RFC 7616), as HTTP and RTSP use them."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_HASHES = {"": hashlib.md5, "MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def parameters(header: str) -> dict[str, str]:
    """The parameters of a WWW-Authenticate or Authorization header, by lower-case name."""
    _, _, rest = header.strip().partition(" ")
    return {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}


def digest(fields: dict[str, str], method: str, uri: str, user: str, password: str) -> str | None:
    """The ``response`` of a Digest Authorization header with these fields; None for an unknown algorithm."""
    algorithm = fields.get("algorithm", "").upper()
    if algorithm.removesuffix("-SESS") not in _HASHES:
        return None

    def hashed(text: str) -> str:
        return _HASHES[algorithm.removesuffix("-SESS")](text.encode(errors="surrogateescape")).hexdigest()

    secret = hashed(f"{user}:{fields.get('realm', '')}:{password}")
    if algorithm.endswith("-SESS"):
        secret = hashed(f"{secret}:{fields.get('nonce', '')}:{fields.get('cnonce', '')}")
    asked = hashed(f"{method}:{uri}")
    if fields.get("qop"):
        middle = f"{fields.get('nonce', '')}:{fields.get('nc', '')}:{fields.get('cnonce', '')}:{fields['qop']}"
        return hashed(f"{secret}:{middle}:{asked}")
    return hashed(f"{secret}:{fields.get('nonce', '')}:{asked}")


def authorization(challenge: str, method: str, uri: str, user: str, password: str, count: int = 1) -> str | None:
    """An Authorization header that meets ``challenge``; Basic when there is none, None when it cannot be met.

    ``count``: number of this request among those that meet the same challenge, from 1.
    """
    if not challenge.lower().startswith("digest"):
        pair = f"{user}:{password}".encode(errors="surrogateescape")
        return f"Basic {base64.b64encode(pair).decode()}"
    fields = {name: _plain(value) for name, value in parameters(challenge).items()}
    offered = [each.strip() for each in fields.pop("qop", "").split(",")]
    fields = {name: fields[name] for name in ("realm", "nonce", "algorithm", "opaque") if name in fields}
    if "auth" in offered:
        fields |= {"qop": "auth", "nc": f"{count:08x}", "cnonce": secrets.token_hex(8)}
    response = digest(fields, method, uri, user, password)
    if response is None:
        return None
    return format_digest({"username": _plain(user), **fields, "uri": uri, "response": response})


def format_digest(fields: dict[str, str]) -> str:
    """An Authorization header of these fields."""
    bare = ("algorithm", "qop", "nc")
    return "Digest " + ", ".join(f"{name}={v}" if name in bare else f'{name}="{v}"' for name, v in fields.items())


def _plain(text: str) -> str:
    """Without what would end the quoted value or the header."""
    return re.sub(r'[\x00-\x1f\x7f"\\]', "", text)
