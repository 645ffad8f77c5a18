"""Plan of a day, made from a seed: each call with its caller, subject, time and place, and the plan of its case."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.case.actions.dispatch import Dispatch
from domain.case.actions.hand_over import HandOver
from domain.case.actions.sign_for import SignFor
from domain.case.parts import PartBody
from domain.case.satisfaction import SATISFIED
from domain.shared.actors import Role
from hotline.demo.client import Json
from hotline.demo.household import HOUSEHOLD
from hotline.demo.people import AGENTS, Person, Staff
from hotline.demo.plans import PLANS
from hotline.demo.steps import Offer, Plan, Scene, Step, Wait
from hotline.demo.stories import STORIES, Story
from hotline.demo.texts import address, caller_name, phone, words

LEAST_CASES = 300
"""Number of calls of a morning of the real hotline; enough for every plan in every group of services."""

CALLS_BY_HOUR = (2, 1, 1, 1, 1, 2, 5, 9, 13, 14, 12, 10, 7, 7, 9, 10, 10, 9, 9, 10, 8, 6, 4, 3)
"""Shares of the calls by hour of the day: quiet nights, a busy morning, a second peak after work."""

LATEST_MISS = 0.6
"""Cases in which a clock has to run down are registered in this part of the day."""

ALWAYS: tuple[Story, ...] = (*STORIES, *HOUSEHOLD)
"""Calls that come on every day, first in the order of the index."""

CHANNELS = ("phone",) * 8 + ("hotline_12345", "wechat", "counter", "web")


@dataclass(frozen=True)
class District:
    """A part of the city."""

    code: str
    name_zh: str


@dataclass(frozen=True)
class Line:
    """One step of one case, ready to be sent. `place` counts steps; the registration is 0."""

    place: int
    person: Person
    action: str
    body: dict[str, Any]
    wakes_after: float | None = None


@dataclass(frozen=True)
class Pause:
    """Wait for a time; it comes after step `place`."""

    place: int
    until: Wait


@dataclass(frozen=True)
class Call:
    """One call of the day, and the case it becomes. `starts` is the part of the day that has passed by then."""

    index: int
    starts: float
    plan: Plan
    offer: Offer
    scene: Scene
    owner: str
    intake: dict[str, Any]
    story: Story | None = None

    def intake_of(self, run: str) -> dict[str, Any]:
        """Return the body of the registration. The account number tells the cases of one run from all others."""
        caller = {**self.intake["caller"], "account_no": account_no(run, self.index)}
        return {**self.intake, "owner": self.owner, "caller": caller}

    def lines(self, plan: Plan, staff: Staff) -> tuple[Line | Pause, ...]:
        """Return the steps of the plan for this case, each with the person who does it."""
        owner, department, place = self.owner, self.scene.department, 0
        lines: list[Line | Pause] = []
        for move in plan.moves:
            if isinstance(move, Wait):
                lines.append(Pause(place, move))
                continue
            place += 1
            body = move.body(self.scene)
            at_work = (body.department if isinstance(body, PartBody) else None) or department
            person = staff.named(owner) if move.role is Role.AGENT else self._who(move, staff, owner, at_work)
            if isinstance(body, SignFor) and body.assignee is None:
                body = body.model_copy(update={"assignee": person.name})
            said = body.model_dump(mode="json", exclude_none=True)
            lines.append(Line(place, person, move.action, said, move.wakes_after))
            owner = body.owner if isinstance(body, HandOver) else owner
            department = body.department if isinstance(body, Dispatch) else department
        return tuple(lines)

    def _who(self, step: Step, staff: Staff, owner: str, department: str) -> Person:
        return staff.who(step.role, owner=owner, department=department, turn=self.index)


def account_no(run: str, index: int) -> str:
    """Return an invented account (户号): the run's id and the number of the call."""
    return f"{run}-{index:04d}"


