"""Report that the demo prints at its end: figures, where to look, and the verdict."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from demo.calls import Call
from demo.client import Traffic
from demo.people import Person
from demo.play import Verdict
from domain.case.lifecycle import State

MOST_DIFFERENCES = 40
"""Most differences that the verdict lists."""


def report(console: Console, calls: Sequence[Call], verdict: Verdict, traffic: Traffic, praise: str) -> None:
    """Print how the service was, and the verdict: `praise` if everything is as planned, else what differs."""
    away = f"; the service was away for {traffic.longest_away:.1f} s at most" if traffic.retries else ""
    sent = f"{traffic.requests} requests, {traffic.retries} of them sent again{away}"
    console.print(f"{sent}; {traffic.accepted} answered 202 before the read model had caught up", soft_wrap=True)
    if verdict.good:
        console.print(f"[bold green]{praise}[/bold green]", soft_wrap=True)
        return
    lines = []
    for call in calls:
        number = verdict.complaints.get(call.index, {}).get("number", f"(call {call.index})")
        lines += [f"{call.plan.name} {number}: {text}" for text in verdict.differences.get(call.index, ())]
    lines += verdict.faults
    console.print(f"[bold red]{len(lines)} differences from what was planned:[/bold red]")
    for line in lines[:MOST_DIFFERENCES]:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    if len(lines) > MOST_DIFFERENCES:
        console.print(f"  ... and {len(lines) - MOST_DIFFERENCES} more")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], total: Sequence[object] = ()) -> Table:
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


def by_state(verdict: Verdict) -> Table:
    """Return the number of cases by state."""
    counts = Counter(complaint["state"] for complaint in verdict.complaints.values())
    rows = [(f"{state.value} {state.zh}", counts[state]) for state in State]
    return table("The cases (工单)", ("state 状态", "cases"), rows, ("all 合计", counts.total()))


def print_stories(console: Console, calls: Sequence[Call], verdict: Verdict, url: str) -> None:
    """Print the titled stories by their calls; bold and unwrapped, so that a terminal makes links of the addresses."""
    console.rule("[bold yellow]Two cases told in full[/bold yellow]")
    for call in calls:
        complaint = verdict.complaints.get(call.index)
        if call.title and complaint:
            heading = f"{call.title}: {complaint['number']}"
            console.print(f"[bold yellow]{heading}[/bold yellow]", soft_wrap=True, highlight=False)
            shown = {"self": "self", "timeline": "timeline", "UI": "temporal_ui"}
            print_links(console, {what: f"{url}{complaint['links'][name]}" for what, name in shown.items()})
    console.rule()


def print_links(console: Console, links: Mapping[str, str]) -> None:
    """Print addresses, each with what it shows."""
    for what, link in links.items():
        console.print(f"  {what:<11}{link}", soft_wrap=True, highlight=False)


def print_people(console: Console, people: Sequence[Person], url: str) -> None:
    """Print who the reader can be, and where they sign in."""
    named = ", ".join(f"{person.name} ({person.role.zh} {person.role})" for person in people)
    console.print(f"One of each role, by id: {named}.", soft_wrap=True)
    console.print("`hotline key create ID` prints a key for one of them, who signs in with it here:", soft_wrap=True)
    console.print(f"  {url}/views", soft_wrap=True)
