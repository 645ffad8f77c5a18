"""Report that a surge prints at its end: every figure is what was found, and what is wrong has its name."""

import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from demo.calls import Call
from demo.client import Traffic
from demo.play import Verdict
from demo.report import MOST_DIFFERENCES, report
from demo.tide import WAVES, Tide
from domain.incident.incident import NEWS
from tests.unit.test_surge_plan import INCIDENT, KINDS, surge

BEGAN = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
API = "http://127.0.0.1:8080"


def at(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


def item(action: str, seconds: float, actor: str = "system", **data: Any) -> dict[str, Any]:
    return {"action": action, "at": at(seconds), "actor": actor, "data": data, "seq": 1}


def timeline(call: Call, seconds: float) -> list[dict[str, Any]]:
    """As the kind of the call has it: linked at intake, by hand or not at all; the first to be asked is not content."""
    first = item("register", seconds, "chen", **({"incident": INCIDENT} if call.kind == "tide" else {}))
    match call.kind:
        case "asked":
            return [first, item("link_incident", seconds + 1, "zhou", incident=INCIDENT)]
        case "emergency":
            return [first, item("dispatch", seconds + 0.25), item("sign_for", seconds + 1.5)]
    return [first, item("follow_up", seconds + 60, "he", outcome="satisfied")]


def found(played: Tide) -> Verdict:
    """All is well. Each wave takes ten seconds, and begins a minute after the one before."""
    verdict = Verdict()
    for wave in dict.fromkeys(call.wave for call in played.calls):
        calls = [call for call in played.calls if call.wave == wave]
        for place, call in enumerate(calls):
            seconds = 60 * (WAVES.index(wave) if wave in WAVES else len(WAVES)) + 10 * place / max(len(calls) - 1, 1)
            clocks = [{"name": "reply", "status": "met" if place else "missed"}]
            verdict.complaints[call.index] = {
                "number": str(call.index),
                "state": "closed",
                "cycle": 1 if place else 2,
                "registered_at": at(seconds),
                "clocks": clocks,
            }
            verdict.timelines[call.index] = timeline(call, seconds)
    return verdict


@pytest.fixture
def played() -> Tide:
    """A surge with what its check has found."""
    tide = surge(100)
    tide.messages = Counter({(NEWS, f"{INCIDENT}-4-caller:{place}"): 1 for place in range(7)})
    links = {"self": f"/v1/incidents/{INCIDENT}", "timeline": "/timeline", "complaints": "/v1/complaints"}
    tide.incident = {"number": INCIDENT, "title": "咸潮 Salt tide", "cases": 80, "state": "resolved", "links": links}
    tide.merged = [{"state": "merged", "opened_at": at(90), "title": "no_water · west"}]
    tide.happened = [
        item("suspect", 5, calls=31),
        item("confirm", 8),
        item("dispatch", 9, department="water_quality"),
        {**item("inform", 100), "seq": 4},
        item("resolve", 200),
        item("finish", 220, settled=79, kept=1),
    ]
    return tide


def printed(tide: Tide, verdict: Verdict | None = None) -> list[str]:
    """The lines, with one space where there are several."""
    console = Console(file=io.StringIO(), width=200)
    report(console, tide, verdict or found(tide), Traffic(requests=1234, retries=5, longest_away=6.5), API)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_each_wave_says_how_many_calls_came_how_fast_and_when(played: Tide) -> None:
    lines = printed(played)
    for place, wave in enumerate(WAVES):
        calls = sum(call.wave == wave for call in played.calls)
        assert f"{wave} {calls} 10.0 {(calls - 1) / 10:.0f} {60 * place}" in lines
    assert f"all {len(played.calls)}" in lines


def test_the_incident_tells_its_story_and_how_long_the_replies_took(played: Tide) -> None:
    lines = printed(played)
    for line in (
        f"The incident (突发事件) {INCIDENT} 咸潮 Salt tide",
        "suspect 5.0 31 calls",
        "dispatch 9.0 water_quality",
        "inform 100.0 7 callers told",
        "finish 220.0 79 settled, 1 kept",
        "suspect, merged later 90.0 no_water · west",
        "all replied to in 20.0 80 cases, 4 a second",
    ):
        assert line in lines


def test_links_emergencies_follow_ups_and_promises_are_counted(played: Tide) -> None:
    lines = printed(played)
    of_kind = {kind: len(played.of(kind)) for kind in KINDS}
    waves = len({call.wave for call in played.calls})
    asked = sum(of_kind[kind] for kind in KINDS if kind not in ("asked", "emergency"))
    kept = len(played.calls) - waves
    for line in (
        f"at intake {of_kind['tide']}",
        f"by hand {of_kind['asked']}",
        f"not at all {of_kind['own_cause']}",
        f"taken out again {of_kind['own_cause']}",
        "in the quiet before 0.25 1.50",
        "while cases are settled 0.25 1.50",
        f"closed 办结 {len(played.calls)}",
        f"satisfied {asked}",
        f"cases done again 重办 {waves}",
        f"reply {kept} {waves} {100 * kept / len(played.calls):.1f}",
    ):
        assert line in lines


def test_it_says_where_to_look_and_how_the_service_was(played: Tide) -> None:
    lines = printed(played)
    assert f"self {API}/v1/incidents/{INCIDENT}" in lines
    assert f"UI {API}/temporal/namespaces/default/workflows/incident-{INCIDENT}" in lines
    assert any("1234 requests, 5 of them sent again; the service was away for 6.5 s at most" in line for line in lines)


def test_the_verdict_is_good_only_without_faults(played: Tide) -> None:
    verdict = found(played)
    well = f"Nothing is lost: all {len(played.calls)} calls are there and closed, one incident is left, "
    well += "every case was replied to once in each cycle; 7 messages were sent, none of them twice."
    assert printed(played)[-1] == well
    played.messages = None
    assert "this machine has no log of the messages" in printed(played)[-1]
    verdict.faults = [f"{place}: is registered, not closed" for place in range(MOST_DIFFERENCES + 2)]
    lines = printed(played, verdict)
    assert not any("Nothing is lost" in line for line in lines)
    assert f"{MOST_DIFFERENCES + 2} differences from what was planned:" in lines
    assert lines[-2:] == [f"{MOST_DIFFERENCES - 1}: is registered, not closed", "... and 2 more"]
