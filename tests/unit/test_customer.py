"""Rules of a customer of the registry, and of the person whom thanks are for."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.case.intake import Intake
from domain.customers.customer import Customer


@pytest.mark.parametrize("written", ["6", "6.0", "6.00", "0006"])
def test_one_allowance_is_one_however_it_is_written(written: str) -> None:
    customer = Customer.model_validate({"account_no": "1", "name": "Li", "free_allowance_m3": written})
    assert str(customer.free_allowance_m3) == "6.00"
    assert customer == Customer(account_no="1", name="Li", free_allowance_m3=Decimal(6))


@pytest.mark.parametrize("written", ["-1", "6.005", "1000000", "NaN", "Infinity", "six"])
def test_an_allowance_that_no_bill_can_state_is_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        Customer.model_validate({"account_no": "1", "name": "Li", "free_allowance_m3": written})


def test_grounds_without_a_hardship_are_a_slip() -> None:
    with pytest.raises(ValidationError, match="hardship must be yes"):
        Customer(account_no="1", name="Li", hardship_grounds="低保")
    assert Customer(account_no="1", name="Li", hardship=True).hardship_grounds is None


def test_only_thanks_name_a_person_and_nothing_is_written_where_none_is_named() -> None:
    assert Intake(service_code="thanks", description="-", thanked=" 梁伟 ").thanked == "梁伟"
    with pytest.raises(ValidationError, match="Only with the service_code thanks"):
        Intake(service_code="no_water", description="-", thanked="梁伟")
    assert "thanked" not in Intake(service_code="thanks", description="-").model_dump()
