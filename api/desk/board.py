"""Board (大屏): figures of the day for a screen in the room, live by server-sent events, without personal data."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.requests import Request
from starlette.responses import Response

from api.desk import words
from api.desk.words import Names
from api.edge.browsers import TEMPLATES, page
from api.edge.language import reads_chinese
from api.edge.limits import TOO_MANY_REQUESTS
from api.edge.problems import ProblemError
from api.routing import BackendParts, StrictRoute, department_within, from_backend
from api.sign_in.sessions import Session
from api.temporal_ui.pages import TemporalPages
from domain.case.lifecycle import OPEN, TO_DISPATCH, State
from domain.incident.state import IncidentState
from domain.rights.rights import READ_CASES, mask_words
from domain.shared.value import Phrase
from readmodel.board import JOINT, BoardFigures, board_figures

log = logging.getLogger("hotline.api")

BOARD = "/board"
MOST_BOARDS = 100
"""Boards that one process keeps up to date: fewer than its connections."""
READ_SECONDS = 0.5
"""Time between two reads while somebody looks: an event comes within a second, whichever process has written it."""
COMMENT_SECONDS = 15.0
"""Time without an event after which a comment tells browser and proxies that the stream goes on."""
ROWS = 9
"""Departments or districts with a row of their own; the others share one."""
STATES: Mapping[str, Phrase] = {
    **{state: words.of_code(state) for state in State if state in OPEN - TO_DISPATCH},
    JOINT: ("随事件", "With an incident"),
}
"""States with a column, in words; what is left of the total is to be dispatched."""


class _Key(NamedTuple):
    """Contents of a board: a department, None for all; True for Chinese, and for rows that are districts."""

    department: str | None
    zh: bool
    by_district: bool


class Tile(NamedTuple):
    """Large figure; `tone` is the class of its colour while it is not 0."""

    words: Phrase
    cases: int
    tone: str = ""


class Row(NamedTuple):
    """Open cases of a department or district: those in each of STATES, and the numbers of all and of the late."""

    name: str
    states: tuple[int, ...]
    total: int
    late: int


@dataclass(eq=False)
class Board:
    """Figures for all who look at them: read once for each department while somebody does."""

    pages: TemporalPages
    backend: BackendParts
    _open: Counter[str | None] = field(default_factory=Counter)
    _figures: dict[str | None, BoardFigures] = field(default_factory=dict)
    _rendered: dict[_Key, str] = field(default_factory=dict)
    _read: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None
    _is_old: bool = False
    _is_closing: bool = False

    async def show(self, request: Request, session: Session) -> Response:
        """Page with the figures of now. Raises ProblemError."""
        key = _key(request, session)
        figures = await self.backend.reader.ask(board_figures, self.backend.now, key.department)
        fields = self._fields(figures, key)
        return page("board.html", HTTPStatus.OK, {"Vary": "Accept-Language, Cookie"}, **fields)

    async def stream(self, request: Request, session: Session) -> Response:
        """Stream of events, each with all figures as HTML. Raises ProblemError if too many boards are open."""
        if self._open.total() >= MOST_BOARDS:
            detail = f"At most {MOST_BOARDS} boards are open at the same time. 大屏打开过多。"
            raise ProblemError(TOO_MANY_REQUESTS, detail, headers={"Retry-After": "60"})
        return EventSourceResponse(self._events(request, _key(request, session)), headers={"X-Accel-Buffering": "no"})

    async def close(self) -> None:
        """End all streams."""
        self._is_closing = True
        self._read.set()
        if self._reading:
            self._reading.cancel()

    async def _events(self, request: Request, key: _Key) -> AsyncIterator[bytes]:
        """Yield an event when the figures differ, until the session ends."""
        sent, sent_at = "", time.monotonic()
        with self._looking(key.department):
            while not self._is_closing and self.pages.sessions.open(request, on_board=True):
                # Before the figures: those of a read that ends meanwhile are not waited for.
                read, html = self._read, self._html(key)
                if html != sent or time.monotonic() - sent_at >= COMMENT_SECONDS:
                    yield KEEPALIVE_COMMENT if html == sent else format_sse_event(data_str=html)
                    sent, sent_at = html, time.monotonic()
                await read.wait()

    @contextmanager
    def _looking(self, department: str | None) -> Iterator[None]:
        self._open[department] += 1
        try:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read_repeatedly())
            yield
        finally:
            self._open[department] -= 1

    async def _read_repeatedly(self) -> None:
        """Read every READ_SECONDS while somebody looks."""
        while departments := [department for department, boards in self._open.items() if boards]:
            for department in departments:
                await self._read_once(department)
            read, self._read = self._read, asyncio.Event()
            read.set()
            await asyncio.sleep(READ_SECONDS)
        self._figures.clear()
        self._rendered.clear()

    async def _read_once(self, department: str | None) -> None:
        """Read the figures of a department; while SQL does not answer, they stay, and the board says so."""
        figures, is_old = self._figures.get(department), False
        try:
            figures = await self.backend.reader.ask(board_figures, self.backend.now, department)
        except ProblemError:
            is_old = True
        except Exception:
            # One bad read must not end the streams of all.
            log.exception("the figures of the board could not be read")
            is_old = True
        if figures and (figures, is_old) != (self._figures.get(department), self._is_old):
            self._figures[department], self._is_old = figures, is_old
            self._rendered.clear()

    def _html(self, key: _Key) -> str:
        """Figures as HTML, drawn once for all who see the same; empty if they are not read yet."""
        if key not in self._rendered and key.department in self._figures:
            fields = self._fields(self._figures[key.department], key, is_old=self._is_old)
            self._rendered[key] = TEMPLATES.get_template("board_figures.html").render(**fields)
        return self._rendered.get(key, "")

    def _fields(self, figures: BoardFigures, key: _Key, *, is_old: bool = False) -> dict[str, Any]:
        """Return what the templates show."""
        names = Names(self.backend.catalogue, key.zh)
        return {
            "names": names,
            "say": names.say,
            "words": words,
            "state": State,
            "incident_state": IncidentState,
            "figures": figures,
            "mask_words": mask_words,
            "is_old": is_old,
            "tiles": [*_tiles(figures)],
            "states": STATES,
            "by_district": key.by_district,
            "rows": [*_rows(figures, names, by_district=key.by_district)],
            "department": lambda code: department_name(names, code),
            "age": lambda since: names.say(age(since, figures.at)),
        }


def _key(request: Request, session: Session) -> _Key:
    by_district = request.query_params.get("by") == "district"
    return _Key(department_within(READ_CASES, session.actor, None), reads_chinese(request), by_district)


def _tiles(figures: BoardFigures) -> Iterator[Tile]:
    by_state = Counter[str]()
    for each in figures.open:
        by_state[each.state] += each.cases
    yield Tile(("在办", "Open"), by_state.total())
    yield Tile(("待派单", "To dispatch"), sum(by_state[state] for state in TO_DISPATCH), "soon")
    yield Tile(("待签收", "Not signed for"), by_state[State.DISPATCHED], "soon")
    yield Tile(("一小时内到期", "Due within the hour"), sum(each.due_soon for each in figures.open), "soon")
    yield Tile(("已超时", "Late"), sum(each.late for each in figures.open), "late")
    if figures.calls:
        yield Tile(("等待接听", "Calls waiting"), figures.calls.waiting, "late")
        yield Tile(("待回电", "To call back"), figures.calls.to_call_back, "soon")


def _rows(figures: BoardFigures, names: Names, *, by_district: bool) -> Iterator[Row]:
    """Yield departments or districts by late and open cases, the most first; the last row is of all without a row."""
    cases, total, late = Counter[tuple[str | None, str]](), Counter[str | None](), Counter[str | None]()
    for each in figures.open:
        code = each.district if by_district else each.department
        cases[code, each.state] += each.cases
        total[code] += each.cases
        late[code] += each.late
    codes = sorted(total, key=lambda code: (-late[code], -total[code], code or ""))
    name_of = district_name if by_district else department_name
    groups = [(name_of(names, code), [code]) for code in codes[:ROWS]]
    others = [(names.say(("其他", "Others")), codes[ROWS:])] if codes[ROWS:] else []
    for name, group in [*groups, *others]:
        states = tuple(sum(cases[code, state] for code in group) for state in STATES)
        yield Row(name, states, sum(total[code] for code in group), sum(late[code] for code in group))


def department_name(names: Names, code: str | None) -> str:
    return names.department(code) or names.say(("未派单", "No department"))


def district_name(names: Names, code: str | None) -> str:
    return names.district(code) or names.say(("未填区域", "No district"))


def age(since: datetime, now: datetime) -> Phrase:
    """Time in its two largest units."""
    minutes = max(int((now - since).total_seconds()) // 60, 0)
    (hours, minute), (days, hour) = divmod(minutes, 60), divmod(minutes // 60, 24)
    if days:
        return f"{days}天{hour}小时", f"{days} d {hour} h"
    return (f"{hours}小时{minute}分", f"{hours} h {minute} min") if hours else (f"{minute}分", f"{minute} min")


TheBoard = Annotated[Board, from_backend("board")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(BOARD)
async def show_board(request: Request, board: TheBoard) -> Response:
    return await board.pages.shown(request, lambda session: board.show(request, session), on_board=True)


@router.get(f"{BOARD}/events")
async def stream_board(request: Request, board: TheBoard) -> Response:
    return await board.pages.shown(request, lambda session: board.stream(request, session), on_board=True)
