"""Time of PostgreSQL for a page of 50 out of a million cases: for what desks ask, and for any two or three filters.

The read model's own functions are called; what they sent is sent again under EXPLAIN (ANALYZE, BUFFERS), so that the
time is the database's alone and the plan can be looked at. For every pair of filters these pairs of values are tried:
the most frequent, one in the middle, the rarest, two that are frequent each but never meet, and a frequent one with one
whose last case is longest past; for every three filters the pair of the first two that is worst, with the most frequent
value of the third.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from psycopg import Cursor
from sqlalchemy import Connection, Engine, event, text

from bench import postgres
from bench.lists_data import AGENTS, AGENTS_AT_A_TIME, END, Data, load
from domain.case.lifecycle import OPEN, State
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import ReadConnection, engine, reading
from readmodel.cases.queries import list_cases
from readmodel.cases.search import CaseFilters, Sort, find
from readmodel.cases.tables import FILTERED_COLUMNS
from readmodel.migrate import migrate

PAGE = 50
DEEP = 1000
"""Of the two pages that are measured, the deeper one; the last one where a list is shorter."""
REPEATS = 3
COLUMNS = ("state", *(name for name in FILTERED_COLUMNS if name != "lost"))
SEARCHES = (
    *("新村", "上村新村", "下闸新村", "王伟", "9731", "大涌渔村7号", "上村渔村7号", "上村新村123号"),
    *("水", "没水", "松动 渔村"),
)
"""Two characters that half of all addresses have, the largest village, a smaller one, two characters that many names
have, the end of a telephone number, an address in a small village, a rare and a common one in the largest; a character
and a word of most descriptions, and a rare one."""
ALL_OPEN = tuple(sorted(OPEN))
ME, CREW = {"owner": f"agent-{AGENTS - AGENTS_AT_A_TIME}"}, {"assignee": "repair-3"}
TODAY = {"registered_from": END - timedelta(days=1), "registered_to": END}
TONIGHT = END + timedelta(hours=10)
DESK: Mapping[str, Mapping[str, Any]] = {
    "my open cases by due": {**ME, "state": ALL_OPEN, "sort": Sort.DUE},
    "my department's open cases by priority": {"department": "repair", "state": ALL_OPEN, "sort": Sort.PRIORITY},
    "missed now": {"overdue": True, "sort": Sort.DUE},
    "missed in my department": {"department": "billing", "sla": "missed", "state": ALL_OPEN, "sort": Sort.PRIORITY},
    "due before tonight": {"due_before": TONIGHT, "sort": Sort.DUE},
    "mine due before tonight": {**ME, "due_before": TONIGHT, "sort": Sort.DUE},
    "open and supervised": {"flag": "supervised", "state": ALL_OPEN, "sort": Sort.DUE},
    "ever supervised": {"flag": "supervised"},
    "assigned to me": {**CREW, "state": ALL_OPEN, "sort": Sort.DUE},
    "registered today by WeChat": {"channel": "wechat", **TODAY},
    "to dispatch": {"state": (State.REGISTERED, State.PENDING_REDISPATCH), "sort": Sort.PRIORITY},
    "to follow up": {"state": (State.PENDING_FOLLOW_UP,), "sort": Sort.DUE},
}
"""Questions that desks ask all day, by name."""
PREFIX = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "

Values = Mapping[str, Any]
Sent = tuple[str, Any]


@dataclass(frozen=True)
class Page:
    """One page's cost in the database."""

    filters: Values
    desk: bool
    deep: bool
    rows: int
    milliseconds: float
    buffers: int
    scans: tuple[str, ...]

    def __str__(self) -> str:
        asked = " ".join(f"{name}={value}" for name, value in self.filters.items()) or "no filter"
        return f"{asked}, {'deep' if self.deep else 'first'} page of {self.rows}"


def measure(count: int) -> list[Page]:
    """Load that many cases into a PostgreSQL of its own and measure every page; the slowest comes first."""
    with filled(count) as server:
        database = engine(server.url, read_only=True)
        tried = [*DESK.values(), *_tried(database)]
        pages = [page for values in tried for page in _pages(database, values)]
        database.dispose()
    return sorted(pages, key=lambda page: -page.milliseconds)


@contextmanager
def filled(count: int, *more: Callable[[Cursor[Any]], None], end: datetime = END) -> Iterator[postgres.Postgres]:
    """Yield a PostgreSQL of its own with that many cases until `end`, and what `more` adds in the same load."""
    with postgres.running() as server:
        migrate(server.url)
        with postgres.loading(server.uri) as cursor:
            load(cursor, Data(load_catalogue(DEFAULT_CATALOGUE), count, end).rows())
            for add in more:
                add(cursor)
        yield server


