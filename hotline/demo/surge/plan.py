"""Plan of a surge, made from a seed: the calls of each wave, their subjects, and the outcomes of the follow-ups."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hotline.demo.calls import Call, Scene
from hotline.demo.client import Json
from hotline.demo.offers import District, Offer
from hotline.demo.plans import Plan
from hotline.demo.surge.words import ASKED, DONE_AGAIN, OWN, OWN_DONE, SALTY, TOLD_AGAIN
from hotline.demo.texts import Work, address, caller_name, phone, words

USUAL_CASES = 2000
LEAST_CASES = 60
MOST_CASES = 10_000
"""Number of telephone numbers that cannot exist."""

WAVES = (1, 2, 3, 4)
BEFORE, AFTER = 0, WAVES[-1] + 1
"""In the quiet before the first wave; and while the cases of the tide are being settled."""
SHARES = {2: 0.35, 3: 0.40, 4: 0.25}
FIRST_SHARE = 0.15
FIRST_LEAST = 16
"""Calls of the first wave: all about the taste, from one district, so that they raise the suspicion."""
EMERGENCIES_IN = (BEFORE, 3, AFTER)

TASTE = "water_quality"
SERVICES = (TASTE, "low_pressure", "no_water")
"""Services of a tide, in this order: the taste; then pressure falls, as the works take in less; then no water."""
REACHED = ("tanzhou", "shenwan", "sanxiang", "nanlang")
"""The districts near the mouths of the Pearl River, in the order in which salt water comes up."""

OUTCOMES = {
    "not_content sign_for complete reply satisfied": 0.03,
    "nobody nobody nobody": 0.02,
    "nobody satisfied": 0.06,
    "satisfied": 0.89,
}
"""Ways of a case of the tide, from the reply to all callers on, with their shares."""
BY_ITSELF = "sign_for complete reply satisfied"
"""Way of any other case, once it has been dispatched."""


class Kind(StrEnum):
    """Reason of a call."""

    TIDE = "tide"
    ASKED = "asked"
    OWN_CAUSE = "own_cause"
    OTHER = "other"
    EMERGENCY = "emergency"


OF_THE_TIDE = frozenset({Kind.TIDE, Kind.ASKED})
"""`ASKED` is about the tide as well, but no rule can tell: another service, another district. A person links it."""

_WORDS: dict[Kind, tuple[Work, str | None]] = {
    Kind.TIDE: (DONE_AGAIN, TOLD_AGAIN),
    Kind.ASKED: (DONE_AGAIN, TOLD_AGAIN),
    Kind.OWN_CAUSE: (OWN_DONE, None),
}
"""Work and reply of a case, where they are not those that are usual for its service."""


@dataclass(frozen=True)
class SurgeCall(Call):
    """One call of the surge. The way of a case of the tide begins when it has been replied to."""

    wave: int
    kind: Kind


@dataclass(frozen=True)
class Surge:
    """All calls, and the scope of the incident that explains most of them."""

    calls: tuple[SurgeCall, ...]
    services: tuple[str, ...]
    districts: tuple[str, ...]

    def of(self, *kinds: Kind, wave: int | None = None) -> tuple[SurgeCall, ...]:
        """Return the calls of these kinds; of one wave, or of all."""
        return tuple(call for call in self.calls if call.kind in kinds and wave in (None, call.wave))


def plan_surge(cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> Surge:
    """Return the calls in the order of their index; the same for the same arguments.

    Raises ValueError for too few or too many cases, or where the catalogue has no place for a tide.
    """
    if not LEAST_CASES <= cases <= MOST_CASES:
        raise ValueError(f"a surge has {LEAST_CASES} to {MOST_CASES} cases, not {cases}")
    known = {offer.code: offer for offer in offers if "reply" in offer.budgets and not offer.needs_approval}
    if TASTE not in known or len(districts) < 2:  # noqa: PLR2004 - one that it reaches, and one that it does not
        raise ValueError(f"a salt tide needs a catalogue with the service {TASTE} and at least two districts")
    maker = _Maker(random.Random(seed), known, districts)  # noqa: S311 - a play that can be repeated, no secret
    drafts = sorted(maker.drafts(cases), key=lambda draft: draft.wave)
    calls = tuple(maker.numbered(index, draft) for index, draft in enumerate(drafts))
    return Surge(calls, maker.services, tuple(district.code for district in maker.reached))


class _Draft(NamedTuple):
    """A call before it has its place, from which caller and agent follow."""

    wave: int
    kind: Kind
    offer: Offer
    intake: Json


class _Maker:
    """Generator of the calls."""

    def __init__(self, rng: random.Random, offers: dict[str, Offer], districts: Sequence[District]) -> None:
        self._rng = rng
        self._offers = offers
        by_code = {district.code: district for district in districts}
        near = [by_code[code] for code in REACHED if code in by_code]
        rest = [district for district in districts if district not in near]
        most = min(len(REACHED), len(districts) - 1)
        self.reached = (near + rest)[:most]
        self._elsewhere = [district for district in districts if district not in self.reached]
        self.services = tuple(code for code in SERVICES if code in offers)
        others = [offer for code, offer in offers.items() if code not in (*SERVICES, "burst_main")]
        self._others = others or [offers[TASTE]]

    def drafts(self, cases: int) -> list[_Draft]:
        """Return so many calls in a mixed order."""
        asked, own, other = max(3, cases // 250), max(2, cases // 500), max(8, cases // 160)
        tide = cases - asked - own - other - len(EMERGENCIES_IN)
        sizes = {1: max(FIRST_LEAST, round(FIRST_SHARE * tide))}
        sizes |= {wave: int(share * (tide - sizes[1])) for wave, share in SHARES.items()}
        sizes[WAVES[-1]] += tide - sum(sizes.values())
        found = [self._tide(wave) for wave, size in sizes.items() for _ in range(size)]
        found += [self._asked(WAVES[1:][turn % 3]) for turn in range(asked)]
        found += [self._own(WAVES[1:][turn % 3]) for turn in range(own)]
        found += [self._other(WAVES[turn % len(WAVES)], turn) for turn in range(other)]
        found += [self._emergency(wave) for wave in EMERGENCIES_IN]
        self._rng.shuffle(found)
        return found

    def numbered(self, index: int, draft: _Draft) -> SurgeCall:
        """Return the call at its place."""
        intake = {**draft.intake, "caller": {"name": caller_name(self._rng.randrange(10_000)), "phone": phone(index)}}
        work, told = _WORDS.get(draft.kind, (None, None))
        scene = Scene.of(index, draft.offer, [*self._offers.values()], work, told)
        plan = Plan(draft.kind, self._way(draft.kind))
        return SurgeCall(index, plan, draft.offer, scene, intake, draft.wave, draft.kind)

    def _way(self, kind: Kind) -> str:
        if kind in OF_THE_TIDE:
            return self._rng.choices([*OUTCOMES], [*OUTCOMES.values()])[0]
        # An emergency goes out while the caller is still on the line.
        return f"dispatch_at_once {BY_ITSELF}" if kind is Kind.EMERGENCY else f"dispatch {BY_ITSELF}"

    def _tide(self, wave: int) -> _Draft:
        """Return a call of the tide: each wave reaches one district more, and brings one more trouble."""
        service = self._rng.choices(self.services[:wave], (6, 2, 2)[: len(self.services[:wave])])[0]
        said = self._rng.choice(SALTY[service])
        return self._call(wave, Kind.TIDE, service, self._rng.choice(self.reached[:wave]), said)

    def _asked(self, wave: int) -> _Draft:
        service = "inquiry" if "inquiry" in self._offers else TASTE
        district = self._rng.choice(self._elsewhere)
        return self._call(wave, Kind.ASKED, service, district, self._rng.choice(ASKED))

    def _own(self, wave: int) -> _Draft:
        service = self.services[min(1, len(self.services) - 1)]
        return self._call(wave, Kind.OWN_CAUSE, service, self.reached[0], self._rng.choice(OWN))

    def _other(self, wave: int, turn: int) -> _Draft:
        service = self._others[turn % len(self._others)].code
        said = self._rng.choice(words(service).said)
        return self._call(wave, Kind.OTHER, service, self._rng.choice(self._elsewhere), said)

    def _emergency(self, wave: int) -> _Draft:
        service = "burst_main" if "burst_main" in self._offers else self._others[0].code
        said = self._rng.choice(words(service).said)
        draft = self._call(wave, Kind.EMERGENCY, service, self._rng.choice(self._elsewhere), said)
        draft.intake["priority"] = "P1"
        return draft

    def _call(self, wave: int, kind: Kind, service: str, district: District, said: str) -> _Draft:
        where = {"district": district.code, "address": address(district.name_zh, self._rng.randrange(10_000))}
        intake = {"service_code": service, "channel": "phone", "location": where, "description": said}
        return _Draft(wave, kind, self._offers[service], intake)
