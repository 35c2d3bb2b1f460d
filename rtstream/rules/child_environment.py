"""The environment of child processes: the variables on a list, and none that looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

# fmt: off
_NAMES = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "TERM",
    "COLUMNS", "LINES", "DISPLAY", "WAYLAND_DISPLAY", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT",
    "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES",
    "COMMONPROGRAMFILES", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS", "OS", "HTTP_PROXY", "HTTPS_PROXY",
    "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HF_HOME", "HF_ENDPOINT",
    "COVERAGE_PROCESS_START", "COVERAGE_FILE",
})
# fmt: on
_PREFIXES = (
    "LC_",
    "XDG_",
    "SSL_CERT_",
    "PYTHON",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "NUMEXPR_",
    "VECLIB_",
    "KMP_",
    "MALLOC_",
    "ORT_",
    "CUDA_",
    "NVIDIA_",
    "HF_HUB_",
    "FONTCONFIG_",
)
_USED_SECRETS = frozenset({"HF_TOKEN", "HF_HUB_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"})
_SECRET_NAME = re.compile(
    r"(KEYS?|TOKENS?|SECRETS?|PASS\w*|PASSWORDS?|PWD|CREDENTIALS?|CREDS?|BEARER|AUTH\w*|COOKIE)(_|$)"
)


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of ``environ`` that recorders, local models and other helpers need: locale, folders, libraries.

    API keys, tokens, webhook secrets, the program's own settings and proxies with a password are not among them.
    """
    return {name: value for name, value in environ.items() if _passed(name.upper(), value)}


def restart_environment(environ: Mapping[str, str]) -> dict[str, str] | None:
    """The variables with which a crashed engine can be started again from a note on the disk.

    Returns:
        Those of ``child_environment`` and the program's own settings. None if the engine uses a secret of its
        environment, such as its API key or the key of a model.
    """
    if any(value and _is_used_secret(name.upper(), value) for name, value in environ.items()):
        return None
    settings = {name: value for name, value in environ.items() if name.upper().startswith("RTSTREAM_")}
    return {**child_environment(environ), **settings}


def _is_used_secret(name: str, value: str) -> bool:
    login = "@" in value and (name.endswith("_PROXY") or "://" in value)
    if name.startswith("RTSTREAM_"):
        return login or _SECRET_NAME.search(name) is not None
    return name.endswith(("_API_KEY", "_AUTH_TOKEN")) or name in _USED_SECRETS or (login and name.endswith("_PROXY"))


def _passed(name: str, value: str) -> bool:
    listed = name in _NAMES or name.startswith(_PREFIXES)
    # A proxy may be written without a scheme, and a password may contain a slash.
    login = "@" in value and (name.endswith("_PROXY") or "://" in value)
    return listed and not login and _SECRET_NAME.search(name) is None
