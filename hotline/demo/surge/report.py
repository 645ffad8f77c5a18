"""Report of a surge: the waves, the incident, the emergencies meanwhile, the follow-ups, the verdict."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import quote

from rich import box
from rich.console import Console
from rich.table import Table

from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from domain.shared.actors import Role
from hotline.demo.client import Json, Traffic
from hotline.demo.report import MOST_DIFFERENCES, Places
from hotline.demo.surge.plan import AFTER, BEFORE, OF_THE_TIDE, WAVES, Kind, Surge
from hotline.demo.surge.verify import Verdict


def report(console: Console, surge: Surge, verdict: Verdict, traffic: Traffic, places: Places) -> None:
    """Print the report; the verdict comes last."""
    for table in (_waves, _incident, _links, _emergencies, _states, _follow_ups, _promises):
        console.print(table(surge, verdict))
    console.rule("[bold yellow]Where to look[/bold yellow]")
    for what, link in _links_to(verdict.incident, places).items():
        console.print(f"  {what:<11}{link}", soft_wrap=True, highlight=False)
    console.rule()
    away = f"; the service was away for {traffic.longest_away:.1f} s at most" if traffic.retries else ""
    console.print(f"{traffic.requests} requests, {traffic.retries} of them sent again{away}", soft_wrap=True)
    _print_verdict(console, surge, verdict)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    return table


def _at(case: Json) -> datetime:
    return datetime.fromisoformat(case["registered_at"])


def _waves(surge: Surge, verdict: Verdict) -> Table:
    table = _table("The calls (来电), wave by wave", "wave", "calls", "seconds", "a second", "after s")
    registered = {index: _at(case) for index, case in verdict.complaints.items()}
    began = min(registered.values())
    for wave in WAVES:
        times = sorted(registered[call.index] for call in surge.calls if call.wave == wave and call.index in registered)
        took = (times[-1] - times[0]).total_seconds() if times else 0.0
        rate = f"{(len(times) - 1) / took:.0f}" if took else ""
        after = f"{(times[0] - began).total_seconds():.0f}" if times else ""
        table.add_row(str(wave), str(len(times)), f"{took:.1f}", rate, after)
    table.add_section()
    table.add_row("all", str(len(registered)), "", "", "")
    return table


def _incident(_: Surge, verdict: Verdict) -> Table:
    incident = verdict.incident
    table = _table(f"The incident (突发事件) {incident['number']} {incident['title']}", "what", "after s", "")
    began = min(map(_at, verdict.complaints.values()))
    at = {}
    for item in verdict.happened:
        at[item["action"]] = datetime.fromisoformat(item["at"])
        after = (at[item["action"]] - began).total_seconds()
        table.add_row(item["action"], f"{after:.1f}", _told(item, verdict))
    for other in verdict.merged:
        after = (datetime.fromisoformat(other["opened_at"]) - began).total_seconds()
        table.add_row(f"suspect, {other['state']} later", f"{after:.1f}", other["title"])
    if "finish" in at and "resolve" in at:
        took = (at["finish"] - at["resolve"]).total_seconds()
        table.add_section()
        rate = f"{incident['cases'] / took:.0f} a second" if took else ""
        table.add_row("all replied to", f"in {took:.1f}", f"{incident['cases']} cases, {rate}")
    return table


def _told(item: Json, verdict: Verdict) -> str:
    data = item["data"]
    if item["action"] == "inform" and verdict.messages:
        start = f"{verdict.incident['number']}-{item['seq']}-"
        return f"{sum(key.startswith(start) for key in verdict.messages.news)} callers told"
    if item["action"] == "finish":
        return ", ".join(f"{count} {how}" for how, count in data.items())
    if data.get("calls"):
        return f"{data['calls']} calls"
    return str(data.get("department") or data.get("assignee") or data.get("incident") or "")


def _links(surge: Surge, verdict: Verdict) -> Table:
    table = _table("How the cases came to it (并案)", "how", "cases")
    found = Counter(
        _linked(verdict.timelines[call.index], verdict.incident["number"])
        for call in surge.of(*OF_THE_TIDE, Kind.OWN_CAUSE)
        if call.index in verdict.timelines
    )
    for how in ("at intake", "gathered", "by hand", "not at all"):
        table.add_row(how, str(found[how]))
    table.add_row("taken out again", str(len(surge.of(Kind.OWN_CAUSE))))
    return table


def _linked(timeline: Sequence[Json], incident: str) -> str:
    for item in timeline:
        if item["data"].get("incident") != incident:
            continue
        if item["action"] == "register":
            return "at intake"
        if item["action"] == "link_incident":
            return "gathered" if item["actor"] == Role.SYSTEM else "by hand"
    return "not at all"


def _emergencies(surge: Surge, verdict: Verdict) -> Table:
    table = _table("Emergencies (爆管) meanwhile", "when", "dispatched s", "signed for s")
    when = {BEFORE: "in the quiet before", AFTER: "while cases are settled"}
    for call in surge.of(Kind.EMERGENCY):
        times = {item["action"]: datetime.fromisoformat(item["at"]) for item in verdict.timelines.get(call.index, ())}
        took = (_seconds(times, "dispatch"), _seconds(times, "sign_for"))
        table.add_row(when.get(call.wave, f"in wave {call.wave}"), *took)
    return table


def _seconds(times: dict[str, datetime], action: str) -> str:
    return f"{(times[action] - times['register']).total_seconds():.2f}" if action in times else ""


def _states(_: Surge, verdict: Verdict) -> Table:
    table = _table("The cases (工单)", "state 状态", "cases")
    counts = Counter(case["state"] for case in verdict.complaints.values())
    for state in State:
        if counts[state]:
            table.add_row(f"{state.value} {state.zh}", str(counts[state]))
    return table


def _follow_ups(_: Surge, verdict: Verdict) -> Table:
    table = _table("The follow-ups (回访)", "outcome", "times")
    timelines = verdict.timelines.values()
    asked = Counter(item["data"]["outcome"] for each in timelines for item in each if item["action"] == "follow_up")
    for outcome, times in asked.most_common():
        table.add_row(outcome, str(times))
    again = sum(case["cycle"] > 1 for case in verdict.complaints.values())
    table.add_row("cases done again 重办", str(again))
    return table


def _promises(_: Surge, verdict: Verdict) -> Table:
    table = _table("The promises (时限)", "clock", "kept", "missed", "% kept")
    counts = Counter((clock["name"], clock["status"]) for clock in _clocks(verdict))
    for name in dict.fromkeys(name for name, _ in counts):
        kept, missed = counts[name, ClockStatus.MET], counts[name, ClockStatus.MISSED]
        if kept + missed:
            table.add_row(name, str(kept), str(missed), f"{100 * kept / (kept + missed):.1f}")
    return table


def _clocks(verdict: Verdict) -> Iterator[Json]:
    for case in verdict.complaints.values():
        yield from case["clocks"]


def _links_to(incident: Json, places: Places) -> dict[str, str]:
    found = {what: places.at(incident["links"][what]) for what in ("self", "timeline", "complaints")}
    workflows = places.at("/temporal/namespaces/default/workflows")
    query = quote(f'Incident = "{incident["number"]}"')
    cases = f"{workflows}?query={query}&savedQuery={quote('Salt tide 咸潮')}"
    return found | {"UI": f"{workflows}/incident-{incident['number']}", "its cases": cases}


def _print_verdict(console: Console, surge: Surge, verdict: Verdict) -> None:
    if not verdict.wrong:
        told = (
            f"{verdict.messages.sent} messages were sent, none of them twice"
            if verdict.messages
            else "what was sent is not known here: this machine has no log of the messages"
        )
        console.print(
            f"[bold green]Nothing is lost: all {len(surge.calls)} calls are there and closed, one incident is left, "
            f"every case was replied to once in each cycle; {told}.[/bold green]",
            soft_wrap=True,
        )
        return
    console.print(f"[bold red]{len(verdict.wrong)} things are wrong:[/bold red]")
    for line in verdict.wrong[:MOST_DIFFERENCES]:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    if len(verdict.wrong) > MOST_DIFFERENCES:
        console.print(f"  ... and {len(verdict.wrong) - MOST_DIFFERENCES} more")
