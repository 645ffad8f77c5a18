"""Temporal is asked where the operator or the data folder says; the default port is that of `hotline up`."""

import json
import sys
from pathlib import Path

import pytest

from hotline.cli.main import main
from hotline.settings import Settings
from hotline.temporal.connection import connect, known_address

RUNNING = {"temporal": {"pid": 1, "started_at": 1.0, "address": "127.0.0.1:7001"}}


@pytest.fixture(autouse=True)
def no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    for name in ("TEMPORAL_ADDRESS", "HOTLINE_TEMPORAL_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "127.0.0.1:7001"),
        ({"HOTLINE_TEMPORAL_PORT": "7002"}, "127.0.0.1:7002"),
        (
            {"HOTLINE_TEMPORAL_PORT": "7002", "TEMPORAL_ADDRESS": "temporal.example.com:7233"},
            "temporal.example.com:7233",
        ),
    ],
)
def test_the_address_is_the_named_one_or_that_of_the_running_service(
    variables: dict[str, str], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUNNING), encoding="utf-8")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert known_address(Settings(data_dir=tmp_path)) == address


@pytest.mark.parametrize("records", [None, "{}", "{", '{"temporal": {"pid": 1}}'])
async def test_without_an_address_the_port_of_this_machine_is_asked(records: str | None, tmp_path: Path) -> None:
    if records:
        (tmp_path / "run.json").write_text(records, encoding="utf-8")
    settings = Settings(data_dir=tmp_path)
    assert known_address(settings) is None
    assert (await connect(settings, lazy=True)).service_client.config.target_host == "127.0.0.1:7233"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TEMPORAL_PROFILE", "foo", "Profile 'foo' not found"),
        ("TEMPORAL_CONFIG_FILE", "broken.toml", "TOML parse error"),
        (
            "TEMPORAL_ADDRESS",
            "::",
            "Temporal at '::' cannot be connected to; check TEMPORAL_ADDRESS and TEMPORAL_TLS_*: ",
        ),
        ("TEMPORAL_TLS_CLIENT_CERT_DATA", "x", "check TEMPORAL_ADDRESS and TEMPORAL_TLS_*: Must have both client cert"),
    ],
)
def test_a_connection_configured_wrongly_is_told_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.toml").write_text("garbage = [", encoding="utf-8")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["hotline", "person", "list"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("hotline: ")
    assert said in told
