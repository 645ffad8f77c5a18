"""Report that the demo prints at its end: figures, where to look, and the verdict."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from hotline.demo.calls import Call
from hotline.demo.client import Json, Traffic
from hotline.demo.people import Person
from hotline.demo.show import Places, Show, Verdict
from hotline.demo.stories import Story

MOST_DIFFERENCES = 40
"""Most differences that the verdict lists."""


def report(console: Console, show: Show, verdict: Verdict, traffic: Traffic, places: Places) -> None:
    """Print the report; the verdict comes last."""
    show.report(console, verdict, places)
    console.print(_told(traffic), soft_wrap=True)
    if verdict.good:
        console.print(f"[bold green]{show.praise}[/bold green]", soft_wrap=True)
        return
    lines = [*_differences(show.calls, verdict), *verdict.faults]
    console.print(f"[bold red]{len(lines)} differences from what was planned:[/bold red]")
    for line in lines[:MOST_DIFFERENCES]:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    if len(lines) > MOST_DIFFERENCES:
        console.print(f"  ... and {len(lines) - MOST_DIFFERENCES} more")


def table(title: str, *columns: str) -> Table:
    """Return an empty table of figures, the first column of which says what they are of."""
    found = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        found.add_column(column, justify="right" if place else "left", no_wrap=True)
    return found


def by_state(verdict: Verdict) -> Table:
    """Return the number of cases by state."""
    found = table("The cases (工单)", "state 状态", "cases")
    counts = Counter(complaint["state"] for complaint in verdict.complaints.values())
    for state in State:
        found.add_row(f"{state.value} {state.zh}", str(counts[state]))
    found.add_section()
    found.add_row("all 合计", str(counts.total()))
    return found


_COLUMNS = {
    "cases": lambda _: True,
    "open": lambda complaint: complaint["closed_at"] is None,
    "late 超时": lambda complaint: any(clock["status"] == ClockStatus.MISSED for clock in complaint["clocks"]),
    "paused 挂起": lambda complaint: complaint["state"] == State.SUSPENDED,
    "reworked 重办": lambda complaint: complaint["cycle"] > 1,
}


def by_service(calls: Sequence[Call], verdict: Verdict) -> Table:
    """Return the numbers of cases by service."""
    found = table("By service (late: a promise was missed)", "service 服务", *_COLUMNS)
    complaints = [*verdict.complaints.values()]
    for code, offer in {call.offer.code: call.offer for call in calls}.items():
        found.add_row(
            f"{code} {offer.name_zh}", *_counts([case for case in complaints if case["service_code"] == code])
        )
    found.add_section()
    found.add_row("all 合计", *_counts(complaints))
    return found


def _counts(complaints: Sequence[Json]) -> list[str]:
    return [str(sum(map(counts, complaints))) for counts in _COLUMNS.values()]


def print_stories(console: Console, stories: Mapping[int, Story], verdict: Verdict, places: Places) -> None:
    """Print the titled stories by their calls; bold and unwrapped, so that a terminal makes links of the addresses."""
    console.rule("[bold yellow]Two cases told in full[/bold yellow]")
    for index, story in stories.items():
        complaint = verdict.complaints.get(index)
        if story.title and complaint:
            heading = f"{story.title_zh} · {story.title}: {complaint['number']}"
            console.print(f"[bold yellow]{heading}[/bold yellow]", soft_wrap=True, highlight=False)
            links = complaint["links"]
            print_links(console, {name: places.at(links[link]) for name, link in _LINKS.items()})
    console.rule()


_LINKS = {"self": "self", "timeline": "timeline", "UI": "temporal_ui"}


def print_links(console: Console, links: Mapping[str, str]) -> None:
    """Print addresses, each with what it shows."""
    for what, link in links.items():
        console.print(f"  {what:<11}{link}", soft_wrap=True, highlight=False)


def print_people(console: Console, places: Places, people: Sequence[Person]) -> None:
    """Print who the reader can be, and where they sign in."""
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


def _differences(calls: Sequence[Call], verdict: Verdict) -> Iterator[str]:
    for call in calls:
        complaint = verdict.complaints.get(call.index)
        number = complaint["number"] if complaint else f"(call {call.index})"
        for text in verdict.differences.get(call.index, ()):
            yield f"{call.plan.name} {number}: {text}"
