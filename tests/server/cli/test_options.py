"""Options have the names and the help of the settings, except keys."""

from __future__ import annotations

import argparse

import pytest

from server.cli.options import COMMANDS, ENVIRONMENT_ONLY, add_options
from server.settings import RENAMED, option

pytestmark = pytest.mark.unit


def parser(command: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    add_options(made, COMMANDS[command])
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_no_key_is_an_option_because_command_lines_are_public(command: str) -> None:
    shown = parser(command).format_help()
    assert {"api_key", "model_api_key"} <= ENVIRONMENT_ONLY
    for name in ENVIRONMENT_ONLY:
        assert f"{option(name)} " not in shown


def test_only_what_is_given_is_set() -> None:
    given = parser("serve").parse_args(["--port", "0", "--no-tls-verify"])
    assert vars(given) == {"port": "0", "tls_verify": False}
    assert vars(parser("").parse_args([])) == {}


def test_an_option_of_an_earlier_version_names_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    for old in RENAMED:
        with pytest.raises(SystemExit):
            parser("serve").parse_args([option(old), "1"])
        assert option(old) not in parser("serve").format_help()
    assert len(RENAMED) <= capsys.readouterr().err.count("error:")


def test_the_help_has_the_default_and_the_variable() -> None:
    shown = " ".join(parser("serve").format_help().split())
    assert "(default 8740) [RTSTREAM_PORT]" in shown