def _tried(database: Engine) -> Iterator[Values]:
    """Return the filters to measure: none, single ones, pairs, and the search with each of the others."""
    yield {}
    with reading(database) as connection:
        single = {name: [*_ends(_counts(connection, name)), _longest_past(connection, name)] for name in COLUMNS}
        single = {name: list(dict.fromkeys(values)) for name, values in single.items()}
        yield from ({name: value} for name, values in single.items() for value in values)
        worst: dict[tuple[str, str], tuple[Any, Any]] = {}
        for one, other in combinations(COLUMNS, 2):
            pairs = _pairs(connection, one, other)
            worst[one, other] = pairs[-1]
            ends = [(single[one][0], single[other][-1]), (single[one][-1], single[other][0])]
            yield from ({one: a, other: b} for a, b in dict.fromkeys([*pairs, *ends]))
        for one, other, third in combinations(COLUMNS, 3):
            a, b = worst[one, other]
            yield {one: a, other: b, third: single[third][0]}
    for words in SEARCHES:
        yield from ({"q": words, "sort": sort} for sort in Sort)
        yield from ({"q": words, name: value} for name, values in single.items() for value in values)


def _counts(connection: Connection, *columns: str) -> list[tuple[Any, ...]]:
    """Return the number of cases of each value, or pair of values; the most frequent first."""
    named = ", ".join(columns)
    there = " AND ".join(f"{name} IS NOT NULL" for name in columns)
    # Aggregation over everything, to choose what to measure: it may take longer than the service would allow.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    found = connection.execute(
        text(f"SELECT {named}, count(*) FROM cases WHERE {there} GROUP BY {named} ORDER BY count(*) DESC, {named}")
    )
    return [tuple(row) for row in found]


def _ends(counts: Sequence[tuple[Any, ...]]) -> list[Any]:
    return list(dict.fromkeys(counts[place][0] for place in (0, -1)))


def _longest_past(connection: Connection, column: str) -> Any:  # noqa: ANN401 - a value of the column
    """Return the value whose newest case is the oldest, such as an agent who left: it is deep in every list."""
    return connection.execute(
        text(f"SELECT {column} FROM cases WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY max(registered_at) LIMIT 1")
    ).scalar_one()


def _pairs(connection: Connection, one: str, other: str) -> list[tuple[Any, Any]]:
    together = [row[:2] for row in _counts(connection, one, other)]
    chosen = [together[0], together[len(together) // 2], together[-1]]
    met = set(together)
    never = [
        (count_a * count_b, (a, b))
        for a, count_a in _counts(connection, one)
        for b, count_b in _counts(connection, other)
        if (a, b) not in met
    ]
    if never:
        chosen.append(max(never, key=lambda pair: pair[0])[1])
    return list(dict.fromkeys((a, b) for a, b in chosen))


def _pages(database: Engine, values: Values) -> Iterator[Page]:
    filters = _filters(values)
    with reading(database) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        places = find(connection, filters, None, PAGE * (DEEP - 1), sort=_sort(values))
    with reading(database) as connection:
        yield _page(connection, values, None)
    if len(places) > PAGE:
        with reading(database) as connection:
            yield _page(connection, values, places[-1 if len(places) == PAGE * (DEEP - 1) else -PAGE].cursor())


def _filters(values: Values) -> CaseFilters:
    """Return filters of these values, of which each is one, or those of a tuple."""
    filters = {name: value for name, value in values.items() if name != "sort"}
    states = filters.pop("state", ())
    return CaseFilters(state=states if isinstance(states, tuple) else (State(states),), **filters)


def _sort(values: Values) -> Sort:
    return Sort(values.get("sort", Sort.REGISTERED))


def _page(connection: ReadConnection, values: Values, cursor: str | None) -> Page:
    with _listening(connection) as sent:
        rows = len(list_cases(connection, _filters(values), cursor, PAGE, sort=_sort(values)).items)
    runs = [_explain(connection, sent) for _ in range(REPEATS)]
    scans = {name for plans in runs for plan in plans for name in _sequential(plan["Plan"])}
    return Page(
        filters=values,
        desk=values in DESK.values(),
        deep=cursor is not None,
        rows=rows,
        milliseconds=statistics.median(
            sum(plan["Planning Time"] + plan["Execution Time"] for plan in plans) for plans in runs
        ),
        buffers=sum(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] for plan in runs[-1]),
        scans=tuple(sorted(scans)),
    )


@contextmanager
def _listening(connection: Connection) -> Iterator[list[Sent]]:
    """Collect all statements that the block sends to the database."""
    sent: list[Sent] = []

    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    yield sent
    event.remove(connection, "before_cursor_execute", note)


def _explain(connection: Connection, sent: Sequence[Sent]) -> list[dict[str, Any]]:
    """Send the statements again, in the same order; those that only set something are sent unchanged."""
    plans: list[dict[str, Any]] = []
    for statement, parameters in sent:
        if "set_config" in statement:
            connection.exec_driver_sql(statement, parameters)
        else:
            plans.append(connection.exec_driver_sql(PREFIX + statement, parameters).scalar_one()[0])
    return plans


def _sequential(node: Mapping[str, Any]) -> Iterator[str]:
    """Return the tables that a plan reads from end to end."""
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _sequential(child)


def main() -> None:
    """Print the slowest pages of so many cases, a million unless an argument says otherwise."""
    began = time.monotonic()
    pages = measure(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
    print(f"{len(pages)} pages in {time.monotonic() - began:.0f} s")
    for page in [*(page for page in pages if page.desk), *pages[:20]]:
        print(f"{page.milliseconds:8.1f} ms  {page.buffers:7} blocks  {page}  {' '.join(page.scans)}")
    print("read from end to end:", [str(page) for page in pages if page.scans])


if __name__ == "__main__":
    main()
