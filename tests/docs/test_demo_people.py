"""The people of the demo, as the documentation names them."""

from pathlib import Path

from demo.__main__ import CATALOGUE
from demo.people import Staff
from hotline.files.catalogue import load_catalogue

PAGE = Path(__file__).parents[2] / "docs" / "demo.md"
DEMO = load_catalogue(CATALOGUE)


def test_one_person_of_each_role_is_named() -> None:
    staff = Staff(service.department for service in DEMO.services)
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for person in staff.examples("repair"):
        department = f", of `{person.department}`" if person.department else ""
        named = [line for line in lines if line.startswith("- ") and person.name in line]
        assert named == [f"- {person.role} {person.role.zh}: {person.name}{department}"]
