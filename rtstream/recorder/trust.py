"""Trusted certificates of TLS connections to sources."""

from __future__ import annotations

import os
import ssl
from pathlib import Path


def certificates() -> str | None:
    """The file of trusted certificates, from the environment, else the system, else certifi."""
    paths = ssl.get_default_verify_paths()
    for path in (os.environ.get("SSL_CERT_FILE"), paths.cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if path and Path(path).is_file():
            return path
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()


def tls_context(verify: bool) -> ssl.SSLContext:
    """Settings of a TLS connection; without ``verify`` any certificate is accepted."""
    if verify:
        context = ssl.create_default_context(cafile=certificates())
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
