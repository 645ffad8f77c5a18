"""Plan of a surge, made from a seed: the calls of each wave, their subjects, and the outcomes of the follow-ups."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hotline.demo.day import District, account_no
from hotline.demo.people import AGENTS
from hotline.demo.steps import Offer
from hotline.demo.surge.words import ASKED, OWN, SALTY
from hotline.demo.texts import address, caller_name, phone, words

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

DISSATISFIED, UNREACHABLE, NEVER_REACHED = 0.03, 0.06, 0.02
"""Shares of the callers who are not content with the first reply, who are reached later, and who never are."""


class Kind(StrEnum):
    """Reason of a call."""

    TIDE = "tide"
    ASKED = "asked"
    OWN_CAUSE = "own_cause"
    OTHER = "other"
    EMERGENCY = "emergency"


OF_THE_TIDE = frozenset({Kind.TIDE, Kind.ASKED})
"""`ASKED` is about the tide as well, but no rule can tell: another service, another district. A person links it."""


@dataclass(frozen=True)
class Call:
    """One call and its course. `outcomes` are those of the follow-ups of its first cycle, in their order."""

    index: int
    wave: int
    kind: Kind
    offer: Offer
    owner: str
    intake: dict[str, Any]
    outcomes: tuple[str, ...] = ("satisfied",)

    def intake_of(self, run: str) -> dict[str, Any]:
        """Return the body of the registration. The account number tells the cases of one run from all others."""
        caller = {**self.intake["caller"], "account_no": account_no(run, self.index)}
        return {**self.intake, "owner": self.owner, "caller": caller}


@dataclass(frozen=True)
class Surge:
    """All calls, and the scope of the incident that explains most of them."""

    calls: tuple[Call, ...]
    services: tuple[str, ...]
    districts: tuple[str, ...]

    def of(self, *kinds: Kind, wave: int | None = None) -> tuple[Call, ...]:
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
    waves = [*maker.calls(cases)]
    waves.sort(key=lambda call: call.wave)
    calls = tuple(maker.numbered(index, call) for index, call in enumerate(waves))
    return Surge(calls, maker.services, tuple(district.code for district in maker.reached))


class _Maker:
    """Generator of the calls. Caller and agent of a call follow from its index, which comes last."""

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

    def calls(self, cases: int) -> Iterator[Call]:
        """Return so many calls, wave by wave, in a mixed order within each."""
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
        yield from found

    def numbered(self, index: int, call: Call) -> Call:
        """Return the call at its place."""
        caller = {"name": caller_name(self._rng.randrange(10_000)), "phone": phone(index)}
        owner = AGENTS[index % len(AGENTS)]
        return Call(index, call.wave, call.kind, call.offer, owner, {**call.intake, "caller": caller}, call.outcomes)

    def _tide(self, wave: int) -> Call:
        """Return a call of the tide: each wave reaches one district more, and brings one more trouble."""
        service = self._rng.choices(self.services[:wave], (6, 2, 2)[: len(self.services[:wave])])[0]
        said = self._rng.choice(SALTY[service])
        return self._call(wave, Kind.TIDE, service, self._rng.choice(self.reached[:wave]), said, self._outcomes())

    def _asked(self, wave: int) -> Call:
        service = "inquiry" if "inquiry" in self._offers else TASTE
        district = self._rng.choice(self._elsewhere)
        return self._call(wave, Kind.ASKED, service, district, self._rng.choice(ASKED), self._outcomes())

    def _own(self, wave: int) -> Call:
        service = self.services[min(1, len(self.services) - 1)]
        return self._call(wave, Kind.OWN_CAUSE, service, self.reached[0], self._rng.choice(OWN))

    def _other(self, wave: int, turn: int) -> Call:
        service = self._others[turn % len(self._others)].code
        said = self._rng.choice(words(service).said)
        return self._call(wave, Kind.OTHER, service, self._rng.choice(self._elsewhere), said)

    def _emergency(self, wave: int) -> Call:
        service = "burst_main" if "burst_main" in self._offers else self._others[0].code
        said = self._rng.choice(words(service).said)
        call = self._call(wave, Kind.EMERGENCY, service, self._rng.choice(self._elsewhere), said)
        call.intake["priority"] = "P1"
        return call

    def _call(
        self, wave: int, kind: Kind, service: str, district: District, said: str, outcomes: tuple[str, ...] = ()
    ) -> Call:
        where = {"district": district.code, "address": address(district.name_zh, self._rng.randrange(10_000))}
        intake = {"service_code": service, "channel": "phone", "location": where, "description": said}
        return Call(0, wave, kind, self._offers[service], "", intake, outcomes or ("satisfied",))

    def _outcomes(self) -> tuple[str, ...]:
        draw = self._rng.random()
        if draw < DISSATISFIED:
            return ("dissatisfied",)
        if draw < DISSATISFIED + NEVER_REACHED:
            return ("unreachable",) * 3
        if draw < DISSATISFIED + NEVER_REACHED + UNREACHABLE:
            return ("unreachable", "satisfied")
        return ("satisfied",)
