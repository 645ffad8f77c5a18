"""The service as its people use it: everybody with a key of their own, all over HTTP; and what it tells them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.support.service import Service, wait_until

PEOPLE = {
    "陈美玲": ("agent", None),
    "周国强": ("dispatcher", None),
    "梁伟": ("crew", "repair"),
    "谭敏": ("crew", "billing"),
    "麦志坚": ("supervisor", None),
    "郭建华": ("manager", None),
    "邓小芬": ("follow_up", None),
}
AGENT, DISPATCHER, CREW, BILLING, SUPERVISOR, MANAGER, FOLLOW_UP = PEOPLE
CUSTOMERS = Path(__file__).parents[2] / "docs" / "examples" / "customers.csv"
DEPARTMENT_CLOCKS = {"acknowledge", "arrive"}
Json = dict[str, Any]


class Hotline:
    """The service over HTTP; each person acts with the key that was made for them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._keys = {name: service.make_key(name, role, department) for name, (role, department) in PEOPLE.items()}
        self._http = httpx.Client(base_url=f"{service.api}/v1", trust_env=False, timeout=30)

    def register(self, by: str, **body: Any) -> "Complaint":
        answer = self.ask("POST", "/complaints", by, body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return Complaint(self, answer.json()["number"])

    def thank(self, caller: Json, words: str, answer: str) -> "Complaint":
        """A call to thank the crew, answered while it lasts."""
        thanks = self.register(AGENT, service_code="thanks", caller=caller, description=words, thanked=CREW)
        thanks.act(AGENT, "answer", message=answer)
        return thanks

    def ask(self, method: str, path: str, by: str, body: Json | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._keys[by]}"}
        return self._http.request(method, path, headers=headers, json=body)

    def notifications(self, number: str) -> list[Json]:
        """The case's rows in SQL, in the order of its events."""
        with closing(sqlite3.connect(self._service.data_dir / "hotline.db")) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT * FROM notifications WHERE number = ? ORDER BY seq, key", (number,))
            return [dict(row) for row in found]

    def delivered(self, number: str) -> list[Json]:
        """The case's lines in the file of the log channel."""
        lines = (self._service.data_dir / "notifications.log").read_text(encoding="utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line["number"] == number]

    def lose_the_read_model(self) -> None:
        """Every row of it, as a broken disk would."""
        with closing(sqlite3.connect(self._service.data_dir / "hotline.db", timeout=30)) as connection, connection:
            for table in (
                "notifications",
                "decisions",
                "follow_ups",
                "withdrawals",
                "parts",
                "clocks",
                "events",
                "search_words",
                "cases",
            ):
                connection.execute(f"DELETE FROM {table}")

    def import_customers(self) -> str:
        """Run the command on the example; what it says."""
        return self._service.run("customers", "import", str(CUSTOMERS))

    def rebuild(self) -> str:
        """Run the command; what it says."""
        return self._service.run("rebuild", "readmodel")

    def close(self) -> None:
        self._http.close()


class Complaint:
    """One case, as people act on it and look at it."""

    def __init__(self, hotline: Hotline, number: str) -> None:
        self._hotline = hotline
        self.number = number
        self._path = f"/complaints/{number}"

    def act(self, by: str, action: str, **body: Any) -> Json:
        """Take the action; return the case afterwards, which is also what SQL shows by then."""
        answer = self._hotline.ask("POST", f"{self._path}/actions/{action}", by, body)
        assert answer.status_code == httpx.codes.OK, answer.text
        found: Json = answer.json()
        return found

    def refused(self, by: str, action: str, **body: Any) -> tuple[int, str]:
        """The status and kind of the problem."""
        answer = self._hotline.ask("POST", f"{self._path}/actions/{action}", by, body)
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    def see(self, by: str = AGENT) -> Json:
        found: Json = self._hotline.ask("GET", self._path, by).json()
        return found

    def caller(self) -> Json:
        """Return the facts about the caller that were known before this call."""
        found: Json = self._hotline.ask("GET", f"{self._path}/caller", AGENT).json()
        return found

    def may(self, by: str) -> set[str]:
        return set(self.see(by)["available_actions"])

    def clocks(self) -> dict[str, Json]:
        """The case's own; those of parts are beside them."""
        return {clock["name"]: clock for clock in self.see()["clocks"] if not clock["part"]}

    def statuses(self) -> dict[str, str]:
        return {name: clock["status"] for name, clock in self.clocks().items()}

    def timeline(self) -> list[Json]:
        found: list[Json] = self._hotline.ask("GET", f"{self._path}/timeline", AGENT).json()["items"]
        assert [item["seq"] for item in found] == list(range(1, len(found) + 1))
        return found

    def told(self) -> list[tuple[str, str]]:
        """Return the kind and recipient of every message, once all are out: in SQL and in the file alike, each once."""
        rows = self._hotline.notifications(self.number)

        def all_out() -> bool:
            rows[:] = self._hotline.notifications(self.number)
            return all(row["status"] == "sent" for row in rows)

        wait_until(all_out, lambda: str(rows))
        lines = self._hotline.delivered(self.number)
        assert sorted(line["key"] for line in lines) == sorted(row["key"] for row in rows)
        assert all(self.number in line["text_zh"] and self.number in line["text_en"] for line in lines)
        return [(row["kind"], row["recipient"]) for row in rows]
