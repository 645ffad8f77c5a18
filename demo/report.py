"""Report that the demo prints at its end: figures, where to look, and the verdict."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from rich import box
from rich.console import Console
from rich.table import Table

from demo.calls import Call
from demo.client import Json, Traffic
from demo.day import Day
from demo.people import Staff
from demo.play import Verdict
from demo.tide import AFTER, BEFORE, OF_THE_TIDE, WAVES, Tide, link_to
from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from domain.incident.incident import NEWS
from domain.shared.actors import Role

MOST_DIFFERENCES = 40
"""Most differences that the verdict lists."""


def report(console: Console, show: Day | Tide, verdict: Verdict, traffic: Traffic, url: str) -> None:
    """Print the figures, where to look, how the service was, and what differs from the plan."""
    if isinstance(show, Tide):
        _report_tide(console, show, verdict, url)
    else:
        _report_day(console, show, verdict, url)
    away = f"; the service was away for {traffic.longest_away:.1f} s at most" if traffic.retries else ""
    sent = f"{traffic.requests} requests, {traffic.retries} of them sent again{away}"
    console.print(f"{sent}; {traffic.accepted} answered 202 before the read model had caught up", soft_wrap=True)
    if verdict.good:
        console.print(f"[bold green]{show.praise}[/bold green]", soft_wrap=True)
        return
    lines = []
    for call in show.calls:
        number = verdict.complaints.get(call.index, {}).get("number", f"(call {call.index})")
        lines += [f"{call.plan.name} {number}: {text}" for text in verdict.differences.get(call.index, ())]
    lines += verdict.faults
    console.print(f"[bold red]{len(lines)} differences from what was planned:[/bold red]")
    for line in lines[:MOST_DIFFERENCES]:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    if len(lines) > MOST_DIFFERENCES:
        console.print(f"  ... and {len(lines) - MOST_DIFFERENCES} more")


def _report_day(console: Console, day: Day, verdict: Verdict, url: str) -> None:
    console.print(_by_state(verdict))
    stories = {}
    for call in day.calls:
        if call.title and (case := verdict.complaints.get(call.index)):
            shown = {"self": "self", "timeline": "timeline", "UI": "temporal_ui"}
            links = {what: f"{url}{case['links'][name]}" for what, name in shown.items()}
            stories[f"{call.title}: {case['number']}"] = links
    _print_places(console, "Two cases told in full", stories)
    people = Staff(call.offer.department for call in day.calls).examples(day.calls[0].offer.department)
    named = ", ".join(f"{person.name} ({person.role.zh} {person.role})" for person in people)
    console.print(f"One of each role, by id: {named}.", soft_wrap=True)
    console.print("`hotline key create ID` prints a key for one of them, who signs in with it here:", soft_wrap=True)
    console.print(f"  {url}/views", soft_wrap=True)


def _report_tide(console: Console, tide: Tide, verdict: Verdict, url: str) -> None:
    registered = {index: _time(case["registered_at"]) for index, case in verdict.complaints.items()}
    began, number, links = min(registered.values()), tide.incident["number"], tide.incident["links"]
    console.print(_waves(tide, registered, began), _incident(tide, began), _links(tide, verdict))
    console.print(_emergencies(tide, verdict), _by_state(verdict), _follow_ups(verdict), _promises(verdict))
    workflows, query = f"{url}/temporal/namespaces/default/workflows", quote(f'Incident = "{number}"')
    addresses = {what: f"{url}{links[what]}" for what in ("self", "timeline", "complaints")}
    addresses["UI"] = f"{workflows}/incident-{number}"
    addresses["its cases"] = f"{workflows}?query={query}&savedQuery={quote('Salt tide 咸潮')}"
    _print_places(console, "Where to look", {f"The incident {number}": addresses})


def _print_places(console: Console, heading: str, places: Mapping[str, Mapping[str, str]]) -> None:
    """Print addresses by what they belong to and what they show; unwrapped, so that a terminal makes links of them."""
    console.rule(f"[bold yellow]{heading}[/bold yellow]")
    for of, links in places.items():
        console.print(f"[bold yellow]{of}[/bold yellow]", soft_wrap=True, highlight=False)
        for what, link in links.items():
            console.print(f"  {what:<11}{link}", soft_wrap=True, highlight=False)
    console.rule()


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], total: Sequence[object] = ()) -> Table:
    """Return a table of figures, the first column of which says what they are of; `total` is a row below a line."""
    found = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        found.add_column(column, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        found.add_row(*map(str, row))
    if total:
        found.add_section()
        found.add_row(*map(str, total))
    return found


def _time(at: str) -> datetime:
    return datetime.fromisoformat(at)


def _by_state(verdict: Verdict) -> Table:
    counts = Counter(complaint["state"] for complaint in verdict.complaints.values())
    rows = [(f"{state.value} {state.zh}", counts[state]) for state in State]
    return _table("The cases (工单)", ("state 状态", "cases"), rows, ("all 合计", counts.total()))


def _waves(tide: Tide, registered: Mapping[int, datetime], began: datetime) -> Table:
    rows = []
    for wave in WAVES:
        times = sorted(registered[call.index] for call in tide.of(wave=wave) if call.index in registered)
        took = (times[-1] - times[0]).total_seconds() if times else 0.0
        rate = f"{(len(times) - 1) / took:.0f}" if took else ""
        after = f"{(times[0] - began).total_seconds():.0f}" if times else ""
        rows.append((wave, len(times), f"{took:.1f}", rate, after))
    columns = ("wave", "calls", "seconds", "a second", "after s")
    return _table("The calls (来电), wave by wave", columns, rows, ("all", len(registered), "", "", ""))


def _incident(tide: Tide, began: datetime) -> Table:
    incident, at = tide.incident, {item["action"]: _time(item["at"]) for item in tide.happened}
    rows = [(item["action"], item["at"], _told(item, tide)) for item in tide.happened]
    rows += [(f"suspect, {other['state']} later", other["opened_at"], other["title"]) for other in tide.merged]
    shown = [(what, f"{(_time(when) - began).total_seconds():.1f}", told) for what, when, told in rows]
    total: tuple[str, ...] = ()
    if "finish" in at and "resolve" in at:
        took = (at["finish"] - at["resolve"]).total_seconds()
        rate = f"{incident['cases'] / took:.0f} a second" if took else ""
        total = ("all replied to", f"in {took:.1f}", f"{incident['cases']} cases, {rate}")
    title = f"The incident (突发事件) {incident['number']} {incident['title']}"
    return _table(title, ("what", "after s", ""), shown, total)


def _told(item: Json, tide: Tide) -> str:
    data = item["data"]
    if item["action"] == "inform" and tide.messages:
        start = f"{tide.incident['number']}-{item['seq']}-"
        return f"{sum(kind == NEWS and key.startswith(start) for kind, key in tide.messages)} callers told"
    if item["action"] == "finish":
        return ", ".join(f"{count} {how}" for how, count in data.items())
    if data.get("calls"):
        return f"{data['calls']} calls"
    return str(data.get("department") or data.get("assignee") or data.get("incident") or "")


def _links(tide: Tide, verdict: Verdict) -> Table:
    calls = tide.of(*OF_THE_TIDE, "own_cause")
    timelines = [verdict.timelines[call.index] for call in calls if call.index in verdict.timelines]
    counts = Counter(_how(link_to(tide.incident["number"], timeline)) for timeline in timelines)
    rows = [(how, counts[how]) for how in ("at intake", "gathered", "by hand", "not at all")]
    rows.append(("taken out again", len(tide.of("own_cause"))))
    return _table("How the cases came to it (并案)", ("how", "cases"), rows)


def _how(link: Json | None) -> str:
    if link is None:
        return "not at all"
    if link["action"] == "register":
        return "at intake"
    return "gathered" if link["actor"] == Role.SYSTEM else "by hand"


def _emergencies(tide: Tide, verdict: Verdict) -> Table:
    when = {BEFORE: "in the quiet before", AFTER: "while cases are settled"}

    def took(call: Call) -> Iterator[str]:
        times = {item["action"]: _time(item["at"]) for item in verdict.timelines.get(call.index, ())}
        for action in ("dispatch", "sign_for"):
            yield f"{(times[action] - times['register']).total_seconds():.2f}" if action in times else ""

    rows = [(when.get(call.wave or 0, f"in wave {call.wave}"), *took(call)) for call in tide.of("emergency")]
    return _table("Emergencies (爆管) meanwhile", ("when", "dispatched s", "signed for s"), rows)


def _follow_ups(verdict: Verdict) -> Table:
    timelines = verdict.timelines.values()
    asked = Counter(item["data"]["outcome"] for each in timelines for item in each if item["action"] == "follow_up")
    again = sum(case["cycle"] > 1 for case in verdict.complaints.values())
    rows = [*asked.most_common(), ("cases done again 重办", again)]
    return _table("The follow-ups (回访)", ("outcome", "times"), rows)


def _promises(verdict: Verdict) -> Table:
    clocks = [clock for case in verdict.complaints.values() for clock in case["clocks"]]
    counts = Counter((clock["name"], clock["status"]) for clock in clocks)
    rows = []
    for name in dict.fromkeys(clock["name"] for clock in clocks):
        kept, missed = counts[name, ClockStatus.MET], counts[name, ClockStatus.MISSED]
        if kept + missed:
            rows.append((name, kept, missed, f"{100 * kept / (kept + missed):.1f}"))
    return _table("The promises (时限)", ("clock", "kept", "missed", "% kept"), rows)