def plan_day(cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> tuple[Call, ...]:
    """Return the calls of a day in the order of their index; the same for the same arguments.

    Raises ValueError for fewer than `LEAST_CASES` cases, or where there is no service or no district.
    """
    if cases < LEAST_CASES:
        raise ValueError(f"a day of the hotline has at least {LEAST_CASES} cases, not {cases}")
    if not offers or not districts:
        raise ValueError("a day needs at least one service and one district")
    rng = random.Random(seed)  # noqa: S311 - a play that can be repeated, no secret
    suited_plans = [plan for plan in PLANS if any(plan.suits(offer) for offer in offers)]
    # With one district, every call about the incident's service would be linked by itself.
    playable = [plan for plan in suited_plans if len(districts) > 1 or not plan.links]
    plans = _deal(cases - len(ALWAYS), playable)
    rng.shuffle(plans)
    where = rng.sample(list(districts), len(districts))
    used: Counter[str] = Counter()
    calls = [_story(index, story, offers, districts) for index, story in enumerate(ALWAYS)]
    for index, plan in enumerate(plans, start=len(ALWAYS)):
        suited = rng.sample([offer for offer in offers if plan.suits(offer)], k=sum(map(plan.suits, offers)))
        offer = min(suited, key=lambda offer: used[offer.code])
        used[offer.code] += 1
        # The service would link a call of the incident's scope by itself; those of the plans are linked by people.
        covered = (offer, where[index % len(where)]) == _scope(offers, districts)
        calls.append(_call(index, plan, offer, offers, where[(index + covered) % len(where)], rng))
    return tuple(calls)


def incident_of(offers: Sequence[Offer], districts: Sequence[District]) -> Json:
    """Return the incident of the day (突发事件) as it is declared; no call of the day is in its scope."""
    offer, district = _scope(offers, districts)
    return {"title": f"{district.name_zh}{offer.name_zh}", "services": [offer.code], "districts": [district.code]}


def _scope(offers: Sequence[Offer], districts: Sequence[District]) -> tuple[Offer, District]:
    return offers[0], districts[-1]


def _deal(cases: int, plans: list[Plan]) -> list[Plan]:
    """Return so many plans, each at least once, the rest by weight (largest remainder)."""
    total = sum(plan.weight for plan in plans)
    spare = cases - len(plans)
    shares = [spare * plan.weight / total for plan in plans]
    counts = [1 + int(share) for share in shares]
    by_remainder = sorted(range(len(plans)), key=lambda place: int(shares[place]) - shares[place])
    for place in by_remainder[: cases - sum(counts)]:
        counts[place] += 1
    return [plan for plan, count in zip(plans, counts, strict=True) for _ in range(count)]


def _call(
    index: int, plan: Plan, offer: Offer, offers: Sequence[Offer], district: District, rng: random.Random
) -> Call:
    said = words(offer.code)
    pick = rng.randrange(10_000)
    hour = rng.choices(range(len(CALLS_BY_HOUR)), CALLS_BY_HOUR)[0]
    starts = (hour + rng.random()) / len(CALLS_BY_HOUR)
    return Call(
        index=index,
        starts=starts * LATEST_MISS if plan.takes_time else starts,
        plan=plan,
        offer=offer,
        scene=_scene(index, offer, offers),
        owner=AGENTS[index % len(AGENTS)],
        intake={
            "service_code": offer.code,
            "channel": CHANNELS[pick % len(CHANNELS)],
            "caller": {"name": caller_name(pick), "phone": phone(index)},
            "location": {"district": district.code, "address": address(district.name_zh, pick)},
            "description": rng.choice(said.said),
        },
    )


def _story(index: int, story: Story, offers: Sequence[Offer], districts: Sequence[District]) -> Call:
    """Return a story, in its own service and district if the catalogue has them."""
    able = [offer for offer in offers if story.plan.suits(offer)] or list(offers)
    offer = next((offer for offer in able if offer.code == story.service_code), able[0])
    district = next((district for district in districts if district.code == story.district), districts[0])
    intake: dict[str, Any] = {
        "service_code": offer.code,
        "channel": "phone",
        "caller": {"name": story.caller, "phone": story.phone or phone(index)},
        "location": {"district": district.code, "address": story.address},
        "description": story.description,
    }
    if story.priority:
        intake["priority"] = story.priority
    return Call(index, story.starts, story.plan, offer, _scene(index, offer, offers), AGENTS[index], intake, story)


def _scene(index: int, offer: Offer, offers: Sequence[Offer]) -> Scene:
    departments = sorted({offer.department for offer in offers})
    elsewhere = departments[(departments.index(offer.department) + 1) % len(departments)]
    said = words(offer.code)
    return Scene(
        department=offer.department,
        elsewhere=elsewhere,
        colleague=AGENTS[(index + 1) % len(AGENTS)],
        relief=Staff(departments).who(Role.CREW, owner="", department=offer.department, turn=index + 1).name,
        done=said.done[index % len(said.done)],
        findings=offer.findings,
        told=said.told,
        satisfaction=SATISFIED[index % len(SATISFIED)],
    )
