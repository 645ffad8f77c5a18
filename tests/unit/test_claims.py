"""Claims of a good token: whom they name, in which role, for which department."""

from typing import Any

import pytest

from api.edge.problems import Problem, ProblemError
from api.sign_in.tokens import ClaimMap
from domain.shared.actors import Actor, Role
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
CHEN: dict[str, Any] = {"sub": "10482", "hotline_role": "agent"}
CREW: dict[str, Any] = {"sub": "20117", "hotline_role": "crew"}


def claim_map(**changes: Any) -> ClaimMap:
    """The usual names of claims, or others."""
    roles = Settings(**{name: changes.pop(name) for name in ("oidc_roles",) if name in changes}).oidc_roles
    usual = {"person": "sub", "name": "name", "role": "hotline_role", "department": "hotline_department"}
    return ClaimMap(**usual | changes, roles=roles, departments=lambda: CATALOGUE.departments)


def refused(claims: dict[str, Any], **changes: Any) -> Problem:
    with pytest.raises(ProblemError) as raised:
        claim_map(**changes).actor(claims)
    assert (raised.value.problem.status, raised.value.problem.type) == (403, "urn:hotline:problem:no-role")
    return raised.value.problem


def test_an_agent_needs_no_department_and_no_name() -> None:
    assert claim_map().actor(CHEN) == Actor(id="10482", role=Role.AGENT)
    assert claim_map().actor({**CHEN, "hotline_department": "Catering"}).department is None


@pytest.mark.parametrize("name", [7, "", " ", "x" * 81, "Chen\u202eMeiling", None, ["Chen"]])
def test_a_name_that_cannot_be_shown_is_left_out(name: object) -> None:
    assert claim_map().actor({**CHEN, "name": name}) == Actor(id="10482", role=Role.AGENT)


def test_other_claims_and_paths_into_them_may_be_named() -> None:
    claims = {
        "sub": "f81d4fae",
        "https://water.example/staff": "10482",
        "resource_access": {"hotline": {"roles": ["hotline-crew", "offline_access"]}, "account": {"roles": ["agent"]}},
        "org": {"unit": ["repair"]},
    }
    names = {"role": "resource_access.hotline.roles", "department": "org.unit"}
    found = claim_map(person="https://water.example/staff", oidc_roles="hotline-crew=crew,agent", **names).actor(claims)
    assert found == Actor(id="10482", role=Role.CREW, department="repair")


@pytest.mark.parametrize("person", [None, "", " ", 10482, True, ["10482"], {}, "x" * 81])
def test_a_token_without_a_person_is_refused(person: object) -> None:
    assert "The claim sub of the token names no person" in refused({**CHEN, "sub": person}).detail


@pytest.mark.parametrize(
    "person",
    [
        "system",
        "System",
        "ｓｙｓｔｅｍ",
        " chen",
        "chen ",
        "ch\nen",
        "chen\u200b",
        "\u202echen",
        "cafe\u0301",
        "ch\x00en",
    ],
)
def test_an_id_that_looks_like_anothers_is_refused(person: str) -> None:
    refused({**CHEN, "sub": person})


@pytest.mark.parametrize("role", ["caller", "owner", "system", "Agent", "", "agent,admin", " agent", None, 1, {}, []])
def test_a_token_without_an_accepted_role_is_refused(role: object) -> None:
    for given in (role, [role], [[role]]):
        problem = refused({**CHEN, "hotline_role": given})
        assert "The claim hotline_role of the token names no role" in problem.detail
        assert problem.accepted == [*Settings().oidc_roles]


def test_a_mapped_role_is_not_accepted_by_its_own_name() -> None:
    assert refused(CHEN, oidc_roles="hotline-agents=agent").accepted == ["hotline-agents"]


def test_of_several_roles_the_one_named_first_in_the_settings_counts() -> None:
    both = {**CHEN, "hotline_role": ["admin", "supervisor", "agent", "uma_authorization"]}
    assert claim_map().actor(both).role is Role.AGENT
    assert claim_map(oidc_roles="supervisor,agent").actor(both).role is Role.SUPERVISOR


@pytest.mark.parametrize("code", [each.code for each in CATALOGUE.departments])
def test_a_crews_department_is_given_by_code_or_name(code: str) -> None:
    department = CATALOGUE.department(code)
    for given in (code, department.name, department.name_zh, [code], [code, "another matter"]):
        found = claim_map().actor({**CREW, "hotline_department": given})
        assert (found.role, found.department) == (Role.CREW, code)


@pytest.mark.parametrize("department", [None, "", "re", "Repai", "REPAIR", "plumbing", ["repair", "metering"], 7, {}])
def test_a_crew_without_one_known_department_is_refused(department: object) -> None:
    problem = refused({**CREW, "hotline_department": department})
    assert "The claim hotline_department of the token names" in problem.detail
    assert "repair" in (problem.accepted or ())
