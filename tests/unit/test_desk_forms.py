"""Forms of the desk: every action's body has inputs, and what is typed becomes that body."""

import pytest
from pydantic import BaseModel

from api.complaints.cases import NewComplaint
from api.desk.forms import Field, body_of, fields_of
from api.desk.words import FIELDS, Names, of_recipient
from api.incidents.answers import NewIncident
from domain.case.actions import COMMANDS
from domain.case.lifecycle import State
from domain.incident.actions import INCIDENT_COMMANDS
from domain.kit.event import AnyAction
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import case_in

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
ZONE = "Asia/Shanghai"


def fields(action: str) -> dict[str, Field]:
    return {field.name: field for field in fields_of(COMMANDS[action].body, CATALOGUE)}


def typed(action: str, **given: str | list[str]) -> object:
    """Return the body of what somebody types; two underscores stand for a dot."""
    texts = {name.replace("__", "."): [text] if isinstance(text, str) else text for name, text in given.items()}
    return body_of([*fields(action).values()], texts, ZONE)


def inputs(values: dict[str, object], within: str = "") -> dict[str, list[str]]:
    """Return what somebody types for these values of a body."""
    found: dict[str, list[str]] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= inputs(value, f"{within}{name}.")
        else:
            each = value if isinstance(value, list) else ["" if value is None else str(value)]
            found[f"{within}{name}"] = [text.lower() if text in ("True", "False") else text for text in each]
    return found


EVERY_ACTION: dict[str, AnyAction] = {
    **COMMANDS,
    **{f"incident_{name}": row for name, row in INCIDENT_COMMANDS.items()},
}


@pytest.mark.parametrize("name", EVERY_ACTION)
def test_the_example_of_an_action_can_be_typed(name: str) -> None:
    model, example = EVERY_ACTION[name].body, EVERY_ACTION[name].example
    texts = inputs(example.model_dump(mode="json", exclude_unset=True))
    sent = body_of([*fields_of(model, CATALOGUE)], texts, ZONE)
    assert model.model_validate(sent, context={"codes": lambda _, code: code}) == example


def test_every_field_has_words() -> None:
    bodies: list[type[BaseModel]] = [NewComplaint, NewIncident, *(action.body for action in EVERY_ACTION.values())]
    names = {field.name.rpartition(".")[2] for body in bodies for field in fields_of(body, CATALOGUE)}
    assert names - FIELDS.keys() == set(), "rows that FIELDS of api/desk/words.py lacks"


def test_several_texts_are_typed_one_on_a_line() -> None:
    declaration = {field.name: field for field in fields_of(NewIncident, CATALOGUE)}
    assert (declaration["streets"].kind, declaration["services"].kind) == ("texts", "several")
    typed = {"streets": ["莲塘东路\r\n\r\n 中山一路 "], "services": ["leak"]}
    assert body_of([*declaration.values()], typed, ZONE) == {"streets": ["莲塘东路", "中山一路"], "services": ["leak"]}


@pytest.mark.parametrize("action", COMMANDS)
def test_what_an_action_needs_is_marked(action: str) -> None:
    for name, field in fields(action).items():
        if field.required:
            assert COMMANDS[action].body.model_fields[name].is_required()


def test_a_decision_is_an_approval_or_a_rejection() -> None:
    for action in ("decide_approval", "decide_extension", "decide_credit"):
        assert fields(action)["approved"].choices == (("true", ("同意", "Approve")), ("false", ("不同意", "Reject")))


def test_a_recipient_is_named_and_no_code_is_shown() -> None:
    case = case_in(State.DISPATCHED)
    named = [of_recipient(case, Names(CATALOGUE, zh), "lead:repair") for zh in (True, False)]
    assert named == ["部门负责人 抢修队", "Lead Emergency repair crew"]


def test_codes_are_chosen_by_name() -> None:
    departments = dict(fields("dispatch")["department"].choices)
    assert departments["repair"] == ("抢修队", "Emergency repair crew")
    assert fields("correct")["location.district"].kind == "choice"
    assert fields("complete")["findings"].kind == "several"


def test_a_local_time_is_of_the_companys_zone() -> None:
    assert typed("suspend", reason="r", wake_at="2026-12-03T09:30") == {
        "reason": "r",
        "wake_at": "2026-12-03T09:30:00+08:00",
    }


@pytest.mark.parametrize("given", ["morgen", "2026-13-01T00:00"])
def test_what_cannot_be_read_is_left_to_the_api(given: str) -> None:
    assert typed("suspend", wake_at=given) == {"wake_at": given}
    assert typed("request_extension", working_days=given) == {"working_days": given}
    assert typed("decide_approval", approved=given) == {"approved": given}


def test_empty_inputs_are_left_out_but_where_null_means_something() -> None:
    assert typed("correct", reason="r", caller__name=" ", location__lat="22.5", location__lng="113.3") == {
        "reason": "r",
        "location": {"lat": 22.5, "lng": 113.3},
    }
    assert typed("link_incident", incident="") == {}
    assert typed("complete", result="r", findings=["pipe_aged", "valve_faulty"]) == {
        "result": "r",
        "findings": ["pipe_aged", "valve_faulty"],
    }
