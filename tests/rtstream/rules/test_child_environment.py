"""The environment of child processes."""

from __future__ import annotations

import pytest

from rtstream.rules.child_environment import child_environment, restart_environment

SECRETS = {
    "RTSTREAM_API_KEY": "a",
    "RTSTREAM_MODEL_API_KEY": "a",
    "OPENAI_API_KEY": "a",
    "ANTHROPIC_AUTH_TOKEN": "a",
    "ASSEMBLYAI_API_KEY": "a",
    "HF_TOKEN": "a",
    "HF_HUB_TOKEN": "a",
    "AWS_SECRET_ACCESS_KEY": "a",
    "GOOGLE_APPLICATION_CREDENTIALS": "/a",
    "WEBHOOK_SECRET": "a",
    "DATABASE_URL": "postgresql://u:p@h/d",
    "PGPASSWORD": "a",
    "XDG_SESSION_TOKEN": "a",
    "ORT_LICENSE_KEY": "a",
    "SSH_AUTH_SOCK": "/a",
    "https_proxy": "http://user:secret@proxy:3128",
    "HTTPS_PROXY": "user:secret@proxy:3128",
    "all_proxy": "socks5://user:sec/ret@proxy:1080",
    "HF_ENDPOINT": "https://user:sec ret@hub",
    "HF_HUB_BEARER": "a",
    "SOMETHING_NEW": "a",
}
USEFUL = {
    "PATH": "/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C",
    "TMPDIR": "/t",
    "XDG_CACHE_HOME": "/c",
    "SSL_CERT_FILE": "/s.pem",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONPATH": "/p",
    "CUDA_VISIBLE_DEVICES": "0",
    "HF_HUB_CACHE": "/h",
    "SystemRoot": r"C:\Windows",
    "http_proxy": "http://proxy:3128",
    "no_proxy": "localhost",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_or_an_unknown_variable_is_not_passed_on(name: str) -> None:
    assert child_environment(SECRETS | USEFUL).get(name) is None


def test_what_libraries_need_is_passed_on() -> None:
    assert child_environment(SECRETS | USEFUL) == USEFUL


@pytest.mark.parametrize(
    "name",
    [
        *("RTSTREAM_API_KEY", "RTSTREAM_MODEL_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_AUTH_TOKEN", "HF_TOKEN"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "https_proxy"),
    ],
)
def test_an_engine_that_uses_a_secret_of_its_environment_is_not_started_from_a_note(name: str) -> None:
    assert restart_environment({"PATH": "/bin", name: SECRETS[name]}) is None
    assert restart_environment({"PATH": "/bin", name: ""}) is not None


def test_a_note_holds_settings_and_harmless_variables_only() -> None:
    others = {"SSH_AUTH_SOCK": "/a", "DATABASE_URL": "postgresql://u:p@h/d", "GITHUB_TOKEN": "a"}
    settings = {"RTSTREAM_DATA_DIR": "/data", "RTSTREAM_SEGMENT_S": "4"}
    assert restart_environment({"PATH": "/bin", **settings, **others}) == {"PATH": "/bin", **settings}


def test_a_setting_with_a_login_is_not_written_to_a_note() -> None:
    assert restart_environment({"RTSTREAM_API_URL": "https://user:secret@host"}) is None
