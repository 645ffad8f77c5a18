"""Settings of the service: environment variables `HOTLINE_*`, typed, bounded and read once in a main.

How to reach Temporal elsewhere is not among them: that is `TEMPORAL_ADDRESS` and its relatives
(`hotline.temporal.connection`).
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.calendar.work_calendar import ZoneName
from domain.shared.actors import STAFF_ROLES, Role
from domain.shared.errors import OperatorError, message
from domain.shared.value import exhaustive

VARIABLE_PREFIX = "HOTLINE_"
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound here
"""Every interface of the machine: no name that a client could ask for."""
DEFAULT_CATALOGUE = Path(__file__).resolve().parent / "catalogues" / "zhongshan.toml"
DATABASE_SCHEMES = ("sqlite:///", "postgresql+psycopg://")


class SettingsError(OperatorError, ValueError):
    """Error of a value that is not accepted; the text names the variable and the accepted values."""


def _known_database(url: str) -> str:
    if not url.startswith(DATABASE_SCHEMES):
        # The value is not quoted: it may hold a password.
        raise ValueError(f"should start with {' or '.join(DATABASE_SCHEMES)}")
    if url.partition("?")[0] in ("sqlite:///", "sqlite:///:memory:"):
        raise ValueError("should name a file, which the processes share, as in sqlite:///data/hotline.db")
    return url


def _encrypted_or_here(url: str) -> str:
    if not ISSUER.fullmatch(url) or not (url.startswith("https:") or _is_loopback(urlsplit(url).hostname or "")):
        raise ValueError("should be https://host/path, or http:// with a loopback address, without a query")
    return url


def _given_with_issuer(audience: str, info: ValidationInfo) -> str:
    if info.data.get("oidc_issuer") and not audience:
        raise ValueError("should be set, as HOTLINE_OIDC_ISSUER is")
    return audience


def _roles_by_value(text: object) -> object:
    if not isinstance(text, str):
        return text
    entries = [entry.rpartition("=") for entry in text.split(",")]
    roles = {(value or role).strip(): role.strip() for value, _, role in entries}
    if len(roles) < len(entries) or not all(roles) or not set(roles.values()) <= TOKEN_ROLES.keys():
        accepted = ", ".join(TOKEN_ROLES)
        raise ValueError(f"should be role or value=role with commas between them, each value once; roles: {accepted}")
    return {value: TOKEN_ROLES[role] for value, role in roles.items()}


ISSUER = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[!$-;=A-\[\]_a-z~]*)?")
TOKEN_ROLES = {role.value: role for role in Role if role in STAFF_ROLES}
"""Roles that an access token may give."""
ClaimName = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,200}$")]
AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Settings of the service; keyword arguments come before the environment. Raises SettingsError."""

    model_config = SettingsConfigDict(
        env_prefix=VARIABLE_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    data_dir: AbsolutePath = Field(Path("data"), validate_default=True)
    """Folder for all that the service writes; made if missing, for its owner alone."""

    database_url: Annotated[str, AfterValidator(_known_database)] = Field(
        default_factory=lambda values: f"sqlite:///{values['data_dir'] / 'hotline.db'}", repr=False
    )
    """Read model: `sqlite:///<path>` or `postgresql+psycopg://...`."""

    people_file: AbsolutePath = Field(default_factory=lambda values: values["data_dir"] / "people.json")
    """The API's copy of people and hashed keys, for a start while SQL is down."""

    people_seconds: float = Field(5.0, ge=0.1, le=300)
    """Seconds until a revoked key or changed person counts in every API process, while SQL answers."""

    unknown_people: Literal["allow", "refuse"] = "refuse"
    """`allow` takes assignees, and first owners by an administrator, that nobody knows; `hotline up` sets it."""

    keys_file: AbsolutePath = Field(default_factory=lambda values: values["data_dir"] / "keys.json")
    """Keys that seal what Temporal stores, links and sessions; made if no store holds cases."""

    keys: str = Field("", repr=False)
    """Content of such a file, which counts instead of it."""

    catalogue: AbsolutePath = DEFAULT_CATALOGUE
    """TOML file of services, departments, clocks and calendar, until a catalogue is applied."""

    catalogues_dir: AbsolutePath = Field(default_factory=lambda values: values["data_dir"] / "catalogues")
    """Catalogues that were in force; the same folder for every API process."""

    notification_log: AbsolutePath = Field(default_factory=lambda values: values["data_dir"] / "notifications.log")
    """File of the log channel, one JSON object per line."""

    channels: AbsolutePath | None = None
    """TOML file of channels and routes; without it the log is the only channel."""

    templates: AbsolutePath | None = None
    """Folder of templates that replace or add to the service's."""

    api_host: str = Field("127.0.0.1", min_length=1)
    """Address the API listens on; `0.0.0.0`: every interface."""

    api_port: Port = 8080
    """TCP port of the API."""

    tls_certificate: AbsolutePath | None = None
    """PEM file of the certificate and its chain, for HTTPS. It needs HOTLINE_TLS_KEY."""

    tls_key: AbsolutePath | None = None
    """PEM file of the certificate's private key, without a passphrase."""

    plain_http: bool = False
    """Serve HTTP without TLS to other machines, as behind a proxy in a network that is yours."""

    public_url: str = Field(
        default_factory=lambda values: (
            f"http{'s' if values['tls_certificate'] else ''}://{values['api_host']}:{values['api_port']}"
        ),
        pattern=r"^https?://[^/]+$",
    )
    """Address of the API in links and at the OIDC issuer; https makes cookies secure."""

    allowed_hosts: str = Field("", pattern=r"^[A-Za-z0-9.:, -]*$")
    """Further names and addresses, comma-separated, that API and Temporal UI answer to, as for a probe."""

    guesses_per_minute: int = Field(60, ge=1, le=100_000)
    """Most wrong keys and links of one address in a minute; then 429."""

    writes_per_minute: int = Field(240, ge=0, le=1_000_000)
    """Most requests of a person in a minute that may change something; then 429. 0: no limit."""

    reads_per_minute: int = Field(600, ge=0, le=1_000_000)
    """Most requests of a person in a minute that read; then 429. 0: no limit."""

    actions_per_case: int = Field(30, ge=0, le=1_000_000)
    """Most actions of staff on a case or incident in a minute, as many of its caller; then 429. 0: no limit."""

    incidents_per_hour: int = Field(10, ge=0, le=1_000_000)
    """Most incidents that a person, no administrator, declares in an hour. 0: no limit."""

    oidc_issuer: Annotated[str, AfterValidator(_encrypted_or_here)] | None = None
    """OIDC issuer whose access tokens are accepted beside API keys, exactly as in their `iss`."""

    oidc_audience: Annotated[str, AfterValidator(_given_with_issuer)] = Field(
        "", pattern=r"^[!#-\[\]-~]{0,200}$", validate_default=True
    )
    """The service in `aud` of access tokens. Needed with HOTLINE_OIDC_ISSUER."""

    oidc_client_id: str = Field("", pattern=r"^[!-~]{0,200}$")
    """Client at the issuer for sign-in in a browser; without it people sign in by key."""

    oidc_client_secret: str = Field("", repr=False)
    """Secret of that client; none for a public one, which PKCE alone protects."""

    oidc_person_claim: ClaimName = "sub"
    """Claim of the person's id, which nobody may change for themselves. A dotted path leads into nested claims."""

    oidc_name_claim: ClaimName = "name"
    """Claim of the name that is shown."""

    oidc_role_claim: ClaimName = "hotline_role"
    """Claim of the role: text or a list, as `realm_access.roles`."""

    oidc_roles: Annotated[dict[str, Role], NoDecode, BeforeValidator(_roles_by_value)] = Field(
        "agent,crew,dispatcher,follow_up,supervisor,manager,admin", validate_default=True
    )
    """Roles by value of the claim, as `role` or `value=role`. Of several in a token, the first named here counts."""

    oidc_department_claim: ClaimName = "hotline_department"
    """Claim of the department, by code or full name. A crew needs it."""

    temporal_port: Port = 7233
    """TCP port of the Temporal that `hotline up` starts; without `TEMPORAL_ADDRESS`, all programs ask it."""

    temporal_file: AbsolutePath | None = None
    """SQLite file of the embedded Temporal, which readiness watches. `hotline up` sets it."""

    ui_port: Port = 8233
    """TCP port at which `hotline up` leads to the Temporal UI under `/temporal` of the API."""

    temporal_ui_url: str | None = Field(None, pattern=r"^https?://[^/?#@]+$")
    """Server of the Temporal UI, which the API shows under `/temporal`. `hotline up` sets it."""

    task_queue: str = Field("hotline", min_length=1, max_length=200)
    """Temporal task queue of API and worker."""

    unsafe_at_power_loss: bool = False
    """Answer before SQLite has reached the disk: faster, but a power cut loses answered cases and actions."""

    sandbox: bool = False
    """Run workflows in the SDK's sandbox; takes a worker a third more processor time."""

    max_cached_workflows: int = Field(1000, ge=0, le=100_000)
    """Cases a worker keeps in memory. 0 replays every case on every task."""

    update_timeout_seconds: float = Field(8.0, gt=0, le=60)
    """Seconds the API waits for Temporal to answer an action before it answers 503."""

    sql_wait_seconds: float = Field(2.0, ge=0, le=30)
    """Seconds the API waits for its write to SQL before it answers 202."""

    caller_lookup_seconds: float = Field(0.15, ge=0, le=5)
    """Most seconds a registration waits for data about its caller. 0: no lookup, and no flag by it."""

    calls_timezone: ZoneName | None = None
    """Time zone of call detail records; UTC for `usegmtime`. Default: the catalogue's."""

    calls_contexts: str = Field("", pattern=r"^[!-~ ]*$")
    """Contexts (`dcontext`) of calls to the hotline, comma-separated; without any, every call counts."""

    calls_menu: bool = False
    """True: a menu answers calls before a telephone rings, so the channel's answer is ignored."""

    body_limit_bytes: int = Field(65_536, ge=1024, le=16_777_216)
    """Largest request body, in bytes."""

    request_seconds: float = Field(10.0, gt=0, le=300)
    """Seconds for the head of a request to arrive, then its body, then for its answer to be taken."""

    connections: int = Field(800, ge=1, le=100_000)
    """Most connections of one API process; keep it 200 below the limit of open files."""

    connections_per_address: int = Field(256, ge=1, le=100_000)
    """Most connections of one address; behind a proxy, all have the proxy's."""

    courier_poll_seconds: float = Field(1.0, ge=0.05, le=300)
    """Seconds between two queries of the courier for due notifications."""

    courier_max_tries: int = Field(36, ge=1, le=100)
    """Tries before a notification is a dead letter: 36 take 12 to 25 hours, each more half an hour to one."""

    watch_seconds: float = Field(5.0, ge=0.1, le=300)
    """Seconds between two queries for surges: many calls about one service from one district."""

    reconcile_seconds: float = Field(30.0, ge=0.1, le=300)
    """Seconds between two comparisons of lately changed cases in Temporal with SQL."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log entry that is written."""

    log_json: bool = False
    """Write logs as one JSON object per line."""

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - pydantic checks each value by its field
        try:
            super().__init__(**values)
        except ValidationError as error:
            # The error of a derived default only repeats that of the setting it derives from.
            faults = [fault for fault in error.errors() if fault["type"] != "default_factory_not_called"]
            raise SettingsError("\n".join(map(_explain, faults))) from None


_BY_DEFAULT = Settings.model_fields["oidc_roles"].default.split(",")
exhaustive("default of oidc_roles", TOKEN_ROLES, {*_BY_DEFAULT, Role.TELEPHONY})  # a machine has a key


def variable(field: str) -> str:
    return VARIABLE_PREFIX + field.upper()


def require_encryption(settings: Settings) -> None:
    """Raise SettingsError if what the API answers could be read on its way, unless the operator has allowed it."""
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise SettingsError(f"{variable('tls_certificate')} and {variable('tls_key')} belong together; accepted: both")
    for name in ("tls_certificate", "tls_key"):
        if (file := getattr(settings, name)) and not file.is_file():
            raise SettingsError(f"{variable(name)}: {file} is no file; accepted: a file in PEM format")
    if settings.tls_certificate or settings.plain_http or _is_loopback(settings.api_host):
        return
    raise SettingsError(
        f"HTTP on {settings.api_host} is not encrypted: keys and callers' data could be read on the way. Accepted:"
        f" {variable('tls_certificate')} and {variable('tls_key')}; or a loopback address, behind a proxy with TLS;"
        f" or {variable('plain_http')}=true, if only such a proxy reaches the address"
    )


def hosts_of(settings: Settings) -> frozenset[str]:
    """Names that the API answers to: loopback, its own address, that of its public URL, and the allowed."""
    allowed = (name.strip() for name in settings.allowed_hosts.split(","))
    named = {"localhost", "127.0.0.1", "::1", settings.api_host, urlsplit(settings.public_url).hostname or "", *allowed}
    return frozenset(name.lower() for name in named if name and name not in ANY_ADDRESS)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _explain(fault: ErrorDetails) -> str:
    field = str(fault["loc"][0])
    meant = Settings.model_fields.get(field)
    about = f" ({meant.description})" if meant and meant.description else ""
    given = "" if field == "database_url" else f", not {fault['input']!r}"
    return f"{variable(field)}: {message(fault)}{given}{about}"
