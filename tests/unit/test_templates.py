"""The words of messages: what templates may say, and how their mistakes are told before anything is sent."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.notifications.caller_links import Links
from activities.notifications.rendering import KIND_ZH, Templates, TemplatesError
from domain.case.actions import TABLE
from domain.incident import notices as incident_notices
from domain.incident.notices import NEWS, PREFIX
from hotline.courier import load_post
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.deliveries import Parcel
from readmodel.mailbox import Message
from tests.support.build import INCIDENT

NUMBER = "2608034711004"


def parcel(recipient: str = f"caller:{NUMBER}", kind: str = "reply") -> Parcel:
    at = datetime(2026, 8, 3, 4, tzinfo=UTC)
    message = Message(f"{NUMBER}-7-{recipient}", NUMBER, 7, recipient, kind, "回复了", "It was replied to", at, 1)
    return Parcel(message, "P3", None)


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return folder


def told(folder: Path) -> str:
    with pytest.raises(TemplatesError) as caught:
        Templates(folder)
    return str(caught.value)


def test_a_caller_is_told_in_the_language_of_the_route() -> None:
    words = Templates()
    assert "已处理并回复" in words.text(parcel(), "zh")
    assert "has been handled" in words.text(parcel(), "en")
    assert words.text(parcel(), "both").splitlines() == [words.text(parcel(), "zh"), words.text(parcel(), "en")]
    assert words.subject(parcel(), "both") == f"工单{NUMBER} 回复 · Case {NUMBER}: reply"


@pytest.mark.parametrize("kind", ["escalate", "register", "something_newer"])
def test_a_kind_without_a_template_has_the_default(kind: str) -> None:
    assert Templates().text(parcel("supervisor", kind), "zh") == "回复了 [P3] 2026-08-03 12:00"


@pytest.mark.parametrize("kind", KIND_ZH)
def test_every_kind_has_a_chinese_name_and_english_words(kind: str) -> None:
    zh, en = (Templates().subject(parcel("supervisor", kind), language) for language in ("zh", "en"))
    assert re.fullmatch(f"工单{NUMBER} [\u4e00-\u9fff]+", zh)
    assert re.fullmatch(f"Case {NUMBER}: [a-z ]+", en)


def test_every_notice_is_of_a_kind_that_has_a_name() -> None:
    """Of the actions that people take, of what the system does, of an incident."""
    system = {"escalate", "notice", "criticise", "credit", "recognise"}
    staff = {f"{PREFIX}{action}" for action in incident_notices._CONCERNED}
    assert {*KIND_ZH} == {*TABLE} | system | staff | {NEWS}


def test_the_number_of_an_incident_is_headed_as_one() -> None:
    about = parcel("supervisor", "incident_confirm")
    about = about._replace(message=about.message._replace(number=INCIDENT))
    assert Templates().subject(about, "both") == f"突发事件{INCIDENT} 确认 · Incident {INCIDENT}: confirm"


@pytest.mark.parametrize("kind", sorted({NEWS} | {"answer", "refuse", "reply"}))
def test_whatever_a_caller_is_told_has_words_of_its_own(kind: str) -> None:
    words = Templates(link=lambda _: "https://example.com/c/x", hotline=lambda: "88238777")
    for language in ("zh", "en"):
        told = words.text(parcel(kind=kind), language)
        assert told != words.text(parcel(kind="something_newer"), language).replace("something_newer", kind)
        assert [fact for fact in (NUMBER, "88238777") if fact not in told] == []


def test_a_caller_gets_his_link_and_staff_get_none() -> None:
    words = Templates(link=lambda parcel: f"https://example.com/c/{parcel.number}-{parcel.cycle}")
    for language in ("zh", "en"):
        assert f"https://example.com/c/{NUMBER}-1" in words.text(parcel(), language)
    assert "example.com" not in words.text(parcel("supervisor"), "both")


@pytest.mark.parametrize("kind", ["answer", "refuse", "reply", "urge"])
def test_the_number_to_dial_is_the_catalogues(kind: str) -> None:
    numbered, without = Templates(hotline=lambda: "01632 960777"), Templates()
    for language in ("zh", "en"):
        assert "01632 960777" in numbered.text(parcel(kind=kind), language)
        assert not re.search("hotline|88238777|None", without.text(parcel(kind=kind), language).lower()[14:])


def test_a_caller_hears_what_he_is_credited_with() -> None:
    message = parcel(kind="decide_credit")
    assert "回复了" in Templates().text(message, "zh")
    assert "It was replied to" in Templates().text(message, "en")


@pytest.mark.parametrize(
    ("catalogue", "number", "at", "quiet_until"),
    [
        ("zhongshan", "88238777", "12:00", None),
        ("england", "01632 960777", "05:00", datetime(2026, 8, 4, 6, tzinfo=UTC)),
    ],
)
def test_messages_are_at_home_where_the_catalogue_is(
    tmp_path: Path, catalogue: str, number: str, at: str, quiet_until: datetime | None
) -> None:
    """Four in the morning, UTC, is noon in Beijing; and midnight in London is no time to call, seven in Beijing is."""
    channels = tmp_path / "channels.toml"
    channels.write_text(
        """
        [channels.log]
        kind = "log"
        [channels.sms]
        kind = "sms"
        url = "http://127.0.0.1:1"
        [[routes]]
        to = "*"
        channels = ["log"]
        """,
        "utf-8",
    )
    file = DEFAULT_CATALOGUE.with_name(f"{catalogue}.toml")
    post = load_post(Settings(data_dir=tmp_path, channels=channels, catalogue=file))
    assert post is not None
    assert number in post.letter(parcel()).text
    assert at in post.letter(parcel("supervisor", "escalate")).text
    assert post.file.quiet_until("sms", f"caller:{NUMBER}", "P3", datetime(2026, 8, 3, 23, tzinfo=UTC)) == quiet_until


def test_an_operator_replaces_one_and_keeps_the_others(tmp_path: Path) -> None:
    words = Templates(write(tmp_path, "caller/reply.zh.txt", "{{ number }}办好了"))
    assert words.text(parcel(), "zh") == f"{NUMBER}办好了"
    assert "has been handled" in words.text(parcel(), "en")


def test_an_unknown_field_is_told_with_file_line_and_the_fields_there_are(tmp_path: Path) -> None:
    """Also where the sample would not come by."""
    text = "fine\n{% if kind == 'urge' %}{{ caller_name }}{% endif %}"
    problem = told(write(tmp_path, "staff/urge.zh.txt", text))
    assert problem.startswith(
        f"{tmp_path / 'staff/urge.zh.txt'}: line 2: there is no field caller_name; accepted: number"
    )


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("caller/reply.zh.txt", "one\n{{ number", "reply.zh.txt: line 2: "),
        ("caller/reply.zh.txt", "{{ number.owner }}", "cannot be filled in: "),
        ("caller/reply.zh.txt", "{{ ''.__class__.__mro__ }}", "cannot be filled in: "),
        ("caller/repl.zh.txt", "x", "is no template's name; accepted: caller/default.zh.txt"),
    ],
)
def test_other_mistakes_are_told_as_well(tmp_path: Path, name: str, text: str, problem: str) -> None:
    assert problem in told(write(tmp_path, name, text))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "is no folder" in told(tmp_path / "nowhere")


def test_the_link_that_is_sent_opens_the_door_and_is_the_same_when_it_is_sent_again(tmp_path: Path) -> None:
    channels = tmp_path / "channels.toml"
    routes = '[[routes]]\nto = "caller:*"\nchannels = ["log"]\n'
    channels.write_text(f'[channels.log]\nkind = "log"\n\n{routes}', "utf-8")
    settings = Settings(data_dir=tmp_path, channels=channels, public_url="https://hotline.example.com")
    post = load_post(settings)
    assert post is not None
    letter = post.letter(parcel())
    (link,) = re.findall(r"https://hotline\.example\.com/c/(\S+)", letter.text)[:1]
    assert Links(settings.links_secret_file).read(link, parcel().message.created_at)[:2] == (NUMBER, 1)
    assert post.letter(parcel()) == letter
