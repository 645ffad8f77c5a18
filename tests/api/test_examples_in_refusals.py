"""Examples in refusals: their codes are of the catalogue in force, their people of the company."""

import json

import pytest

from api.temporal_ui.acting import example_in, people_in_examples
from domain.assessment.actions import ASSESSMENT_COMMANDS
from domain.case.actions import COMMANDS
from domain.shared.actors import Actor, Role
from tests.support.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_examples_in_refusals_are_of_the_catalogue_in_force(on_sqlite: Api) -> None:
    catalogue, people = on_sqlite.backend.catalogue, {"owner": "chen", "assignee": "wu"}
    pipes = catalogue.departments[0].model_copy(update={"code": "pipes"})
    other = catalogue.model_copy(update={"departments": (pipes,)})
    assert json.loads(example_in(COMMANDS["dispatch"], catalogue, people)) == {"department": "repair"}
    assert json.loads(example_in(COMMANDS["dispatch"], other, people)) == {"department": "pipes"}
    assert json.loads(example_in(ASSESSMENT_COMMANDS["object"], other, people))["subject"] == "chen"


async def test_an_example_names_somebody_whom_the_field_takes(on_sqlite: Api) -> None:
    people = on_sqlite.backend.people.directory.people
    found = people_in_examples(Actor(id="xu", role=Role.SUPERVISOR), people)
    fitting = {person.id: person for person in people if person.left_at is None}
    assert (found["owner"], bool(fitting[found["assignee"]].department)) == ("xu", True)
    assert people_in_examples(Actor(id="wu", role=Role.CREW, department="repair"), people)["owner"] != "wu"
