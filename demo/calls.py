"""Calls of the demo, each with the plan of its case, and what the exchange of the company reports of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

from demo.client import Json
from demo.people import AGENTS, Person, Staff
from demo.plans import District, Offer, Plan, Step
from domain.case.progress import SATISFIED
from domain.shared.actors import Role
from hotline.files.formats import read_toml

LEAST_CASES = 60
"""Enough for every plan, service and district of a day, and for four waves of a surge."""
EXCHANGE = Person("电话系统", Role.TELEPHONY)
"""Telephone system, which has no key of its own in the demo: it reports with the administrator's."""
QUEUE = "hotline"
_TALK = timedelta(seconds=90)
_IMPATIENT, _STRANGER, CALLED_BACK = 9, 15, 45
"""One call in so many was tried before in vain; one of a stranger is abandoned; such a stranger is called back."""

_TEXTS = read_toml(Path(__file__).with_name("texts.toml"))
_SURNAMES = "陈李梁黄何林吴冯郑刘周杨谭罗梁蔡郭潘萧麦"
_STREETS = ("人民路", "兴华街", "安栏路", "富康路", "悦来路", "光明路", "翠景道", "康华路", "顺景街", "长堤路")


def words(service_code: str) -> Json:
    """Return what callers say, what crews find and do, and what the agent replies; general for an unknown service."""
    found: Json = _TEXTS.get(service_code, _TEXTS["usual"])
    return found


def phone(place: int) -> str:
    """Return a number that cannot exist: after the area code no Chinese number starts with 0."""
    return f"0760-0000{place % 10_000:04d}"


@dataclass(frozen=True)
class Call:
    """One call, and the plan of the case that it becomes; `texts` are its own in place of those of the service.

    It begins when `starts` of the day has passed, or in its `wave`, if it has one. `kind` is the reason of a call of a
    surge, `title` the name of a story. The exchange reports the call if it is `reported`.
    """

    index: int
    plan: Plan
    offer: Offer
    intake: Json = field(hash=False)
    texts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    starts: float = 0.0
    wave: int | None = None
    kind: str = ""
    title: str = ""
    reported: bool = False

    @property
    def owner(self) -> str:
        return AGENTS[self.index % len(AGENTS)]

    def account_no(self, run: str) -> str:
        """Return an invented account (户号), also the id of the call: it tells the cases of one run from all others."""
        return f"{run}-{self.index:04d}"

    def intake_of(self, run: str) -> Json:
        """Return the body of the registration."""
        caller = {"phone": phone(self.index), **self.intake["caller"], "account_no": self.account_no(run)}
        by_phone = {"call_id": self.account_no(run)} if self.reported else {}
        return {**self.intake, "owner": self.owner, "caller": caller, **by_phone}

    def request(self, step: Step, staff: Staff, case: Json, **more: str) -> tuple[Person, Json]:
        """Return who takes the step on the case as it is now, and the body of the request; `more` are facts, too.

        Of the findings of a crew those remain that the catalogue has.
        """
        facts = {**self._facts(staff), **more}
        body = {name: facts[value[1:]] if str(value).startswith("$") else value for name, value in step.body.items()}
        if "findings" in body:
            body["findings"] = [code for code in body["findings"] if code in self.offer.findings]
        role = Role.OWNER if step.role is Role.AGENT else step.role
        # A part of the case has a department and a crew of its own.
        at_work = body.get("department") or case["department"] or self.offer.department
        person = staff.who(role, owner=case["owner"], department=at_work, turn=self.index)
        if step.action == "sign_for":
            body.setdefault("assignee", person.name)
        return person, body

    def _facts(self, staff: Staff) -> Json:
        texts, department = {**words(self.offer.code), **self.texts}, self.offer.department
        work = texts["done"][self.index % len(texts["done"])]
        place = staff.departments.index(department)
        return {
            "department": department,
            "elsewhere": staff.departments[(place + 1) % len(staff.departments)],
            "colleague": AGENTS[(self.index + 1) % len(AGENTS)],
            "relief": staff.who(Role.CREW, department=department, turn=self.index + 1).name,
            "result": work["result"],
            "findings": [work["finding"]] if "finding" in work else [],
            "told": texts["told"],
            "satisfaction": SATISFIED[self.index % len(SATISFIED)].value,
        }


def intake(offer: Offer, district: District, said: str, pick: int) -> Json:
    """Return what is taken down of a call by telephone; `pick` chooses the caller's name and address."""
    name = _SURNAMES[pick % len(_SURNAMES)] + ("先生", "女士")[pick // len(_SURNAMES) % 2]
    address = f"{district.name_zh}{_STREETS[pick % len(_STREETS)]}{pick % 97 + 1}号"
    return {
        "service_code": offer.code,
        "channel": "phone",
        "caller": {"name": name},
        "location": {"district": district.code, "address": address},
        "description": said,
    }


def calls_of(run: str, call: Call, registered_at: datetime) -> list[Json]:
    """Return the call in which a case was registered then, and those that nobody answered, as the exchange has them."""
    name, caller, answered_at = call.account_no(run), call.intake_of(run)["caller"]["phone"], registered_at - _TALK
    began_at = answered_at - timedelta(seconds=6 + call.index * 7 % 40)
    calls = [(name, caller, began_at, registered_at)]
    if call.index % _IMPATIENT == 0:
        calls.append((f"{name}.1", caller, began_at - timedelta(seconds=70), began_at - timedelta(seconds=30)))
    if call.index % _STRANGER == 0:
        # In every run they are others: who was reached in an earlier one is not called back again.
        stranger = phone(5000 + (crc32(run.encode()) + call.index) % 5000)
        calls.append((f"{name}.2", stranger, began_at, answered_at))
    found = []
    for each, who, start, end in calls:
        times = {"started_at": start.isoformat(), "ended_at": end.isoformat()}
        found.append({"call_id": each, "queue": QUEUE, "caller_phone": who, **times})
    found[0] |= {"answered_at": answered_at.isoformat(), "agent": call.owner}
    return found
