"""Report of a surge: the waves, the incident, the emergencies meanwhile, the promises, the follow-ups."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from demo.calls import Call
from demo.client import Json
from demo.play import Verdict
from demo.report import by_state, print_links, table
from demo.surge import AFTER, BEFORE, OF_THE_TIDE, WAVES, Kind, Surge
from demo.tide_check import Findings, link_to
from domain.case.clocks import ClockStatus
from domain.incident.incident import NEWS
from domain.shared.actors import Role


def report_surge(console: Console, surge: Surge, verdict: Verdict, found: Findings, url: str) -> None:
    """Print the figures of a surge, and where to look."""
    registered = {index: datetime.fromisoformat(case["registered_at"]) for index, case in verdict.complaints.items()}
    began = min(registered.values())
    for shown in (
        _waves(surge, registered, began),
        _incident(found, began),
        _links(surge, verdict, found.incident["number"]),
        _emergencies(surge, verdict),
        by_state(verdict),
        _follow_ups(verdict),
        _promises(verdict),
    ):
        console.print(shown)
    console.rule("[bold yellow]Where to look[/bold yellow]")
    number, links = found.incident["number"], found.incident["links"]
    workflows, query = f"{url}/temporal/namespaces/default/workflows", quote(f'Incident = "{number}"')
    cases = f"{workflows}?query={query}&savedQuery={quote('Salt tide 咸潮')}"
    addresses = {what: f"{url}{links[what]}" for what in ("self", "timeline", "complaints")}
    print_links(console, addresses | {"UI": f"{workflows}/incident-{number}", "its cases": cases})
    console.rule()


def _waves(surge: Surge, registered: dict[int, datetime], began: datetime) -> Table:
    rows = []
    for wave in WAVES:
        times = sorted(registered[call.index] for call in surge.of(wave=wave) if call.index in registered)
        took = (times[-1] - times[0]).total_seconds() if times else 0.0
        rate = f"{(len(times) - 1) / took:.0f}" if took else ""
        after = f"{(times[0] - began).total_seconds():.0f}" if times else ""
        rows.append((wave, len(times), f"{took:.1f}", rate, after))
    columns = ("wave", "calls", "seconds", "a second", "after s")
    return table("The calls (来电), wave by wave", columns, rows, ("all", len(registered), "", "", ""))


def _incident(findings: Findings, began: datetime) -> Table:
    incident, rows = findings.incident, []
    at = {item["action"]: datetime.fromisoformat(item["at"]) for item in findings.happened}
    for item in findings.happened:
        after = (datetime.fromisoformat(item["at"]) - began).total_seconds()
        rows.append((item["action"], f"{after:.1f}", _told(item, findings)))
    for other in findings.merged:
        after = (datetime.fromisoformat(other["opened_at"]) - began).total_seconds()
        rows.append((f"suspect, {other['state']} later", f"{after:.1f}", other["title"]))
    total: tuple[str, ...] = ()
    if "finish" in at and "resolve" in at:
        took = (at["finish"] - at["resolve"]).total_seconds()
        rate = f"{incident['cases'] / took:.0f} a second" if took else ""
        total = ("all replied to", f"in {took:.1f}", f"{incident['cases']} cases, {rate}")
    title = f"The incident (突发事件) {incident['number']} {incident['title']}"
    return table(title, ("what", "after s", ""), rows, total)


def _told(item: Json, findings: Findings) -> str:
    data = item["data"]
    if item["action"] == "inform" and findings.messages:
        start = f"{findings.incident['number']}-{item['seq']}-"
        return f"{sum(kind == NEWS and key.startswith(start) for kind, key in findings.messages)} callers told"
    if item["action"] == "finish":
        return ", ".join(f"{count} {how}" for how, count in data.items())
    if data.get("calls"):
        return f"{data['calls']} calls"
    return str(data.get("department") or data.get("assignee") or data.get("incident") or "")


def _links(surge: Surge, verdict: Verdict, incident: str) -> Table:
    calls = surge.of(*OF_THE_TIDE, Kind.OWN_CAUSE)
    timelines = [verdict.timelines[call.index] for call in calls if call.index in verdict.timelines]
    counts = Counter(_how(link_to(incident, timeline)) for timeline in timelines)
    rows = [(how, counts[how]) for how in ("at intake", "gathered", "by hand", "not at all")]
    rows.append(("taken out again", len(surge.of(Kind.OWN_CAUSE))))
    return table("How the cases came to it (并案)", ("how", "cases"), rows)


def _how(link: Json | None) -> str:
    if link is None:
        return "not at all"
    if link["action"] == "register":
        return "at intake"
    return "gathered" if link["actor"] == Role.SYSTEM else "by hand"


def _emergencies(surge: Surge, verdict: Verdict) -> Table:
    when = {BEFORE: "in the quiet before", AFTER: "while cases are settled"}

    def took(call: Call) -> Iterator[str]:
        times = {item["action"]: datetime.fromisoformat(item["at"]) for item in verdict.timelines.get(call.index, ())}
        for action in ("dispatch", "sign_for"):
            yield f"{(times[action] - times['register']).total_seconds():.2f}" if action in times else ""

    rows = [(when.get(call.wave or 0, f"in wave {call.wave}"), *took(call)) for call in surge.of(Kind.EMERGENCY)]
    return table("Emergencies (爆管) meanwhile", ("when", "dispatched s", "signed for s"), rows)


def _follow_ups(verdict: Verdict) -> Table:
    timelines = verdict.timelines.values()
    asked = Counter(item["data"]["outcome"] for each in timelines for item in each if item["action"] == "follow_up")
    again = sum(case["cycle"] > 1 for case in verdict.complaints.values())
    rows = [*asked.most_common(), ("cases done again 重办", again)]
    return table("The follow-ups (回访)", ("outcome", "times"), rows)


def _promises(verdict: Verdict) -> Table:
    clocks = [clock for case in verdict.complaints.values() for clock in case["clocks"]]
    counts = Counter((clock["name"], clock["status"]) for clock in clocks)
    rows = []
    for name in dict.fromkeys(clock["name"] for clock in clocks):
        kept, missed = counts[name, ClockStatus.MET], counts[name, ClockStatus.MISSED]
        if kept + missed:
            rows.append((name, kept, missed, f"{100 * kept / (kept + missed):.1f}"))
    return table("The promises (时限)", ("clock", "kept", "missed", "% kept"), rows)
