"""Report that the demo prints at its end: figures of the day, the two stories, and the verdict."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from hotline.demo.client import Json, Traffic
from hotline.demo.day import Call
from hotline.demo.people import Staff
from hotline.demo.verify import Verdict

MOST_DIFFERENCES = 40
"""Most differences that the verdict lists."""


@dataclass(frozen=True)
class Places:
    """Addresses of the service."""

    url: str

    def at(self, path: str) -> str:
        """Return the address of a path."""
        return f"{self.url.rstrip('/')}{path}"

    def of(self, complaint: Json) -> dict[str, str]:
        """Return links to one complaint, by what they show."""
        shown = {"self": "self", "timeline": "timeline", "UI": "temporal_ui"}
        return {what: self.at(complaint["links"][link]) for what, link in shown.items()}


def report(
    console: Console, calls: Sequence[Call], verdict: Verdict, traffic: Traffic, places: Places, staff: Staff
) -> None:
    """Print the report; the verdict comes last."""
    console.print(_by_state(verdict))
    console.print(_by_service(calls, verdict))
    _print_stories(console, calls, verdict, places)
    _print_people(console, places, staff, calls[0].offer.department)
    console.print(_told(traffic), soft_wrap=True)
    if verdict.good:
        console.print(
            f"[bold green]All {len(calls)} cases are in the states they were planned for: state, cycle, flags and "
            "every event, once each, checked over HTTP.[/bold green]",
            soft_wrap=True,
        )
    else:
        _print_differences(console, calls, verdict)


def _by_state(verdict: Verdict) -> Table:
    table = Table("state", "状态", title="The cases of the day (工单)", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("cases", justify="right")
    counts = Counter(complaint["state"] for complaint in verdict.complaints.values())
    for state in State:
        table.add_row(state.value, state.zh, str(counts[state]))
    table.add_section()
    table.add_row("all", "合计", str(counts.total()))
    return table


_COLUMNS = {
    "cases": lambda _: True,
    "open": lambda complaint: complaint["closed_at"] is None,
    "late 超时": lambda complaint: any(clock["status"] == ClockStatus.MISSED for clock in complaint["clocks"]),
    "paused 挂起": lambda complaint: complaint["state"] == State.SUSPENDED,
    "reworked 重办": lambda complaint: complaint["cycle"] > 1,
}


def _by_service(calls: Sequence[Call], verdict: Verdict) -> Table:
    table = Table(title="By service (late: a promise was missed)", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("service 服务", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    complaints = [*verdict.complaints.values()]
    for code, offer in {call.offer.code: call.offer for call in calls}.items():
        table.add_row(
            f"{code} {offer.name_zh}", *_counts([case for case in complaints if case["service_code"] == code])
        )
    table.add_section()
    table.add_row("all 合计", *_counts(complaints))
    return table


def _counts(complaints: Sequence[Json]) -> list[str]:
    return [str(sum(map(counts, complaints))) for counts in _COLUMNS.values()]


def _print_stories(console: Console, calls: Sequence[Call], verdict: Verdict, places: Places) -> None:
    """Print bold and unwrapped, so that a terminal makes links of the addresses."""
    console.rule("[bold yellow]Two cases told in full[/bold yellow]")
    for call in calls:
        complaint = verdict.complaints.get(call.index)
        if call.story and call.story.title and complaint:
            console.print(
                f"[bold yellow]{call.story.title_zh} · {call.story.title}: {complaint['number']}[/bold yellow]",
                soft_wrap=True,
                highlight=False,
            )
            for what, link in places.of(complaint).items():
                console.print(f"  {what:<9}{link}", soft_wrap=True)
    console.rule()


def _print_people(console: Console, places: Places, staff: Staff, department: str) -> None:
    """Print who the reader can be, and where they sign in."""
    people = staff.examples(department)
    named = ", ".join(f"{person.name} ({person.role.zh} {person.role})" for person in people)
    console.print(f"One of each role, by id: {named}.", soft_wrap=True)
    console.print("`hotline key create ID` prints a key for one of them, who signs in with it here:", soft_wrap=True)
    console.print(f"  {places.at('/views')}", soft_wrap=True)


def _told(traffic: Traffic) -> str:
    away = f"; the service was away for {traffic.longest_away:.1f} s at most" if traffic.retries else ""
    return (
        f"{traffic.requests} requests, {traffic.retries} of them sent again{away}; "
        f"{traffic.accepted} answered 202 before the read model had caught up"
    )


def _print_differences(console: Console, calls: Sequence[Call], verdict: Verdict) -> None:
    lines = [
        f"{calls[index].plan.name} {_number(verdict, index)}: {text}"
        for index, texts in sorted(verdict.differences.items())
        for text in texts
    ]
    lines += verdict.strays
    console.print(f"[bold red]{len(lines)} differences from what was planned:[/bold red]")
    for line in lines[:MOST_DIFFERENCES]:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    if len(lines) > MOST_DIFFERENCES:
        console.print(f"  ... and {len(lines) - MOST_DIFFERENCES} more")


def _number(verdict: Verdict, index: int) -> str:
    complaint = verdict.complaints.get(index)
    return str(complaint["number"]) if complaint else f"(call {index})"
