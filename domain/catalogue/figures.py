"""Figures (指标) by which staff and departments are assessed. A new one is an entry of `FIGURES`.

A figure is computed from entries (`domain.assessment.entry`): each counts one case once, for whoever had it then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.catalogue.terms import CLOCKS
from domain.shared.value import NamedCode, complete


class Subject(NamedCode):
    """Kind of subject that is assessed."""

    AGENT = "agent", "话务员"
    CREW = "crew", "抢修人员"
    DEPARTMENT = "department", "部门"
    SERVICE = "service", "服务项目"
    DISTRICT = "district", "区域"
    COMPANY = "company", "公司"


class EntryKind(NamedCode):
    """Kind of an entry: what is counted."""

    REGISTERED = "registered", "受理"
    RECEIVED = "received", "接单"
    SIGNED_FOR = "signed_for", "承办"
    ACKNOWLEDGE = "acknowledge", "签收"
    ARRIVE = "arrive", "到场"
    RESOLVE = "resolve", "处理"
    REPLY = "reply", "回复"
    FOLLOW_UP = "follow_up", "回访"
    RETURNED = "returned", "退单"
    REWORKED = "reworked", "重办"
    REOPENED = "reopened", "重开"
    URGED = "urged", "催办"
    EXTENDED = "extended", "延期"
    CONTACTED = "contacted", "响应"
    SOLVED = "solved", "解决"
    SATISFIED = "satisfied", "满意"
    THANKS = "thanks", "表扬"
    MONEY = "money", "批准金额"
    INSPECTED = "inspected", "质检"


complete("EntryKind", CLOCKS, list(EntryKind))


class FigureUnit(NamedCode):
    """Unit of a value."""

    COUNT = "count", "件"
    RATE = "rate", "率"
    MONEY = "money", "元"
    POINTS = "points", "分"


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """Figure of a subject.

    Attributes:
        kind: what is counted; None for calls and for points that are given from outside.
        of: kinds that are counted instead for some subjects.
        per_case: True for the share of the subject's cases that such an entry is made of.
    """

    name: str
    title: str
    zh: str
    unit: FigureUnit
    kind: EntryKind | None = None
    of: Mapping[Subject, EntryKind] = field(default_factory=dict)
    per_case: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def kinds(self) -> frozenset[EntryKind]:
        return frozenset(kind for kind in (self.kind, *self.of.values()) if kind)

    def kind_for(self, by: Subject) -> EntryKind | None:
        return self.of.get(by, self.kind)


def _rate(name: str, title: str, zh: str, kind: EntryKind) -> Figure:
    return Figure(name=name, title=title, zh=zh, unit=FigureUnit.RATE, kind=kind)


def _share(kind: EntryKind, title: str, zh: str) -> Figure:
    return Figure(name=kind.value, title=title, zh=zh, unit=FigureUnit.RATE, kind=kind, per_case=True)


CASES_FIGURE = Figure(
    name="cases",
    title="Cases",
    zh="工单量",
    unit=FigureUnit.COUNT,
    kind=EntryKind.REGISTERED,
    of={Subject.DEPARTMENT: EntryKind.RECEIVED, Subject.CREW: EntryKind.SIGNED_FOR},
)
"""Cases registered; of a department, those that it received; of a member of a crew, those taken on."""
QUALITY_FIGURE = Figure(
    name="quality", title="Quality inspection", zh="质检得分", unit=FigureUnit.POINTS, kind=EntryKind.INSPECTED
)
CALLS_ANSWERED = Figure(name="calls_answered", title="Calls answered", zh="接听量", unit=FigureUnit.COUNT)
CONNECTED_RATE = Figure(name="connected_rate", title="Calls connected", zh="接通率", unit=FigureUnit.RATE)
ANSWERED_IN_15S = Figure(
    name="answered_in_15s", title="Calls answered within 15 s", zh="15 秒接通率", unit=FigureUnit.RATE
)
FIGURES: tuple[Figure, ...] = (
    CASES_FIGURE,
    _rate("signed_in_time", "Signed for in time", "按时签收率", EntryKind.ACKNOWLEDGE),
    _rate("arrived_in_time", "Arrived in time", "按时到场率", EntryKind.ARRIVE),
    _rate("resolved_in_time", "Resolved in time", "按时处理率", EntryKind.RESOLVE),
    _rate("replied_in_time", "Replied in time", "按时回复率", EntryKind.REPLY),
    _rate("followed_up_in_time", "Followed up in time", "按时回访率", EntryKind.FOLLOW_UP),
    _share(EntryKind.RETURNED, "Returned", "退单率"),
    _share(EntryKind.REWORKED, "Reworked", "重办率"),
    _share(EntryKind.REOPENED, "Reopened", "重开率"),
    _share(EntryKind.URGED, "Urged", "催办率"),
    _share(EntryKind.EXTENDED, "Extended", "延期率"),
    _rate("response_rate", "Response rate", "响应率", EntryKind.CONTACTED),
    _rate("solution_rate", "Solution rate", "解决率", EntryKind.SOLVED),
    _rate("satisfaction_rate", "Satisfaction rate", "满意率", EntryKind.SATISFIED),
    Figure(name="thanks", title="Thanks", zh="表扬", unit=FigureUnit.COUNT, kind=EntryKind.THANKS),
    Figure(name="money_approved", title="Money approved", zh="批准金额", unit=FigureUnit.MONEY, kind=EntryKind.MONEY),
    CALLS_ANSWERED,
    CONNECTED_RATE,
    ANSWERED_IN_15S,
    QUALITY_FIGURE,
)
"""Figures of every subject, in the order in which they are shown. The catalogue may add points of its own."""
complete("FIGURES", EntryKind, frozenset[EntryKind]().union(*(figure.kinds for figure in FIGURES)))
OF_CALLS = tuple(figure for figure in FIGURES if not figure.kinds)
"""Figures that no entry tells: those of calls."""
FIGURE_OF: dict[str, Figure] = {figure.name: figure for figure in FIGURES}
