"""Terms of a case: what it carries of the catalogue, as immutable values of the start message.

It is fixed when the case is registered. An edit of the catalogue never moves a running case by itself: that takes a
catalogue that is put in force for open cases too (`domain.case.automatic.internal_updates`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field

from domain.calendar.work_calendar import WorkCalendar
from domain.shared.codes import Coded
from domain.shared.value import Money, PositiveMoney, Value, exhaustive, omit_default

ClockName = Literal["acknowledge", "arrive", "resolve", "reply", "follow_up"]
Starts = Literal["registration", "dispatch", "reply", "decision"]
Act = Literal["signature", "arrival", "work", "reply", "follow_up"]
"""Acts that keep a promise: it can be made anew only while its act is still to be done."""
CalendarKind = Literal["always", "working"]
Priority = Literal["P1", "P2", "P3", "P4", "P5"]


class Urged(NamedTuple):
    """Words for a promise in the documents of urging: that it was kept, in two languages, and what keeps it."""

    done_zh: str
    done_en: str
    act_en: str


class ClockRow(NamedTuple):
    """Clock of a promise: its Chinese name, from when it runs unless the service says otherwise, and what keeps it.

    A department promises it to the owner of the case, or else the owner to the caller. An extension (延期) gives more
    days to one that `is_extended`. People are urged in writing for one that has words for it.
    """

    zh: str
    starts: Starts
    kept_by: Act
    of_department: bool = False
    is_extended: bool = False
    urged: Urged | None = None


CLOCKS: Mapping[ClockName, ClockRow] = exhaustive(
    "CLOCKS",
    get_args(ClockName),
    {
        "acknowledge": ClockRow("签收", "dispatch", "signature", of_department=True),
        "arrive": ClockRow("到场", "dispatch", "arrival", of_department=True),
        "resolve": ClockRow(
            "处理", "registration", "work", is_extended=True, urged=Urged("办结", "settled", "settle it")
        ),
        "reply": ClockRow(
            "回复", "registration", "reply", is_extended=True, urged=Urged("回复", "replied to", "reply")
        ),
        "follow_up": ClockRow("回访", "reply", "follow_up"),
    },
)
"""Clocks in the order in which they are shown. Trap: people are urged for the first of them that is not kept."""
URGED: Mapping[ClockName, Urged] = {name: row.urged for name, row in CLOCKS.items() if row.urged}
MISS = 100
"""Percent of the budget at which a promise is missed, whatever the ladder says."""
Recipient = Literal["assignee", "lead", "owner", "supervisor", "director", "general_manager"]
CustomerClass = Literal["household", "business"]
Seconds = Annotated[int, Field(gt=0, le=10 * 366 * 86_400)]
"""Seconds of a rule: at most ten years. With the most extensions, a promise stays below the century that the working
calendar computes."""
Days = Annotated[int, Field(ge=0, le=366)]
"""Days of a rule: at most a year."""


class Promise(Value):
    """One clock of a case: how long, in which time, and from which moment on."""

    name: ClockName
    calendar: CalendarKind
    budget_seconds: Seconds = Field(description="Seconds of the calendar: round the clock, or working time.")
    starts: Starts


class EscalationStep(Value):
    """At this percentage of a clock's budget these people are notified."""

    percent: int = Field(gt=0, le=1000)
    notify: tuple[Recipient, ...] = Field(min_length=1, description=f"some of {', '.join(get_args(Recipient))}")


class UrgingRules(Value):
    """Rules of urging: times from a missed promise to the notice (催办通知书) and to the criticism."""

    notice_seconds: Seconds = Field(86_400, description="Seconds of `calendar` from the miss to the written notice.")
    calendar: CalendarKind = "always"
    criticism_days: Days = Field(5, description="Working days from the notice to the criticism (通报批评); 0: never.")


class Process(Value):
    """The rules of the chain that are no clocks. Days are working days (工作日)."""

    follow_up_attempts: int = Field(3, gt=0)
    reopen_seconds: Seconds = 259_200
    extension_max_days: Days = 10
    extension_notice_days: Days = 1
    extensions_allowed: int = Field(1, ge=0, le=50)
    return_within_days: Days = 2
    supervise_after: int = Field(
        2, gt=0, description="After so many dissatisfied follow-ups the rework (重办) is supervised."
    )
    urging: UrgingRules = UrgingRules()


