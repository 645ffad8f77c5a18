"""The organisation chart: who holds the posts that the ladder names, as a case takes it along."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.notifications.routing import ChannelFile
from domain.catalogue.terms import Organisation, Terms
from domain.shared.errors import FileError
from hotline.files.catalogue import load_catalogue

ZHONGSHAN = Path(__file__).parents[2] / "hotline" / "catalogues" / "zhongshan.toml"
AT = datetime(2026, 2, 10, 4, tzinfo=UTC)
NAMED = """
[organisation.repair_lead]
holder = "Tan Yong"
[organisation.operations]
holder = "Luo Ping"
[organisation.general_manager]
holder = "Ma Jun"
"""


def terms(folder: Path, more: str = "") -> Terms:
    """Return the terms that a case takes from the default catalogue with these lines added."""
    file = folder / "city.toml"
    file.write_text(f'extends = "{ZHONGSHAN}"\n{more}', "utf-8")
    return load_catalogue(file).terms("no_water", "west", AT)


def chart(folder: Path, more: str = "") -> Organisation:
    """The same, of the chart alone."""
    found = terms(folder, more).organisation
    assert found
    return found


class TestChart:
    def test_every_department_has_its_lead_and_director_and_the_company_one_head(self) -> None:
        catalogue = load_catalogue(ZHONGSHAN)
        codes = {department.code for department in catalogue.departments}
        for recipient in ("lead", "director"):
            posts = [post for post in catalogue.organisation if post.recipient == recipient]
            assert sorted(code for post in posts for code in post.departments) == sorted(codes)
        assert [post.code for post in catalogue.organisation if not post.departments] == ["general_manager"]
        assert {post.source for post in catalogue.organisation} == {("I",)}
        assert not any(post.holder for post in catalogue.organisation)

    def test_without_names_there_is_nobody_to_tell_but_the_post(self, tmp_path: Path) -> None:
        assert terms(tmp_path).persons("repair") == {}

    def test_a_name_is_filled_in_by_one_line_and_holds_for_all_departments_of_the_post(self, tmp_path: Path) -> None:
        known = terms(tmp_path, NAMED)
        assert known.persons("repair") == {"lead": "Tan Yong", "director": "Luo Ping", "general_manager": "Ma Jun"}
        assert known.persons("network") == {"director": "Luo Ping", "general_manager": "Ma Jun"}
        assert known.persons("billing") == known.persons(None) == {"general_manager": "Ma Jun"}

    def test_a_case_takes_all_departments_along_as_it_may_move(self, tmp_path: Path) -> None:
        organisation = chart(tmp_path)
        assert (organisation.name_zh, len(organisation.units)) == ("中山供水热线", 8)
        assert terms(tmp_path).unit("billing").name_zh == "营业收费部"

    def test_a_department_that_the_chart_does_not_have_is_called_by_its_code(self, tmp_path: Path) -> None:
        assert terms(tmp_path).unit("laundry").name == "laundry"


@pytest.mark.parametrize(
    ("post", "problem"),
    [
        ('recipient = "lead"\ndepartments = ["repair"]', "organisation: repair has 2 posts of lead; accepted: one"),
        ('recipient = "general_manager"', "organisation: the company has 2 posts of general_manager; accepted: one"),
        ('recipient = "director"', "organisation.more: director: departments: at least one code of [departments]"),
        (
            'recipient = "general_manager"\ndepartments = ["repair"]',
            "organisation.more: general_manager: leave departments out",
        ),
        ('recipient = "lead"\ndepartments = ["laundry"]', "'laundry' is not in departments; accepted: repair"),
        ('recipient = "plumber"', "organisation.more.recipient: must be 'lead', 'director' or 'general_manager'"),
    ],
)
def test_a_mistake_in_the_chart_is_told_with_what_is_accepted(tmp_path: Path, post: str, problem: str) -> None:
    with pytest.raises(FileError) as caught:
        terms(tmp_path, f'[organisation.more]\nname = "More"\nname_zh = "更多"\nsource = "I"\n{post}\n')
    assert problem in str(caught.value)


class TestRoutes:
    def channels(self, *routes: str) -> ChannelFile:
        made = {to.replace(":", "_").replace("*", "all").lower().replace(" ", "_"): to for to in routes}
        return ChannelFile.model_validate(
            {
                "channels": {name: {"kind": "log"} for name in made},
                "routes": [{"to": to, "channels": [name]} for name, to in made.items()],
            }
        )

    @pytest.mark.parametrize(
        ("recipient", "channel"),
        [
            ("director:Luo Ping", "director_luo_ping"),
            ("director:Deng Hui", "director"),
            ("director", "director"),
            ("manager:Gao Feng", "manager_all"),
            ("general_manager:Ma Jun", "all"),
        ],
    )
    def test_a_person_is_reached_by_his_name_or_else_by_his_post(self, recipient: str, channel: str) -> None:
        file = self.channels("director:Luo Ping", "director", "manager:*", "*")
        assert list(file.channels_to(recipient, has_phone=True)) == [channel]

    def test_a_colon_needs_a_name_after_it(self) -> None:
        with pytest.raises(ValueError, match=r"accepted: director, director:\* or director: and whom"):
            self.channels("director:")
