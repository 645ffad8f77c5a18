"""Templates of notifications: their fields, and the problems that are reported at the start."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.notifications.channels.base import DeliveryError
from activities.notifications.texts import KIND_ZH, Sender, Templates
from activities.sealing.keys import Links
from domain.assessment.assessment import ASSESSMENT_KINDS, ASSESSMENT_PREFIX
from domain.case.actions import TABLE
from domain.case.actions.reply import Replied
from domain.incident.incident import INCIDENT_KINDS, INCIDENT_PREFIX, NEWS
from domain.shared.errors import FileError
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.notifications import Delivery, NotificationRow
from tests.support.build import INCIDENT
from tests.support.channels import config_of
from tests.support.rings import ring_at

NUMBER = "2608034711004"


def delivery(recipient: str = f"caller:{NUMBER}", kind: str = "reply") -> Delivery:
    at = datetime(2026, 8, 3, 4, tzinfo=UTC)
    texts = ("回复了", "It was replied to")
    notification = NotificationRow(f"{NUMBER}-7-{recipient}", NUMBER, 7, recipient, kind, *texts, at)
    return Delivery(notification, 1, "P3", None, may_link=recipient.startswith("caller:"))


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return folder


def told(folder: Path) -> str:
    with pytest.raises(FileError) as caught:
        Templates(folder)
    return str(caught.value)


def test_a_caller_is_told_in_the_language_of_the_route() -> None:
    words = Templates()
    assert "已处理并回复" in words.render(delivery(), "zh").text
    assert "has been handled" in words.render(delivery(), "en").text
    zh, en, both = (words.render(delivery(), language).text for language in ("zh", "en", "both"))
    assert both.splitlines() == [zh, en]
    assert words.render(delivery(), "both").subject == f"工单{NUMBER} 回复 · Case {NUMBER}: reply"


@pytest.mark.parametrize("kind", ["escalate", "register", "something_newer"])
def test_a_kind_without_a_template_has_the_default(kind: str) -> None:
    assert Templates().render(delivery("supervisor", kind), "zh").text == "回复了 [P3] 2026-08-03 12:00"


@pytest.mark.parametrize("kind", KIND_ZH)
def test_every_kind_has_a_chinese_name_and_english_words(kind: str) -> None:
    zh, en = (Templates().render(delivery("supervisor", kind), language).subject for language in ("zh", "en"))
    of_month = kind.startswith(ASSESSMENT_PREFIX)
    assert re.fullmatch(f"{'考核' if of_month else '工单'}{NUMBER} [\u4e00-\u9fff]+", zh)
    assert re.fullmatch(f"{'Assessment' if of_month else 'Case'} {NUMBER}: [a-z -]+", en)


def test_every_notice_is_of_a_kind_that_has_a_name() -> None:
    """Of the actions that people take, of what the system does, of an incident, of an assessment."""
    system = {"escalate", "notice", "criticise", "credit", "left_out", "recognise"}
    staff = {f"{INCIDENT_PREFIX}{kind.name}" for kind in INCIDENT_KINDS.values() if kind.is_notified}
    months = {f"{ASSESSMENT_PREFIX}{kind.name}" for kind in ASSESSMENT_KINDS.values() if kind.is_notified}
    untold = {"unsubscribe", "subscribe"}
    assert {*KIND_ZH} == {*TABLE} - untold | system | staff | months | {NEWS}


def test_the_number_of_an_incident_is_headed_as_one() -> None:
    about = delivery("supervisor", "incident_confirm")
    about = about._replace(notification=about.notification._replace(number=INCIDENT))
    assert Templates().render(about, "both").subject == f"突发事件{INCIDENT} 确认 · Incident {INCIDENT}: confirm"


@pytest.mark.parametrize("kind", sorted({NEWS} | {"answer", "correct", "refuse", "reply", "send_link"}))
def test_every_kind_told_to_callers_has_its_own_template(kind: str) -> None:
    words = Templates(link=lambda _: "https://example.com/c/x", sender=lambda: Sender(hotline="88238777"))
    for language in ("zh", "en"):
        told = words.render(delivery(kind=kind), language).text
        usual = words.render(delivery(kind="something_newer"), language).text.replace("something_newer", kind)
        assert told != usual.replace("something newer", kind.removeprefix(INCIDENT_PREFIX))
        assert [fact for fact in (NUMBER, "88238777") if fact not in told] == []


def test_the_callers_telephone_alone_gets_the_words_of_a_reply() -> None:
    words = Templates(sender=lambda: Sender("中山供水热线", "Zhongshan Water"))
    replied = delivery()._replace(reply=Replied(message="阀门已更换。"))
    assert words.render(replied, "zh", to_phone=True).text.startswith("【中山供水热线】您反映的事项")
    assert "已处理并回复：“阀门已更换”。" in words.render(replied, "zh", to_phone=True).text
    assert words.render(replied, "en", to_phone=True).text.startswith("Zhongshan Water: your case")
    assert 'replied to: "阀门已更换". We will call' in words.render(replied, "en", to_phone=True).text
    for language in ("zh", "en"):
        long = words.render(replied._replace(reply=Replied(message="水" * 2000)), language, to_phone=True).text
        assert ("水" * 199 + "…" in long, len(long) < 400) == (True, True)
        # As a copy for a program, say.
        assert "阀门" not in words.render(replied, language).text
        assert (
            "阀门"
            in words.render(
                delivery()._replace(reply=Replied(message="阀门已更换。", incident=INCIDENT)), language
            ).text
        )


@pytest.mark.parametrize("kind", ["answer", "correct", "decide_credit", "refuse", "reply", "send_link", "follow_up"])
def test_texts_have_no_codes_and_chinese_ones_full_punctuation(kind: str) -> None:
    words = Templates(sender=lambda: Sender(hotline="88238777"))
    for state in ("closed", "pending_follow_up"):
        told = delivery(kind=kind)._replace(state=state, reply=Replied(message="好了"), phone="13800138000")
        assert "_" not in words.render(told, "en", to_phone=True).text
        assert not re.search("[,:;()?]", words.render(told, "zh", to_phone=True).text)


def test_a_callers_telephone_gets_a_link_and_nobody_else_does() -> None:
    words = Templates(link=lambda delivery: f"https://example.com/c/{delivery.number}-{delivery.cycle}")
    for language in ("zh", "en"):
        for kind in ("reply", "send_link"):
            assert (
                f"https://example.com/c/{NUMBER}-1" in words.render(delivery(kind=kind), language, to_phone=True).text
            )
            # As a copy, say, or for a route of callers to a mail: whoever reads it could act as the caller.
            assert "example.com" not in words.render(delivery(kind=kind), language).text
    for nobody in (delivery("supervisor"), delivery()._replace(may_link=False), delivery(f"former_caller:{NUMBER}")):
        assert "example.com" not in words.render(nobody, "both", to_phone=True).text


@pytest.mark.parametrize("kind", ["answer", "refuse", "reply", "urge"])
def test_the_number_to_dial_is_the_catalogues(kind: str) -> None:
    numbered, without = Templates(sender=lambda: Sender(hotline="01632 960777")), Templates()
    for language in ("zh", "en"):
        assert "01632 960777" in numbered.render(delivery(kind=kind), language).text
        assert not re.search("hotline|88238777|None", without.render(delivery(kind=kind), language).text.lower()[14:])


def test_a_caller_hears_what_he_is_credited_with() -> None:
    credited = delivery(kind="decide_credit")
    assert "回复了" in Templates().render(credited, "zh").text
    assert "It was replied to" in Templates().render(credited, "en").text


@pytest.mark.parametrize(
    ("catalogue", "number", "at", "quiet_until"),
    [
        ("zhongshan", "88238777", "12:00", None),
        ("england", "01632 960777", "05:00", datetime(2026, 8, 4, 6, tzinfo=UTC)),
    ],
)
def test_notifications_use_the_time_zone_and_number_of_the_catalogue(
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
    config = config_of(Settings(data_dir=tmp_path, channels=channels, catalogue=file))
    assert number in config.render(delivery()).text
    assert at in config.render(delivery("supervisor", "escalate")).text
    assert (
        config.channels.quiet_until("sms", f"caller:{NUMBER}", "P3", datetime(2026, 8, 3, 23, tzinfo=UTC))
        == quiet_until
    )


def test_an_operator_replaces_one_and_keeps_the_others(tmp_path: Path) -> None:
    words = Templates(write(tmp_path, "caller/reply.zh.txt", "{{ number }}办好了"))
    assert words.render(delivery(), "zh").text == f"{NUMBER}办好了"
    assert "has been handled" in words.render(delivery(), "en").text


def test_an_unknown_field_is_reported_with_file_line_and_fields(tmp_path: Path) -> None:
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
def test_other_problems_are_reported(tmp_path: Path, name: str, text: str, problem: str) -> None:
    assert problem in told(write(tmp_path, name, text))


NESTED = "{% for a in range(900) %}" * 3 + "x" + "{% endfor %}" * 3
ENDLESS = [
    NESTED,
    NESTED.replace("range(900)", "text_zh * 100"),
    "{% for a in range(99999) recursive %}{{ loop(range(99999)) }}{% endfor %}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include 'caller/reply.zh.txt' %}{% include 'caller/reply.zh.txt' %}",
    "{% for a in range(900) %}{{ range(99999)|sum }}{% endfor %}",
    "{{ lipsum(n=10000000) }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ (9 ** 9 ** 9) > 1 }}",
    "{{ 'x' * 10000000000 }}",
    "{{ ([number] * 100000) | join * 100000 }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ '{:10000000000}'.format(1) }}",
    "{{ number|center(10000000000) }}",
    "{{ number.ljust(10000000000) }}",
    "{{ [1]|slice(10000000000)|list|length }}",
    "{% set x = number %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
    "{% set x = number %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "{% set x = number %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x }}",
    "{% set x = number %}" + "{% set x = [x, x, x]|join %}" * 60 + "{{ x }}",
    "{% set x = number %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "{% set x = number %}" + "{% set x = {1: x, 2: x} %}" * 60 + "{{ x|string }}",
    "{{ ([text_zh * 10000] * 10000)|join }}",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ENDLESS)
def test_a_template_without_end_is_reported_at_the_start(tmp_path: Path, text: str) -> None:
    assert "caller/reply.zh.txt: cannot be filled in: " in told(write(tmp_path, "caller/reply.zh.txt", text))


@pytest.mark.timeout(20)
def test_a_template_that_only_some_notification_makes_endless_fails_for_that_one(tmp_path: Path) -> None:
    """Its delivery fails, with a reason that operators see; the others go on."""
    words = Templates(write(tmp_path, "caller/reply.zh.txt", f"{{% if said %}}{NESTED}{{% endif %}}{{{{ number }}}}"))
    assert words.render(delivery(), "zh").text == NUMBER
    with pytest.raises(DeliveryError, match="its template takes more than 20,000 steps; accepted: "):
        words.render(delivery()._replace(reply=Replied(message="已修好", incident=INCIDENT)), "zh")
    assert words.render(delivery(), "zh").text == NUMBER


def test_a_template_may_use_what_ends(tmp_path: Path) -> None:
    text = (
        "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{% set all = [number, kind] %}"
        "{% for each in all %}{{ loop.index }}/{{ loop.length }} {{ twice(each) }}{% if not loop.last %}, {% endif %}"
        "{% endfor %} {{ all|join('+') }} {{ state|default('-', true) }} {{ 7 * 6 % 5 }} {{ kind|upper ~ '!' }}"
    )
    shown = Templates(write(tmp_path, "caller/reply.zh.txt", text)).render(delivery(), "zh").text
    assert shown.startswith(f"1/2 {NUMBER}{NUMBER}, 2/2 replyreply {NUMBER}+reply ")
    assert shown.endswith(" 2 REPLY!")


def test_a_template_has_no_filter_that_formats(tmp_path: Path) -> None:
    assert "No filter named 'format'" in told(write(tmp_path, "caller/reply.zh.txt", "{{ '%10000000000d'|format(1) }}"))


def test_a_template_changes_no_field(tmp_path: Path) -> None:
    assert "cannot be filled in: " in told(write(tmp_path, "caller/reply.zh.txt", "{{ [1].append(2) }}"))


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    assert "is no folder" in told(tmp_path / "nowhere")


def test_a_link_opens_the_callers_page_and_is_the_same_when_sent_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, public_url="https://hotline.example.com")
    config = config_of(settings)
    rendered = config.render(delivery(), to_phone=True)
    (link,) = re.findall(r"https://hotline\.example\.com/c/(\S+)", rendered.text)[:1]
    at = delivery().notification.created_at
    assert Links(ring_at(settings.keys_file)).read(link) == (NUMBER, 1, at, "", "")
    assert config.render(delivery(), to_phone=True) == rendered