class Approver(Value):
    """Somebody who decides on money, in his turn: whoever holds a post, and the deputy once the time has lapsed."""

    post: str = Field(min_length=1, description="what the post is called")
    up_to: Money = Field(description="Above it, the next decides as well.")
    holder: str | None = Field(None, description="the id of a person; any manager, where nobody is named")
    deputy: str | None = Field(None, description="who may decide as well once the approver's time has lapsed")
    calendar: CalendarKind = "working"
    budget_seconds: Seconds = Field(description="Seconds of the calendar that the decision may take.")


class Unit(Coded):
    """A department of the organisation chart. Persons by their ids; None: the post alone is notified."""

    lead: str | None = None
    director: str | None = None


class Organisation(Value):
    """The chart (组织架构) that a case takes with it: all departments, as it may move from one to another."""

    name: str = Field(description="of the hotline, which issues notices")
    name_zh: str
    units: tuple[Unit, ...]
    general_manager: str | None = None


USUAL_CLASS: CustomerClass = "household"
"""Of customers (客户类别): of whom nothing else is known."""


class Credit(Value):
    """Credit that the company owes, without being asked, for a missed promise or a finding (自动补偿)."""

    name: str
    name_zh: str
    clock: ClockName | None = Field(None, description="The promise; null where a finding raises the credit.")
    finding: str | None = omit_default(None, "What raises it once it is found (查实).")
    amount: PositiveMoney | None = Field(description="Null: unknown, a gap of the catalogue; nothing is credited.")
    gap: str | None = omit_default(None, "What is not known of the amount.")
    business: PositiveMoney | None = omit_default(None, "What a business gets, where that is another amount.")
    each_further: PositiveMoney | None = Field(None, description="For each further period; nothing without it.")
    every_seconds: Seconds | None = Field(None, description="That period, in seconds of the clock's calendar.")
    at_most: PositiveMoney | None = Field(None, description="For one case, all in all.")
    at_most_seconds: Seconds | None = omit_default(None, "That is also the most of one account in so many seconds.")
    paid_by: str | None = omit_default(None, "The department that pays it.")
    note: str | None = omit_default(None, "What the approver has to check, because no case knows it.")

    def amount_for(self, customer: CustomerClass) -> Decimal | None:
        """None if it is unknown."""
        return self.business if self.business and customer == "business" else self.amount


class Exemption(Coded):
    """Exemption (免责情形): ground on which a credit is rejected, as nothing is owed then."""


class Edition(Value):
    """Identity of a catalogue: the beginning of its checksum, and its names."""

    digest: str
    name: str
    name_zh: str


USUAL_CURRENCY = "CNY"


class Terms(Value):
    """Everything a running case needs of the catalogue."""

    service_code: str
    name: str
    name_zh: str
    group: str
    priority: Priority
    department: str
    answer_needs_follow_up: bool
    promises: tuple[Promise, ...] = Field(description="At most one per clock; a clock that is not promised is absent.")
    ladder: tuple[EscalationStep, ...]
    process: Process
    approvers: tuple[Approver, ...] = Field(
        (), description="By rising amount, in turn; without any, one manager decides on every amount."
    )
    organisation: Organisation | None = Field(None, description="None: the company has no chart.")
    calendar: WorkCalendar

    district: Coded | None = omit_default(None, "District of the case, with its names; null if it is not known.")
    findings: tuple[str, ...] = omit_default((), "Codes that a department may state when it completes its work.")
    credits: tuple[Credit, ...] = omit_default(())
    exemptions: tuple[Exemption, ...] = omit_default(())
    currency: str = omit_default(USUAL_CURRENCY, "ISO 4217, of every amount.")
    needs_approval: bool = omit_default(False, "It is completed only once management has decided, in each cycle.")
    priority_by_hand: bool = omit_default(False, "The priority was given at intake.")

    def unit(self, department: str) -> Unit:
        """Of a department that the chart does not have, only the code is known."""
        units = self.organisation.units if self.organisation else ()
        known = (unit for unit in units if unit.code == department)
        return next(known, Unit(code=department, name=department, name_zh=department))

    def persons(self, department: str | None) -> dict[str, str]:
        """Holders of the posts above the department, by recipient, without posts that nobody holds."""
        unit = self.unit(department) if department else None
        posts = {
            "lead": unit and unit.lead,
            "director": unit and unit.director,
            "general_manager": self.organisation and self.organisation.general_manager,
        }
        return {post: name for post, name in posts.items() if name}
