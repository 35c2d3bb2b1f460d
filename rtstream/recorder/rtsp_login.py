"""The login at an RTSP server: by the codec library where it can, else by the relay."""

from __future__ import annotations

import re

from rtstream.recorder.login import (
    LoginChallenge,
    authorization,
    challenges,
    digest,
    format_digest,
    login_failed,
    parameters,
    strongest,
)
from rtstream.rules.source_urls import SourceUrl

MAX_LOGINS = 2  # of one request: the second after a nonce that was too old

_ODD = re.compile(r'["\\]')  # the codec library does not escape these


class RtspLogin:
    """The credentials of a source, and the scheme that its server asked for.

    The codec library knows Basic and Digest with MD5. It does such a login itself, because it continues to send
    requests on the connection after the relay has left. Everything else is done here.
    """

    def __init__(self, source: SourceUrl) -> None:
        self._user, self._password = source.user, source.password
        self._challenge: LoginChallenge | None = None
        self._met = 0  # requests that met the challenge
        self._logins = 0  # refusals in a row
        self._elsewhere = False  # redirected to a host that the credentials are not for
        self.is_ours = False
        """Whether the credentials are added to each request here, for as long as the connection lasts."""

    def forget(self) -> None:
        """Send no credentials from now on: a redirect led to a host that they are not for."""
        self._elsewhere = True
        self._user = self._challenge = None
        self._password, self.is_ours = "", False

    def accepted(self) -> None:
        """Note a response that is not a refusal: the next refusal is the first one again."""
        self._logins = 0

    def header(self, given: str, method: str, uri: str, body: bytes) -> str:
        """Return the Authorization header of a request, or an empty string.

        Args:
            given: The header that the codec library wrote; its Digest is for the relay's own address.
            method: Method of the request.
            uri: Address in the request line, as the server sees it.
            body: Body of the request.
        """
        if self._user is None:
            return ""
        if self.is_ours and self._challenge is not None:
            self._met += 1
            value = authorization(self._challenge, method, uri, self._user, self._password, self._met, body)
            return value or ""
        if not given.lower().startswith("digest"):
            return given
        fields = parameters(given) | {"uri": uri}
        response = digest(fields, method, uri, self._user, self._password)
        return format_digest(fields | {"response": response or ""})

    def refused(self, headers: list[str], had_credentials: bool) -> str | None:
        """Choose how to log in after a refusal (401).

        Args:
            headers: The WWW-Authenticate headers of the response.
            had_credentials: Whether the refused request had an Authorization header.

        Returns:
            The challenge for the codec library, or None if the request is to be sent again with :meth:`header`.

        Raises:
            SourceFailed: Another attempt cannot help.
        """
        offered = challenges(headers)
        chosen = strongest(offered)
        given = self._user is not None
        earlier, self._logins = self._logins, self._logins + 1
        if chosen is None or not given or earlier >= MAX_LOGINS or (earlier and not chosen.stale):
            raise login_failed(offered, given, self._elsewhere)
        self._challenge, self._met = chosen, 0
        # The codec library tries once, and again only if the nonce was too old.
        tries = not earlier and (chosen.stale or not had_credentials)
        self.is_ours = self.is_ours or not (tries and self._is_known(chosen, offered))
        return None if self.is_ours else chosen.encode()

    def _is_known(self, chosen: LoginChallenge, offered: list[LoginChallenge]) -> bool:
        """Return whether the codec library can meet the challenge, and would choose it later as well."""
        if chosen.scheme == "basic":
            return True
        plain = chosen.get("algorithm") in ("", "MD5") and chosen.qop in ("", "auth")
        texts = (self._user or "", *(chosen.get(name) for name in ("realm", "nonce", "opaque")))
        alone = sum(each.scheme == "digest" for each in offered) == 1
        return plain and alone and not any(_ODD.search(text) for text in texts)
