"""Credits (自动补偿) as an operator writes them: for a missed promise, or for a finding."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Self, get_args

from pydantic import Field, ValidationInfo, model_validator

from domain.catalogue.norms import Amount, ApproverNorm, Duration, Service, Sources, known
from domain.catalogue.terms import ClockName, CustomerClass
from domain.shared.value import Coded, Value, omit_default


class FindingNorm(Coded):
    """Finding (查实事项) that a department may state when it completes its work; a credit may be owed for it."""


class FurtherNorm(Duration):
    """Amount for each further period of this length, in which the promise is still not kept."""

    amount: Amount


class CreditNorm(Value):
    """Credit (自动补偿) for a missed promise of a service, or for a finding."""

    name: str = Field(min_length=1, description="the English name")
    name_zh: str = Field(min_length=1, description="the Chinese name")
    service: Annotated[str, known("services")] | None = Field(
        default=None, description="a code of [services]; every service, where a finding raises it and none is named"
    )
    clock: ClockName | None = None
    finding: Annotated[str, known("findings")] | None = omit_default(
        None, "a code of [findings], in the place of a clock"
    )
    amount: Amount | None = Field(default=None, description='as a text: "50.00"; or say gap')
    gap: str | None = omit_default(
        None, "what was not found, in the place of an amount; nothing is credited until one is given", min_length=1
    )
    business: Amount | None = omit_default(None, "what a business gets, where that is another amount")
    each_further: FurtherNorm | None = None
    at_most: Amount | None = Field(default=None, description="for one case, all in all")
    at_most_in: Duration | None = omit_default(None, "for one account in such a time, and not only for one case")
    paid_by: Annotated[str, known("departments")] | None = omit_default(
        None, "a code of [departments]: who pays it, and hears that it is approved"
    )
    note: str | None = omit_default(
        None, "what the approver has to check because no case knows it, in English and Chinese", min_length=1
    )
    source: Sources

    @property
    def most(self) -> Decimal:
        """The most that is asked for at once; 0 where the amount is unknown."""
        further = self.each_further.amount if self.each_further else None
        return max((amount for amount in (self.amount, self.business, further) if amount), default=Decimal(0))

    @model_validator(mode="before")
    @classmethod
    def _by_class(cls, credit: object) -> object:
        """Accept an amount that is written as a table by class of customers."""
        amount = credit.get("amount") if isinstance(credit, Mapping) else None
        if not isinstance(credit, Mapping) or not isinstance(amount, Mapping):
            return credit
        if amount.keys() != {*get_args(CustomerClass)}:
            raise ValueError(f"amount: accepted: a text, or a table of {' and '.join(get_args(CustomerClass))}")
        return {**credit, "amount": amount["household"], "business": amount["business"]}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.clock is None) is (self.finding is None):
            raise ValueError("say exactly one of clock, finding")
        if (self.amount is None) is (self.gap is None):
            raise ValueError('say exactly one of amount (as a text: "50.00"), gap (what was not found)')
        if self.clock and not self.service:
            raise ValueError("service is missing: a clock is one of a service")
        if self.finding and self.each_further:
            raise ValueError("each_further is of a clock; a finding is credited each time")
        if self.at_most_in and not self.at_most:
            raise ValueError("at_most_in is the time of an at_most: name that as well")
        return self


def check_credits(norms: tuple[CreditNorm, ...], info: ValidationInfo) -> tuple[CreditNorm, ...]:
    """Raise ValueError where a credit can never be raised or approved, or cannot be told from another."""
    by_code: dict[str, Service] = {service.code: service for service in info.data.get("services", ())}
    approvers: Sequence[ApproverNorm] = info.data.get("approvers", ())
    for credit in norms:
        service = by_code.get(credit.service or "")
        duty = service.duty(credit.clock) if service and credit.clock else None
        if service and credit.clock and (duty is None or duty.in_call):
            raise ValueError(f"{credit.service} promises no {credit.clock}: nothing can be missed")
        if approvers and credit.most > approvers[-1].up_to:
            raise ValueError(f"{credit.most} is more than the last approver's up_to, {approvers[-1].up_to}")
    for code in by_code:
        names = [credit.name for credit in norms if credit.service in (code, None)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{code} has two credits named {twice!r}; accepted: a name for each")
    return norms
