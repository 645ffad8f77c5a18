"""Report of a surge: the waves, the incident, the emergencies meanwhile, the promises, the follow-ups."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from domain.case.clocks import ClockStatus
from domain.shared.actors import Role
from hotline.demo.client import Json
from hotline.demo.report import by_state, print_links, table
from hotline.demo.show import Places, Verdict
from hotline.demo.surge.plan import AFTER, BEFORE, OF_THE_TIDE, WAVES, Kind, Surge
from hotline.demo.surge.verify import Findings, link_to


def report_surge(console: Console, surge: Surge, verdict: Verdict, found: Findings, places: Places) -> None:
    """Print the figures of a surge, and where to look."""
    console.print(_waves(surge, verdict))
    console.print(_incident(verdict, found))
    console.print(_links(surge, verdict, found.incident["number"]))
    console.print(_emergencies(surge, verdict))
    console.print(by_state(verdict))
    console.print(_follow_ups(verdict))
    console.print(_promises(verdict))
    console.rule("[bold yellow]Where to look[/bold yellow]")
    print_links(console, _links_to(found.incident, places))
    console.rule()


def _at(case: Json) -> datetime:
    return datetime.fromisoformat(case["registered_at"])


def _waves(surge: Surge, verdict: Verdict) -> Table:
    found = table("The calls (来电), wave by wave", "wave", "calls", "seconds", "a second", "after s")
    registered = {index: _at(case) for index, case in verdict.complaints.items()}
    began = min(registered.values())
    for wave in WAVES:
        times = sorted(registered[call.index] for call in surge.calls if call.wave == wave and call.index in registered)
        took = (times[-1] - times[0]).total_seconds() if times else 0.0
        rate = f"{(len(times) - 1) / took:.0f}" if took else ""
        after = f"{(times[0] - began).total_seconds():.0f}" if times else ""
        found.add_row(str(wave), str(len(times)), f"{took:.1f}", rate, after)
    found.add_section()
    found.add_row("all", str(len(registered)), "", "", "")
    return found


def _incident(verdict: Verdict, findings: Findings) -> Table:
    incident = findings.incident
    found = table(f"The incident (突发事件) {incident['number']} {incident['title']}", "what", "after s", "")
    began = min(map(_at, verdict.complaints.values()))
    at = {}
    for item in findings.happened:
        at[item["action"]] = datetime.fromisoformat(item["at"])
        after = (at[item["action"]] - began).total_seconds()
        found.add_row(item["action"], f"{after:.1f}", _told(item, findings))
    for other in findings.merged:
        after = (datetime.fromisoformat(other["opened_at"]) - began).total_seconds()
        found.add_row(f"suspect, {other['state']} later", f"{after:.1f}", other["title"])
    if "finish" in at and "resolve" in at:
        took = (at["finish"] - at["resolve"]).total_seconds()
        found.add_section()
        rate = f"{incident['cases'] / took:.0f} a second" if took else ""
        found.add_row("all replied to", f"in {took:.1f}", f"{incident['cases']} cases, {rate}")
    return found


def _told(item: Json, findings: Findings) -> str:
    data = item["data"]
    if item["action"] == "inform" and findings.messages:
        start = f"{findings.incident['number']}-{item['seq']}-"
        return f"{sum(key.startswith(start) for key in findings.messages.news)} callers told"
    if item["action"] == "finish":
        return ", ".join(f"{count} {how}" for how, count in data.items())
    if data.get("calls"):
        return f"{data['calls']} calls"
    return str(data.get("department") or data.get("assignee") or data.get("incident") or "")


def _links(surge: Surge, verdict: Verdict, incident: str) -> Table:
    found = table("How the cases came to it (并案)", "how", "cases")
    calls = surge.of(*OF_THE_TIDE, Kind.OWN_CAUSE)
    timelines = [verdict.timelines[call.index] for call in calls if call.index in verdict.timelines]
    counts = Counter(_how(link_to(incident, timeline)) for timeline in timelines)
    for how in ("at intake", "gathered", "by hand", "not at all"):
        found.add_row(how, str(counts[how]))
    found.add_row("taken out again", str(len(surge.of(Kind.OWN_CAUSE))))
    return found


def _how(link: Json | None) -> str:
    if link is None:
        return "not at all"
    if link["action"] == "register":
        return "at intake"
    return "gathered" if link["actor"] == Role.SYSTEM else "by hand"


def _emergencies(surge: Surge, verdict: Verdict) -> Table:
    found = table("Emergencies (爆管) meanwhile", "when", "dispatched s", "signed for s")
    when = {BEFORE: "in the quiet before", AFTER: "while cases are settled"}
    for call in surge.of(Kind.EMERGENCY):
        times = {item["action"]: datetime.fromisoformat(item["at"]) for item in verdict.timelines.get(call.index, ())}
        took = (_seconds(times, "dispatch"), _seconds(times, "sign_for"))
        found.add_row(when.get(call.wave, f"in wave {call.wave}"), *took)
    return found


def _seconds(times: dict[str, datetime], action: str) -> str:
    return f"{(times[action] - times['register']).total_seconds():.2f}" if action in times else ""


def _follow_ups(verdict: Verdict) -> Table:
    found = table("The follow-ups (回访)", "outcome", "times")
    timelines = verdict.timelines.values()
    asked = Counter(item["data"]["outcome"] for each in timelines for item in each if item["action"] == "follow_up")
    for outcome, times in asked.most_common():
        found.add_row(outcome, str(times))
    again = sum(case["cycle"] > 1 for case in verdict.complaints.values())
    found.add_row("cases done again 重办", str(again))
    return found


def _promises(verdict: Verdict) -> Table:
    found = table("The promises (时限)", "clock", "kept", "missed", "% kept")
    counts = Counter((clock["name"], clock["status"]) for clock in _clocks(verdict))
    for name in dict.fromkeys(name for name, _ in counts):
        kept, missed = counts[name, ClockStatus.MET], counts[name, ClockStatus.MISSED]
        if kept + missed:
            found.add_row(name, str(kept), str(missed), f"{100 * kept / (kept + missed):.1f}")
    return found


def _clocks(verdict: Verdict) -> Iterator[Json]:
    for case in verdict.complaints.values():
        yield from case["clocks"]


def _links_to(incident: Json, places: Places) -> dict[str, str]:
    found = {what: places.at(incident["links"][what]) for what in ("self", "timeline", "complaints")}
    workflows = places.at("/temporal/namespaces/default/workflows")
    query = quote(f'Incident = "{incident["number"]}"')
    cases = f"{workflows}?query={query}&savedQuery={quote('Salt tide 咸潮')}"
    return found | {"UI": f"{workflows}/incident-{incident['number']}", "its cases": cases}
