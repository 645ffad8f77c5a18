"""Settings: every variable documented and bounded, every refusal in words an operator can act on."""

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.shared.actors import Role
from hotline.settings import DEFAULT_CATALOGUE, Settings, SettingsError, require_encryption, variable
from tests.support.pages import ROOT
from tests.support.tls import CERTIFICATE, TLS_KEY


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("HOTLINE_"):
            monkeypatch.delenv(name)


def test_every_field_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_setting_is_read() -> None:
    files = (ROOT / "worker.py", *(ROOT / "api").rglob("*.py"), *(ROOT / "hotline").rglob("*.py"))
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    unread = [name for name in Settings.model_fields if not re.search(rf"settings\.{name}\b", code)]
    assert not unread, f"pass {unread} on, in api/app.py, worker.py or hotline/cli/"


def test_what_is_written_lies_in_the_data_folder() -> None:
    settings = Settings(data_dir=Path("/var/lib/hotline"))

    assert settings.database_url == "sqlite:////var/lib/hotline/hotline.db"
    assert settings.people_file == Path("/var/lib/hotline/people.json")
    assert settings.notification_log == Path("/var/lib/hotline/notifications.log")


def test_the_data_folder_does_not_move_with_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert Settings().data_dir == tmp_path / "data"


def test_the_default_catalogue_is_the_projects() -> None:
    assert Settings().catalogue == DEFAULT_CATALOGUE


def test_arguments_take_precedence_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_API_PORT", "8081")
    monkeypatch.setenv("HOTLINE_UI_PORT", "8234")
    settings = Settings(api_port=8090)

    assert (settings.api_port, settings.ui_port) == (8090, 8234)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_API_PORT", "")

    assert Settings().api_port == 8080


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("api_port", "99999", "less than or equal to 65535"),
        ("api_port", "http", "valid integer"),
        ("sql_wait_seconds", "-1", "greater than or equal to 0"),
        ("update_timeout_seconds", "0", "greater than 0"),
        ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("sandbox", "perhaps", "valid boolean"),
        ("courier_max_tries", "0", "greater than or equal to 1"),
    ],
)
def test_a_refusal_names_variable_value_and_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch, field: str, value: str, accepted: str
) -> None:
    monkeypatch.setenv(variable(field), value)

    with pytest.raises(SettingsError) as refused:
        Settings()
    assert str(refused.value).startswith(f"HOTLINE_{field.upper()}: ")
    assert accepted in str(refused.value)
    assert repr(value) in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.com",
        "https://id.example.com:8443/realms/water",
        "https://tenant.eu.auth0.com/",
        "http://localhost:8180/realms/water",
        "http://[::1]:8180/realms/water",
    ],
)
def test_an_issuer_is_encrypted_or_on_loopback(url: str) -> None:
    assert Settings(oidc_issuer=url, oidc_audience="hotline").oidc_issuer == url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com",
        "http://127.0.0.1.example.com",
        "id.example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@id.example.com",
        "https://id.example.com?realm=water",
        "https://id.example.com/#water",
        'https://id.example.com/"water',
        "https://id.example.com/a b",
    ],
)
def test_any_other_issuer_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="HOTLINE_OIDC_ISSUER: should be https"):
        Settings(oidc_issuer=url, oidc_audience="hotline")


def test_an_issuer_needs_an_audience() -> None:
    with pytest.raises(SettingsError, match="HOTLINE_OIDC_AUDIENCE: should be set"):
        Settings(oidc_issuer="https://id.example.com")


def test_roles_of_tokens_are_named_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_OIDC_ROLES", "/hotline/crew=crew, cn=agents=agent, admin")
    assert list(Settings().oidc_roles.items()) == [
        ("/hotline/crew", Role.CREW),
        ("cn=agents", Role.AGENT),
        ("admin", Role.ADMIN),
    ]


@pytest.mark.parametrize(
    "roles", ["caller", "x=owner", "x=system", "x=", "x=agent,x=crew", "agent,,crew", "Agent", " "]
)
def test_other_roles_of_tokens_are_refused(monkeypatch: pytest.MonkeyPatch, roles: str) -> None:
    monkeypatch.setenv("HOTLINE_OIDC_ROLES", roles)
    with pytest.raises(SettingsError, match=r"HOTLINE_OIDC_ROLES: should be role or value=role .*roles: agent"):
        Settings()


def test_a_refused_database_is_not_quoted_for_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATABASE_URL", "mysql://hotline:sesame@db/hotline")

    with pytest.raises(SettingsError, match=r"should start with sqlite:/// or postgresql\+psycopg://") as refused:
        Settings()
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///?timeout=1", "sqlite:///:memory:"])
def test_a_database_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^HOTLINE_DATABASE_URL: should .*sqlite:///"):
        Settings(database_url=url)


@pytest.mark.parametrize("url", ["ui.internal:8080", "http://ui.internal/temporal", "http://a:b@ui", "ftp://ui"])
def test_an_address_of_the_uis_server_has_no_path_or_password(url: str) -> None:
    assert Settings(temporal_ui_url="http://ui.internal:8080").temporal_ui_url
    with pytest.raises(SettingsError, match="HOTLINE_TEMPORAL_UI_URL"):
        Settings(temporal_ui_url=url)


def test_an_accepted_database_is_not_shown_for_its_password() -> None:
    assert "sesame" not in repr(Settings(database_url="postgresql+psycopg://hotline:sesame@db/hotline"))
    assert "sesame" not in repr(Settings(oidc_client_secret="sesame"))


def test_one_mistake_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_API_PORT", "0")
    monkeypatch.setenv("HOTLINE_UI_PORT", "0")

    with pytest.raises(SettingsError) as refused:
        Settings(database_url="mysql://db")
    assert len(str(refused.value).splitlines()) == 3


def test_settings_do_not_change_once_they_are_built() -> None:
    settings = Settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.api_port = 1  # type: ignore[misc]  # the very thing that is refused


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LocalHost"])
def test_the_loopback_needs_no_encryption(host: str) -> None:
    require_encryption(Settings(api_host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "fe80::1", "hotline.example.com"])  # noqa: S104 - nothing is bound
def test_any_other_address_needs_it_or_a_word_of_the_operator(host: str) -> None:
    with pytest.raises(SettingsError, match=f"HTTP on {host} is not encrypted.*HOTLINE_TLS_CERTIFICATE"):
        require_encryption(Settings(api_host=host))
    require_encryption(Settings(api_host=host, plain_http=True))
    served = Settings(api_host=host, tls_certificate=CERTIFICATE, tls_key=TLS_KEY)
    require_encryption(served)
    assert served.public_url.startswith("https://")


def test_a_certificate_and_its_key_belong_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        require_encryption(Settings(tls_certificate=CERTIFICATE))
    with pytest.raises(SettingsError, match=r"HOTLINE_TLS_KEY: .*/none.key is no file"):
        require_encryption(Settings(tls_certificate=CERTIFICATE, tls_key=tmp_path / "none.key"))
