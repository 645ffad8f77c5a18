"""The salt tide that the demo plays: the same for the same seed, and such that the service can suspect it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.reference import services
from demo.__main__ import SURGE_CATALOGUE
from demo.calls import LEAST_CASES
from demo.plans import PLANS, offered
from demo.play import Verdict, differences
from demo.tide import AFTER, BEFORE, OF_THE_TIDE, TASTE, Tide, read_messages
from domain.incident.incident import NEWS
from hotline.files.catalogue import load_catalogue

CATALOGUE = load_catalogue(SURGE_CATALOGUE)
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
INCIDENT = "i26030200011"


OFFERS, DISTRICTS = offered(services(CATALOGUE).model_dump(mode="json"))
USUAL_CASES = 2000
KINDS = ("tide", "asked", "own_cause", "other", "emergency")


def surge(cases: int = USUAL_CASES, seed: int = 7) -> Tide:
    return Tide(cases, seed, OFFERS, DISTRICTS, None)


@pytest.mark.parametrize("cases", [LEAST_CASES, 500, USUAL_CASES])
def test_the_same_seed_plays_the_same_calls_and_another_seed_others(cases: int) -> None:
    assert surge(cases).calls == surge(cases).calls
    assert surge(cases).calls != surge(cases, seed=8).calls
    assert [call.index for call in surge(cases).calls] == list(range(cases))


@pytest.mark.parametrize("cases", [LEAST_CASES, USUAL_CASES])
@pytest.mark.parametrize("seed", range(5))
def test_the_first_wave_is_one_that_the_service_suspects(cases: int, seed: int) -> None:
    found = surge(cases, seed).of("tide", wave=1)
    places = Counter((call.offer.code, call.intake["location"]["district"]) for call in found)
    [rule] = [rule for rule in CATALOGUE.surge_rules() if TASTE in rule.services]
    assert [service for service, _ in places] == [TASTE]
    assert places.total() > rule.more_than


def test_no_call_is_about_what_management_decides_on_first() -> None:
    assert any(offer.needs_approval for offer in OFFERS)
    assert not any(call.offer.needs_approval for call in surge().calls)


def test_every_caller_is_another_one_with_a_telephone_that_cannot_exist() -> None:
    phones = {call.intake_of("run")["caller"]["phone"] for call in surge().calls}
    assert len(phones) == USUAL_CASES
    assert all(phone.startswith("0760-0000") for phone in phones)


def test_calls_of_the_tide_are_of_its_scope_and_other_matters_are_not() -> None:
    found = surge()
    scope = found._scope
    in_scope = {
        kind: {
            call.offer.code in scope["services"] and call.intake["location"]["district"] in scope["districts"]
            for call in found.of(kind)
        }
        for kind in KINDS
    }
    assert in_scope == {
        "tide": {True},
        "asked": {False},
        "own_cause": {True},
        "other": {False},
        "emergency": {False},
    }


def test_emergencies_come_before_during_and_after_the_waves() -> None:
    assert sorted(call.wave or BEFORE for call in surge(LEAST_CASES).of("emergency")) == [BEFORE, 3, AFTER]
    assert {call.wave for call in surge().of(*OF_THE_TIDE)}.isdisjoint({BEFORE, AFTER})


@pytest.mark.parametrize("cases", [LEAST_CASES - 1, 10_001])
def test_a_surge_of_another_size_is_refused_with_the_sizes_that_are_accepted(cases: int) -> None:
    with pytest.raises(ValueError, match=r"60 to 10000 cases, not"):
        surge(cases)


def test_a_catalogue_that_knows_no_taste_of_water_has_no_tide() -> None:
    with pytest.raises(ValueError, match="water_quality"):
        Tide(100, 7, [offer for offer in OFFERS if offer.code != TASTE], DISTRICTS, None)


def ended() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A case of the tide as it must be at the end."""
    case = {"state": "closed", "version": 4, "cycle": 1, "incident": INCIDENT, "flags": [], "clocks": []}
    steps = [("register", "registered"), ("complete", "pending_reply"), ("reply", "pending_follow_up")]
    timeline = [
        {"seq": seq, "action": action, "actor": "system" if seq > 1 else "he", "cycle": 1, "from": None, "to": to}
        for seq, (action, to) in enumerate(steps, start=1)
    ]
    timeline.append({"seq": 4, "action": "follow_up", "actor": "deng", "cycle": 1, "from": None, "to": "closed"})
    assert differences(OF_TIDE, case, timeline, INCIDENT) == []
    return case, timeline


OF_TIDE = PLANS["tide"][0]


class TestWhatIsWrongIsNamed:
    def test_a_second_reply(self) -> None:
        case, timeline = ended()
        twice = [*timeline, {**timeline[2], "seq": 5}]
        [found] = differences(OF_TIDE, {**case, "version": 5}, twice, INCIDENT)
        assert "complete (by itself) → reply (by itself) → follow_up → reply (by itself), planned" in found

    def test_a_gap_in_the_timeline(self) -> None:
        case, timeline = ended()
        found = differences(OF_TIDE, case, [timeline[0], *timeline[2:]], INCIDENT)
        assert found[1:] == ["sequence is [1, 3, 4], planned [1, 2, 3, 4]"]

    def test_a_case_that_was_left_behind(self) -> None:
        case, timeline = ended()
        left = {**case, "state": "registered", "incident": None}
        assert [what.split()[0] for what in differences(OF_TIDE, left, timeline, INCIDENT)] == ["state", "incident"]

    def test_a_case_with_its_own_cause_that_is_still_linked(self) -> None:
        case, timeline = ended()
        [plan] = PLANS["own_cause"]
        assert f"incident is {INCIDENT}, planned None" in differences(plan, case, timeline, INCIDENT)

    def test_a_message_that_was_sent_twice_and_news_that_were_not_sent(self, tmp_path: Path) -> None:
        log = tmp_path / "notifications.log"
        line = '{"key": "%s", "number": "%s", "recipient": "caller:%s", "kind": "%s"}\n'
        reply = line % ("1-3-caller:1", "1", "1", "reply")
        news = line % (f"{INCIDENT}-4-caller:1", "1", "1", "incident_inform")
        log.write_text(reply + news + reply + '{"key": "being wri', encoding="utf-8")

        messages = read_messages(log, [{"number": "1"}, {"number": "2"}])

        assert messages == {("reply", "1-3-caller:1"): 2, (NEWS, f"{INCIDENT}-4-caller:1"): 1}
        tide = surge(LEAST_CASES)
        tide.incident, tide.messages = {"number": INCIDENT, "state": "resolved"}, messages
        tide.happened = [{"action": "inform", "seq": 4, "at": NOW.isoformat()}]
        verdict = Verdict()
        for number, (call, at) in enumerate(zip(tide.of("tide"), (1, 1, 0), strict=False), start=1):
            link = {"action": "register", "at": (NOW - timedelta(minutes=at)).isoformat()}
            verdict.complaints[call.index] = {"number": str(number)}
            verdict.timelines[call.index] = [{**link, "data": {"incident": INCIDENT}}]
        first = tide.of("tide")[0].index
        verdict.timelines[first].append({"action": "reply", "seq": 7})
        assert [*tide.faults_of(verdict)] == [
            "the message 1-3-caller:1 was sent 2 times",
            "the reply 1-7-caller:1 is owed, and was not sent",
            "the reply 1-3-caller:1 was sent, and is not owed",
            "2: its caller was not told the news of version 4",
        ]
