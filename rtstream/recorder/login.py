"""HTTP Basic and Digest credentials (RFC 7617, RFC 7616), as HTTP and RTSP use them."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rtstream.recorder.failures import SourceFailed
from rtstream.states import HealthCode

MAX_CHALLENGES = 16
MAX_NAMED = 6  # schemes in a sentence

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)?')
_SCHEME = re.compile(rf"({_WORD})(?:\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?(?:\s+|,|$)")
_SEPARATORS = re.compile(r"[\s,]*")

# From the weakest to the strongest; without an algorithm, a Digest is MD5.
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_DIGESTS = {name: hashed for name, hashed in _HASHES.items() if hashed in hashlib.algorithms_available}
_SESSION = "-SESS"


@dataclass(frozen=True)
class LoginChallenge:
    """One scheme that a server offers for a login."""

    scheme: str
    """In lower case."""
    fields: tuple[tuple[str, str], ...] = ()
    """Parameters by lower-case name, without quotes."""

    def get(self, name: str) -> str:
        """Return a parameter, or an empty string."""
        return dict(self.fields).get(name, "")

    @property
    def algorithm(self) -> str:
        """The hash of a Digest in upper case, such as ``SHA-256`` or ``MD5-SESS``."""
        return (self.get("algorithm") or "MD5").upper()

    @property
    def stale(self) -> bool:
        """Whether the credentials were right and only the nonce was too old."""
        return self.get("stale").lower() == "true"

    @property
    def qop(self) -> str | None:
        """The quality of protection to use: empty if the server asks for none, None if it asks for an unknown one."""
        offered = {each.strip().lower() for each in self.get("qop").split(",") if each.strip()}
        return next((each for each in ("auth", "auth-int") if each in offered), None if offered else "")

    @property
    def name(self) -> str:
        """The scheme as an error names it, such as ``Digest SHA-256`` or ``Basic``."""
        label = self.scheme.capitalize()
        if self.scheme != "digest":
            return label
        base = self.algorithm.removesuffix(_SESSION)
        if not re.fullmatch("[A-Z0-9-]{1,20}", base):
            return f"{label} with an unknown algorithm"
        return f"{label} {base}{'-sess' if base != self.algorithm else ''}"

    @property
    def strength(self) -> int:
        """Rank among the schemes, from 1; 0 for a scheme that cannot be met."""
        if self.scheme == "basic":
            return 1
        base = self.algorithm.removesuffix(_SESSION)
        if self.scheme != "digest" or base not in _DIGESTS or self.qop is None:
            return 0
        return 2 + list(_DIGESTS).index(base)

    def encode(self) -> str:
        """The value of a WWW-Authenticate header with this challenge alone."""
        return f"{self.scheme.capitalize()} " + ", ".join(f'{name}="{_quoted(v)}"' for name, v in self.fields)


def challenges(headers: Iterable[str]) -> list[LoginChallenge]:
    """Return the challenges of the WWW-Authenticate headers of a response: each may have several."""
    found: list[LoginChallenge] = []
    for header in headers:
        place = 0
        fields: list[tuple[str, str]] = []
        while place < len(header) and len(found) < MAX_CHALLENGES:
            start = _SEPARATORS.match(header, place)
            place = start.end() if start else place
            parameter = _PARAMETER.match(header, place)
            scheme = None if parameter else _SCHEME.match(header, place)
            if parameter is not None and found:
                fields.append((parameter[1].lower(), _unquoted(parameter)))
                found[-1] = LoginChallenge(found[-1].scheme, tuple(fields))
            elif scheme is not None:
                fields = []
                found.append(LoginChallenge(scheme[1].lower()))
            elif parameter is None:
                break  # damaged, so only the challenges before it are used
            place = (parameter or scheme).end()  # pyright: ignore[reportOptionalMemberAccess]
    return found


def strongest(offered: Sequence[LoginChallenge]) -> LoginChallenge | None:
    """Return the strongest challenge that can be met, the first of equal ones; None if there is none."""
    best = max(offered, key=lambda each: each.strength, default=None)
    return best if best is not None and best.strength else None


def login_failed(offered: Sequence[LoginChallenge], given: bool, elsewhere: bool = False) -> SourceFailed:
    """Return the failure of a login, with the schemes that the server offers.

    Args:
        offered: Challenges of the last refusal.
        given: Whether the URL has credentials that may be sent to this server.
        elsewhere: Whether a redirect led to a server that the credentials are not for.
    """
    names = ", ".join(list(dict.fromkeys(each.name[:40] for each in offered))[:MAX_NAMED])
    listed = f" (it offers {names})" if names else ""
    if names and strongest(offered) is None:
        known = ", ".join(["Basic", *(f"Digest {name}" for name in _DIGESTS)])
        reason = f"the source offers only a login with {names}, which is not supported; set it to one of {known}"
    elif elsewhere:
        reason = f"the source redirects to a server that wants a login{listed}; connect that URL with its own login"
    elif not given:
        reason = f"the source wants a user name and password{listed}; add them to the URL"
    else:
        reason = f"the source does not accept the user name and password in the URL{listed}; check both"
    return SourceFailed(reason, True, HealthCode.LOGIN_REFUSED)


def parameters(header: str) -> dict[str, str]:
    """The parameters of a WWW-Authenticate or Authorization header, by lower-case name."""
    return {name: value for each in challenges([header])[:1] for name, value in each.fields}


def digest(fields: dict[str, str], method: str, uri: str, user: str, password: str, body: bytes = b"") -> str | None:
    """The ``response`` of a Digest Authorization header with these fields; None for an unknown algorithm."""
    algorithm = (fields.get("algorithm") or "MD5").upper()
    base = algorithm.removesuffix(_SESSION)
    if base not in _DIGESTS:
        return None

    def hashed(text: str | bytes) -> str:
        data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        return hashlib.new(_DIGESTS[base], data, usedforsecurity=False).hexdigest()

    secret = hashed(f"{user}:{fields.get('realm', '')}:{password}")
    if algorithm != base:
        secret = hashed(f"{secret}:{fields.get('nonce', '')}:{fields.get('cnonce', '')}")
    asked = f"{method}:{uri}"
    if fields.get("qop") == "auth-int":
        asked += f":{hashed(body)}"
    if fields.get("qop"):
        middle = f"{fields.get('nonce', '')}:{fields.get('nc', '')}:{fields.get('cnonce', '')}:{fields['qop']}"
        return hashed(f"{secret}:{middle}:{hashed(asked)}")
    return hashed(f"{secret}:{fields.get('nonce', '')}:{hashed(asked)}")


def authorization(
    challenge: LoginChallenge, method: str, uri: str, user: str, password: str, count: int = 1, body: bytes = b""
) -> str | None:
    """Return an Authorization header that meets ``challenge``, or None if it cannot be met.

    Args:
        challenge: Challenge of the server.
        method: Method of the request.
        uri: Address in the request line.
        user: User name as it is meant, not percent-encoded.
        password: Password, likewise.
        count: Number of this request among those that meet the same challenge, from 1.
        body: Body of the request.
    """
    if challenge.scheme == "basic":
        pair = f"{user}:{password}".encode(errors="surrogateescape")
        return f"Basic {base64.b64encode(pair).decode()}"
    qop = challenge.qop
    if not challenge.strength or qop is None:
        return None
    offered = dict(challenge.fields)
    fields = {name: offered[name] for name in ("realm", "nonce", "algorithm", "opaque") if name in offered}
    if qop:
        fields |= {"qop": qop, "nc": f"{count:08x}"}
    if qop or challenge.algorithm.endswith(_SESSION):
        fields["cnonce"] = secrets.token_hex(8)
    user = re.sub(r"[\x00-\x1f\x7f]", "", user)  # without line breaks, which would end the header
    response = digest(fields, method, uri, user, password, body)
    return format_digest({"username": user, **fields, "uri": uri, "response": response or ""})


def format_digest(fields: dict[str, str]) -> str:
    """Return an Authorization header with these fields."""
    bare = ("algorithm", "qop", "nc")
    pairs = (f"{name}={v}" if name in bare else f'{name}="{_quoted(v)}"' for name, v in fields.items())
    return "Digest " + ", ".join(pairs)


def _unquoted(parameter: re.Match[str]) -> str:
    """Return the value of a parameter without characters that would end the quoted value or the header."""
    if parameter[3] is not None:
        return _plain(parameter[3])
    return _plain(re.sub(r"\\(.)", r"\1", parameter[2]))


def _quoted(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)


def _plain(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", "", text)
