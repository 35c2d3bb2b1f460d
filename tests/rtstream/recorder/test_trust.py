"""Certificates of sources are verified unless the settings say otherwise."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from rtstream.recorder.trust import certificates, tls_context


def test_the_environment_decides_which_certificates_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.pem"
    own.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert certificates() == str(own)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    found = certificates()
    assert found is not None
    assert Path(found).is_file()


def test_names_and_certificates_are_checked_only_where_they_are_wanted() -> None:
    strict, lax = tls_context(True), tls_context(False)
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)
