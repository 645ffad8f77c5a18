"""Services and districts of the catalogue in force, as the API lists them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from demo.client import Hotline, Json
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import Service
from domain.catalogue.terms import ClockName
from domain.shared.errors import OperatorError

SLOW_SECONDS = 32.0
"""A promise that a plan leaves to be missed must be no longer than this, or the demo would wait for it too long."""
_MINUTE = 60


@dataclass(frozen=True)
class District:
    """A part of the city."""

    code: str
    name_zh: str


@dataclass(frozen=True)
class Offer:
    """A service as the API lists it; budgets in seconds by clock. `credited` are clocks whose miss is compensated.

    `findings` are the codes that `complete` accepts, the same for every service.
    """

    code: str
    name_zh: str
    group: str
    department: str
    answer_needs_follow_up: bool
    budgets: dict[str, float] = field(hash=False)
    needs_approval: bool = False
    priority: str = ""
    credited: frozenset[str] = frozenset()
    findings: frozenset[str] = frozenset()

    def quick(self, clock: ClockName) -> bool:
        """Return True if this promise is short enough to be missed while the demo runs."""
        return self.budgets.get(clock, SLOW_SECONDS + 1) <= SLOW_SECONDS


async def offers_of(hotline: Hotline) -> tuple[list[Offer], list[District]]:
    """Return the services and districts of the catalogue in force. Raises Rejected, Unreachable."""
    catalogue = await hotline.get("/services")
    districts = [District(item["code"], item["name_zh"]) for item in catalogue["districts"]]
    findings = frozenset(item["code"] for item in catalogue["findings"])
    return [_offer(item, findings) for item in catalogue["items"]], districts


def offers_in(catalogue: Catalogue) -> tuple[Offer, ...]:
    """Return the services of a catalogue."""
    findings = frozenset(finding.code for finding in catalogue.findings)

    def listed(service: Service) -> Json:
        promises, owed = catalogue.promises(service.code, None), catalogue.credits_of(service.code)
        clocks, credits_ = [each.model_dump() for each in promises], [each.model_dump() for each in owed]
        return service.model_dump() | {"service_code": service.code, "clocks": clocks, "credits": credits_}

    return tuple(_offer(listed(service), findings) for service in catalogue.services)


def require_demo_catalogue(offers: Sequence[Offer], url: str) -> None:
    """Raise OperatorError if every promise takes a minute or more: such a service has real cases."""
    if min((seconds for offer in offers for seconds in offer.budgets.values()), default=_MINUTE) >= _MINUTE:
        raise OperatorError(
            f"the service at {url} has a catalogue of real promises, and the demo would register its cases among real"
            " ones: play on a service with demo/demo.toml (a salt tide: surge.toml), or with --up"
        )


def _offer(item: Json, findings: frozenset[str]) -> Offer:
    return Offer(
        code=item["service_code"],
        name_zh=item["name_zh"],
        group=item["group"],
        department=item["department"],
        answer_needs_follow_up=item["answer_needs_follow_up"],
        budgets={clock["name"]: clock["budget_seconds"] for clock in item["clocks"]},
        needs_approval=item["needs_approval"],
        priority=item["priority"],
        credited=frozenset(credit["clock"] for credit in item["credits"] if credit["clock"] and credit["amount"]),
        findings=findings,
    )
