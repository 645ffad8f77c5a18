"""The salt tide that the demo plays: the same for the same seed, and such that the service can suspect it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hotline.demo.offers import District, Offer
from hotline.demo.surge.plan import (
    AFTER,
    BEFORE,
    EMERGENCIES_IN,
    LEAST_CASES,
    OF_THE_TIDE,
    TASTE,
    USUAL_CASES,
    Kind,
    Surge,
    plan_surge,
)
from hotline.demo.surge.verify import Messages, case_differences, news_differences
from hotline.files.catalogue import load_catalogue

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "hotline" / "catalogues" / "surge.toml")
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
INCIDENT = "i26030200011"


def offers() -> list[Offer]:
    found = []
    for service in CATALOGUE.services:
        terms = CATALOGUE.terms(service.code, None, NOW)
        budgets: dict[str, float] = {promise.name: promise.budget_seconds for promise in terms.promises}
        known = (service.code, service.name_zh, service.group, terms.department, False, budgets)
        found.append(Offer(*known, needs_approval=service.needs_approval))
    return found


DISTRICTS = [District(district.code, district.name_zh) for district in CATALOGUE.districts]


def surge(cases: int = USUAL_CASES, seed: int = 7) -> Surge:
    return plan_surge(cases, seed, offers(), DISTRICTS)


@pytest.mark.parametrize("cases", [LEAST_CASES, 500, USUAL_CASES])
def test_the_same_seed_plays_the_same_calls_and_another_seed_others(cases: int) -> None:
    assert surge(cases) == surge(cases)
    assert surge(cases).calls != surge(cases, seed=8).calls
    assert [call.index for call in surge(cases).calls] == list(range(cases))


@pytest.mark.parametrize("cases", [LEAST_CASES, USUAL_CASES])
@pytest.mark.parametrize("seed", range(5))
def test_the_first_wave_is_one_that_the_service_suspects(cases: int, seed: int) -> None:
    found = surge(cases, seed).of(Kind.TIDE, wave=1)
    places = Counter((call.offer.code, call.intake["location"]["district"]) for call in found)
    [rule] = [rule for rule in CATALOGUE.surge_rules() if TASTE in rule.services]
    assert [service for service, _ in places] == [TASTE]
    assert places.total() > rule.more_than


def test_no_call_is_about_what_management_decides_on_first() -> None:
    assert any(offer.needs_approval for offer in offers())
    assert not any(call.offer.needs_approval for call in surge().calls)


def test_every_caller_is_another_one_with_a_telephone_that_cannot_exist() -> None:
    phones = {call.intake["caller"]["phone"] for call in surge().calls}
    assert len(phones) == USUAL_CASES
    assert all(phone.startswith("0760-0000") for phone in phones)


def test_calls_of_the_tide_are_of_its_scope_and_other_matters_are_not() -> None:
    found = surge()
    in_scope = {
        kind: {
            call.offer.code in found.services and call.intake["location"]["district"] in found.districts
            for call in found.of(kind)
        }
        for kind in Kind
    }
    assert in_scope == {
        Kind.TIDE: {True},
        Kind.ASKED: {False},
        Kind.OWN_CAUSE: {True},
        Kind.OTHER: {False},
        Kind.EMERGENCY: {False},
    }


def test_emergencies_come_before_during_and_after_the_waves() -> None:
    assert sorted(call.wave for call in surge(LEAST_CASES).of(Kind.EMERGENCY)) == sorted(EMERGENCIES_IN)
    assert {call.wave for call in surge().of(*OF_THE_TIDE)}.isdisjoint({BEFORE, AFTER})


@pytest.mark.parametrize("cases", [LEAST_CASES - 1, 10_001])
def test_a_surge_of_another_size_is_refused_with_the_sizes_that_are_accepted(cases: int) -> None:
    with pytest.raises(ValueError, match=r"60 to 10000 cases, not"):
        surge(cases)


def test_a_catalogue_that_knows_no_taste_of_water_has_no_tide() -> None:
    with pytest.raises(ValueError, match="water_quality"):
        plan_surge(100, 7, [offer for offer in offers() if offer.code != TASTE], DISTRICTS)


def ended() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A case of the tide as it must be at the end."""
    with_it = {"incident": INCIDENT}
    case = {"state": "closed", "version": 4, "cycle": 1, "incident": INCIDENT}
    steps = [("register", with_it), ("complete", with_it), ("reply", with_it), ("follow_up", {})]
    timeline = [
        {"seq": seq, "action": action, "actor": "system", "cycle": 1, "data": data}
        for seq, (action, data) in enumerate(steps, start=1)
    ]
    assert [*case_differences(Kind.TIDE, case, timeline, INCIDENT)] == []
    return case, timeline


class TestWhatIsWrongIsNamed:
    def test_a_second_reply(self) -> None:
        case, timeline = ended()
        timeline.append({**timeline[2], "seq": 5})
        found = [*case_differences(Kind.TIDE, {**case, "version": 5}, timeline, INCIDENT)]
        assert found == ["was replied to in the cycles [1, 1], not once in each of 1"]

    def test_a_gap_in_the_timeline(self) -> None:
        case, timeline = ended()
        found = [*case_differences(Kind.TIDE, case, [timeline[0], *timeline[2:]], INCIDENT)]
        assert found == ["its timeline has gaps: [1, 3, 4] of 4"]

    def test_a_case_that_was_left_behind(self) -> None:
        case, timeline = ended()
        found = [*case_differences(Kind.TIDE, {**case, "state": "registered", "incident": None}, timeline, INCIDENT)]
        assert [what.split(",")[0] for what in found] == ["is registered", "is with the incident None"]

    def test_a_message_that_was_sent_twice_and_news_that_were_not_sent(self, tmp_path: Path) -> None:
        log = tmp_path / "notifications.log"
        line = '{"key": "%s", "number": "%s", "recipient": "caller:%s", "kind": "%s"}\n'
        reply = line % ("1-3-caller:1", "1", "1", "reply")
        news = line % (f"{INCIDENT}-4-caller:1", "1", "1", "incident_inform")
        log.write_text(reply + news + reply + '{"key": "being wri', encoding="utf-8")

        messages = Messages.read(log, [{"number": "1"}, {"number": "2"}])

        assert (messages.sent, messages.replies["1"], messages.twice) == (3, 2, {"1-3-caller:1": 2})
        happened = [{"action": "inform", "seq": 4, "at": NOW.isoformat()}]
        linked = {number: NOW - timedelta(minutes=1) for number in ("1", "2")}
        found = [*news_differences(messages, INCIDENT, happened, linked | {"3": NOW})]
        assert found == ["2: its caller was not told the news of version 4"]
