"""A request through anything that may come: callbacks in any order, repeated, late; a coordinator's acts, time that passes,
an emergency, what the person adds or takes back.

Over real HTTP, one request a run; after each step everything that must always hold is looked at from outside.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.lifecycle import ENDED, MOVES, Act, HandoffStatus, RequestStatus
from tests.county import CIVIL_AFFAIRS, EDUCATION, TOWNSHIP, County, Seen, a_callback, signed
from tests.faults import LONG
from tests.test_escalation import sweep_at

seen: set[str] = set()  # of the statuses, those that some run has come to
NEEDS = ("medical_assistance_applied", "education_aid", "temp_aid_fast", "minimum_living_allowance")
DEPARTMENTS = ("county_finance", "county_housing", "county_civil_affairs", "township_gov", "county_education")
ENDS_BADLY = {"returned"}
AGENCIES = ("360803-finance", "360803-housing", CIVIL_AFFAIRS, TOWNSHIP, EDUCATION)
ruled: list[str] = []
SAID: dict[str, dict[str, Any]] = {
    "received": {},
    "accepted": {"handler": "王"},
    "information_requested": {"materials": ["在读证明"]},
    "suspended": {"suspended_for": "court"},
    "resumed": {},
    "returned": {"reason_code": "not_my_duty", "legal_basis": "三定方案"},
    "extended": {"approver": "李", "reason": "需要外地核实"},
    "completed": {},
}
# What may follow what, from outside: an act of the lifecycle, or one of the county's own.
MOVED_BY = {act.value: act for acts in MOVES.values() for act in acts}


class Machine(RuleBasedStateMachine):
    county: County  # of the test that runs it

    @initialize(needs=st.lists(st.sampled_from(NEEDS), min_size=1, max_size=2, unique=True))
    def taken_in(self, needs: list[str]) -> None:
        self.receipt = self.county.ask(*needs)
        self.sent: list[tuple[str, str, bytes, str]] = []
        self.answers: dict[str, bytes] = {}
        self.bound: set[str] = set()
        self.look()

    def look(self) -> None:
        self.request = self.county.request(self.receipt)
        page = self.county.coordinator.get("/v1/disputes", params={"state": "open", "limit": 200}).json()
        self.disputes = [each for each in page["items"] if each["request_id"] == self.receipt["request_id"]]
        self.handoffs: dict[str, Seen] = {each["handoff_id"]: each for each in self.request["handoffs"]}

    def may(self, handoff_id: str) -> list[str]:
        moves = MOVES[HandoffStatus(self.handoffs[handoff_id]["status"])]
        return [type_ for type_ in SAID if Act(type_) in moves for _ in range(1 if type_ in ENDS_BADLY else 5)]

    def post(self, handoff_id: str, agency: str, body: bytes, name: str) -> httpx.Response:
        headers = signed(self.county.secrets[agency], body, name)
        return self.county.send({"handoff_id": handoff_id}, body, headers)

    @rule(
        data=st.data(),
        fits=st.sampled_from([True, True, True, False]),
        outcome=st.sampled_from(["granted", "not_granted", "referred"]),
        department=st.sampled_from(DEPARTMENTS),
        minutes_ago=st.sampled_from([0, 0, 0, 1, 90]),
    )
    def report(self, data: st.DataObject, fits: bool, outcome: str, department: str, minutes_ago: int) -> None:
        of = data.draw(
            st.sampled_from([of for of in sorted(self.handoffs) if not fits or self.may(of)] or sorted(self.handoffs))
        )
        handoff = self.handoffs[of]
        type_ = data.draw(st.sampled_from((fits and self.may(of)) or sorted(SAID)))
        said = dict(SAID[type_])
        if type_ == "completed":
            said["outcome"] = outcome
        elif type_ == "returned":
            said["suggested_department"] = department
        elif type_ == "extended":
            said["due_at"] = (datetime.now(UTC) + timedelta(days=90)).isoformat()
        body = a_callback(type_, (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat(), **said)
        name = str(uuid.uuid4())
        answer = self.post(handoff["handoff_id"], handoff["agency"], body, name)
        if handoff["status"] == "waiting":
            assert answer.status_code in (404, 409), answer.text
        else:
            assert answer.status_code in (200, 409, 412, 422), answer.text
        if answer.status_code == 200:
            self.sent.append((handoff["handoff_id"], handoff["agency"], body, name))
            self.answers[name] = answer.content
        applied = answer.status_code == 200 and answer.json()["applied"]
        if applied and type_ == "completed" and handoff["role"] == "lead":
            assert not self.waited_for(handoff), "a lead completed over an open mandatory co-handler"
        assert not (applied and type_ == "returned" and of in self.bound), "there is no return after a ruling"
        before = self.request
        self.look()
        if not applied:
            assert self.request == before, "what is refused, or late, changes nothing"

    def waited_for(self, lead: Seen) -> list[Seen]:
        return [
            each
            for each in self.handoffs.values()
            if (each["need"], each["role"], each["mandatory"]) == (lead["need"], "co_handler", True)
            and each["replaced_by"] is None
            and (HandoffStatus(each["status"]) not in ENDED or each["status"] == "returned")
        ]

    @rule(
        data=st.data(),
        act=st.sampled_from(["ruling", "ruling", "reassign", "urge", "cancel", "extend"]),
        agency=st.sampled_from(AGENCIES),
        without_successor=st.booleans(),
    )
    def coordinate(self, data: st.DataObject, act: str, agency: str, without_successor: bool) -> None:
        disputed = [
            one["handoff_id"] for each in self.disputes for one in each["handoffs"] if one["status"] == "returned"
        ]
        of = data.draw(st.sampled_from(disputed if act == "ruling" and disputed else sorted(self.handoffs)))
        body = {
            "ruling": {"agency": agency, "reason": "职责", "legal_basis": "三定方案"},
            "reassign": {"agency": agency, "reason": "改派"},
            "urge": {"note": "请尽快"},
            "cancel": {"reason": "重复", "without_successor": without_successor},
            "extend": {
                "due_at": (datetime.now(UTC) + timedelta(days=120)).isoformat(),
                "reason": "外地",
                "approver": "李",
            },
        }[act]
        answer = self.county.coordinator.post(f"/v1/handoffs/{of}/{act}", json=body)
        assert answer.status_code in (200, 409, 422), answer.text
        before = self.request
        self.look()
        if answer.status_code != 200:
            assert self.request == before, "what is refused changes nothing"
        elif act == "ruling":
            ruled.append(of)
            self.bound = self.bound_now()

    def bound_now(self) -> set[str]:
        rulings = {each["handoff_id"] for each in self.county.events(self.receipt) if each["kind"] == "handoff.ruled"}
        return {of for of in rulings if self.handoffs[of]["status"] != "cancelled"}

    @rule(days=st.integers(1, 90))
    def time_passes(self, days: int) -> None:
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
        _, again = sweep_at(self.county.running.url, at, at)
        assert not any(again.values()), "a step is done once"
        self.look()

    @precondition(lambda self: len(self.sent) > 4)
    @rule(fact=st.sampled_from(["no_food", "child_alone"]))
    def lifted(self, fact: str) -> None:
        path = f"/v1/requests/{self.receipt['request_id']}/emergency"
        answer = self.county.window.post(path, json={"facts": [fact]})
        assert answer.status_code in (200, 409), answer.text
        self.look()

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        handoff_id, agency, body, name = data.draw(st.sampled_from(self.sent))
        answer = self.post(handoff_id, agency, body, name)
        assert (answer.status_code, answer.content) == (200, self.answers[name])
        before = self.request
        self.look()
        assert self.request == before

    @precondition(lambda self: any(each["suspended_for"] == "applicant" for each in self.handoffs.values()))
    @rule()
    def supplement(self) -> None:
        path = f"/v1/requests/{self.receipt['request_id']}/supplements"
        answer = self.county.window.post(path, json={"note": "都带来了"})
        assert answer.status_code == 200, answer.text
        self.look()

    @precondition(lambda self: len(self.sent) > 6)
    @rule()
    def withdraw(self) -> None:
        path = f"/v1/requests/{self.receipt['request_id']}/withdraw"
        answer = self.county.window.post(path, json={})
        assert (answer.status_code == 409) == (self.request["status"] == "closed"), answer.text
        self.look()

    @invariant()
    def statuses_are_of_the_table(self) -> None:
        assert self.request["status"] in set(RequestStatus)
        open_ = [each for each in self.handoffs.values() if HandoffStatus(each["status"]) not in ENDED]
        if self.request["status"] in ("closed", "withdrawn"):
            assert not open_
        assert (self.request["closed_at"] is not None) == (self.request["status"] in ("closed", "withdrawn"))

    @invariant()
    def no_clock_is_lost(self) -> None:
        for each in self.handoffs.values():
            dispatched = each["dispatched_at"] is not None
            assert dispatched or each["status"] in ("waiting", "cancelled")
            if dispatched:
                assert each["sign_in_due"], each
                assert (each["closed_at"] is not None) == (HandoffStatus(each["status"]) in ENDED)

    @invariant()
    def the_timeline_is_complete(self) -> None:
        """Played again from its first event, it gives every status, and every move is one of the table."""
        events = self.county.events(self.receipt)
        assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
        status: defaultdict[str, str] = defaultdict(lambda: "waiting")
        request = "registered"
        for each in events:
            told, of = each["data"], each["handoff_id"]
            if "to" not in told:
                continue
            if of is None:
                assert told["from"] == request
                request = told["to"]
                continue
            act = MOVED_BY[each["kind"].removeprefix("handoff.")]
            assert told["from"] == status[of]
            assert MOVES[HandoffStatus(told["from"])][act] == told["to"]
            seen.add(told["to"])
            status[of] = told["to"]
        assert request == self.request["status"]
        assert {of: each["status"] for of, each in self.handoffs.items()} == {of: status[of] for of in self.handoffs}

    @invariant()
    def a_need_has_one_open_dispute_at_most(self) -> None:
        needs = [each["need"]["code"] for each in self.disputes]
        assert len(needs) == len(set(needs))
        if self.request["status"] == "disputed":
            assert needs
        if self.request["status"] in ("closed", "withdrawn"):
            assert not needs


def test_whatever_comes_the_lifecycle_holds(county: County) -> None:
    seen.clear()
    ruled.clear()

    def machine() -> Machine:
        made = Machine()
        made.county = county
        return made

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=300 if LONG else 12,
            stateful_step_count=40,
            derandomize=not LONG,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {"received", "in_progress", "suspended", "returned", "completed", "cancelled"} <= seen
    assert ruled
