"""The file of channels: its content, and the problems that are reported."""

import base64
import pkgutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.email import NotifyEmail
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.wecombot import NotifyWeComBot
from pydantic import SecretStr, ValidationError

from activities.notifications import channels
from activities.notifications.channels import CONFIGS
from activities.notifications.channels.apprise import AppriseConfig, AppriseSender
from activities.notifications.routing import ChannelFile
from domain.shared.errors import FileError
from hotline.files.channels import load_channels

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "channels.toml"
ENVIRONMENT = {
    "DINGTALK_SECRET": "SEC0123456789abcdef",
    "DINGTALK_TOKEN": "0123456789abcdef0123456789abcdef",
    "MAIL_PASSWORD": "swordfish",
    "SMS_TOKEN": "swordfish",
    "CITY_WEBHOOK_SECRET": "whsec_" + base64.b64encode(b"s" * 32).decode(),
}


@pytest.fixture
def example() -> ChannelFile:
    return load_channels(EXAMPLE, ENVIRONMENT)


def problems(folder: Path, old: str = "", new: str = "", **environment: str) -> tuple[str, ...]:
    """Return the problems of the example with one change."""
    text = EXAMPLE.read_text("utf-8")
    assert old in text
    copy = folder / "channels.toml"
    copy.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(FileError) as caught:
        load_channels(copy, ENVIRONMENT | environment)
    return tuple(problem.removeprefix(f"{copy}: ") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("recipient", "names"),
    [
        ("caller:2608034711004", ["sms", "city"]),
        ("department:repair", ["repair_group"]),
        ("department:billing", ["log"]),
        ("supervisor", ["duty_mail", "log"]),
        ("owner:Chen Meiling", ["log"]),
        ("director:Luo Ping", ["log"]),
    ],
)
def test_the_most_exact_route_counts(example: ChannelFile, recipient: str, names: list[str]) -> None:
    assert example.channels_to(recipient, has_phone=True) == names


DOCUMENTED = {
    "wecombot://KEY": NotifyWeComBot,
    "dingtalk://${DINGTALK_SECRET}@${DINGTALK_TOKEN}": NotifyDingTalk,
    "feishu://TOKEN": NotifyFeishu,
    "mailtos://hotline:${MAIL_PASSWORD}@smtp.example.com:465?from=hotline@example.com&to=duty@example.com&mode=ssl": (
        NotifyEmail
    ),
}


@pytest.mark.parametrize("address", DOCUMENTED)
def test_each_address_of_the_example_opens_its_service(tmp_path: Path, address: str) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert address in text
    copy = tmp_path / "channels.toml"
    copy.write_text(text.replace("dingtalk://${DINGTALK_SECRET}@${DINGTALK_TOKEN}", address), "utf-8")
    group = load_channels(copy, ENVIRONMENT).channels["repair_group"]
    assert isinstance(group, AppriseConfig)
    assert type(AppriseSender(group)._service()) is DOCUMENTED[address]


def test_a_case_without_telephone_gets_no_text_message(example: ChannelFile) -> None:
    assert example.channels_to("caller:2608034711004", has_phone=False) == ["city"]


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-09-07T13:59:59", None),
        ("2026-09-07T14:00:00", "2026-09-07T23:00:00"),
        ("2026-09-07T22:59:59", "2026-09-07T23:00:00"),
        ("2026-09-07T23:00:00", None),
    ],
)
def test_quiet_hours_are_local_and_pass_midnight(example: ChannelFile, at: str, until: str | None) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    expected = until and datetime.fromisoformat(until).replace(tzinfo=UTC)
    assert example.quiet_until("sms", "caller:2608034711004", "P3", instant) == expected
    assert example.quiet_until("sms", "former_caller:2608034711004", "P3", instant) == expected
    assert example.quiet_until("sms", "caller:2608034711004", "P2", instant) is None
    assert example.quiet_until("duty_mail", "supervisor", "P3", instant) is None


@pytest.mark.parametrize("channel", ["city", "log"])
def test_programs_have_no_quiet_hours(example: ChannelFile, channel: str) -> None:
    midnight = datetime(2026, 9, 7, 16, tzinfo=UTC)
    assert example.quiet_until("sms", "caller:2608034711004", "P3", midnight) is not None
    assert example.quiet_until(channel, "caller:2608034711004", "P3", midnight) is None


@pytest.mark.parametrize(
    ("recipient", "names"),
    [
        ("caller:2608034711004", ["city"]),
        ("department:repair", ["repair_group", "city"]),
        ("owner:Chen Meiling", ["city"]),
    ],
)
def test_a_program_may_have_a_copy_of_everything_once(tmp_path: Path, recipient: str, names: list[str]) -> None:
    """The most exact route does not matter, and there may be none."""
    text = EXAMPLE.read_text("utf-8").replace('kind = "webhook"', 'kind = "webhook"\ncopies = true')
    copy = tmp_path / "channels.toml"
    copy.write_text(text.replace('to = "*"', 'to = "director"'), "utf-8")
    assert load_channels(copy, ENVIRONMENT).channels_to(recipient, has_phone=False) == names


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('kind = "sms"', 'kind = "pigeon"', f"channels.sms.kind: accepted: {', '.join(CONFIGS)}"),
        (
            'kind = "log"',
            'kind = "log"\nfile = "x"',
            "channels.log.file: is no key of this table; accepted: copies",
        ),
        ('kind = "sms"', 'kind = "sms"\ncopies = true', "channels.sms.copies: is no key of this table; accepted: "),
        ('"https://sms', '"ftp://sms', "channels.sms.url: "),
        (
            "timeout_seconds = 8",
            "timeout_seconds = 800",
            "channels.sms.timeout_seconds: must be less than or equal to 60",
        ),
        ("dingtalk://", "dingdong://", "channels.repair_group.url: Apprise cannot read it; accepted: one address in"),
        ('to = "department:repair"', 'to = "plumber"', "routes[1].to: accepted: *, or one of admin, agent, assignee"),
        (
            'to = "department:repair"',
            'to = "department"',
            "routes[1].to: accepted: department:* or department: and whom",
        ),
        (
            '["repair_group"]',
            '["repairs"]',
            "the route to department:repair names the channel repairs; accepted: repair",
        ),
        (
            '["repair_group"]',
            '["sms"]',
            "the route to department:repair takes sms, which writes to the caller; accepted",
        ),
        ('to = "supervisor"', 'to = "*"', "* has 2 routes; accepted: one"),
        ("22:00:00", '"late"', "quiet_hours.start: "),
        ("Asia/Shanghai", "Asia/Zhongshan", "quiet_hours.time_zone: must be a time zone of the tz database"),
        (
            'secret = "${CITY_WEBHOOK_SECRET}"',
            "",
            "channels.city.secret: is missing; accepted: whsec_ and 24 to 64 bytes",
        ),
        ("[quiet_hours]", "[quiet_hours", "is no valid TOML"),
    ],
)
def test_a_problem_names_its_key_and_what_is_accepted(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert any(problem in told for told in problems(tmp_path, old, new)), problems(tmp_path, old, new)


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        ("[[routes]]\nto = 'plumber'\nchannels = ['log']\n", "routes[0].to: accepted: "),
        ("[[routes]]\nto = '*'\nchannels = ['NO CODE']\n", "routes[0].channels[0]: String should match"),
        ("[[routes]]\nto = '*'\nchannels = []\n", "routes[0].channels: List should have at least 1 item"),
        ("routes = []\n", "routes: List should have at least 1 item"),
    ],
)
def test_a_list_is_too_short_only_if_it_has_no_items(tmp_path: Path, routes: str, problem: str) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(f"{routes}[channels.log]\nkind = 'log'\n", "utf-8")
    with pytest.raises(FileError) as caught:
        load_channels(file)
    (told,) = caught.value.problems
    assert told.startswith(f"{file}: {problem}")


def test_a_missing_variable_is_named_and_secrets_are_not_shown(tmp_path: Path) -> None:
    told = problems(tmp_path, "${SMS_TOKEN}", "${NO_SUCH}", CITY_WEBHOOK_SECRET="whsec_opensesame")
    assert any("channels.sms.headers.Authorization: needs the environment variable NO_SUCH" in line for line in told)
    assert any("channels.city.secret: is no secret of a webhook" in line for line in told)
    assert "opensesame" not in "".join(told)
    assert "swordfish" not in repr(load_channels(EXAMPLE, ENVIRONMENT))


def test_every_kind_of_channel_is_one_module() -> None:
    modules = {module.name for module in pkgutil.iter_modules(channels.__path__)} - {"base"}
    assert modules == {*CONFIGS}
    assert all(config.__module__ == f"{channels.__name__}.{kind}" for kind, config in CONFIGS.items())


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        load_channels(tmp_path / "nowhere.toml")


METADATA = ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "0.0.0.0", "224.0.0.1"]  # noqa: S104 - refused


@pytest.mark.parametrize("host", METADATA)
def test_a_receiver_at_an_address_of_the_cloud_is_refused(host: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "https://sms.example.com", f"http://{host}")
    assert "channels.sms.url" in found
    assert "accepted: a receiver in your network" in found
    assert host not in found


@pytest.mark.parametrize("url", ["json://169.254.169.254/latest", "mailto://u:p@example.com?smtp=169.254.169.254"])
def test_apprise_sends_to_no_such_address_either(url: str) -> None:
    with pytest.raises(ValidationError, match="accepted: a receiver in your network"):
        AppriseConfig(kind="apprise", url=SecretStr(url))
