"""API6:2023 Unrestricted access to sensitive business flows: what each call may do, done by a machine without end.

The flows here: taking in (tests/test_rates.py::test_a_door_that_runs_away_is_told_to_repeat_and_an_emergency_still_gets_in),
tracking by guessed tokens (tests/test_rates.py::test_whoever_guesses_is_slowed_by_address_and_a_key_that_counts_is_not),
codes by SMS (tests/test_guests.py::test_five_wrong_codes_end_the_code_and_ten_codes_the_link), looking at many people
(tests/test_readings.py::test_who_looks_at_many_peoples_data_raises_one_alarm_and_is_not_held_up), asking whether somebody has
asked for help (tests/test_same_person.py::test_a_kiosk_does_not_tell_who_else_has_asked_for_help); and here.
"""

from __future__ import annotations

from tests.examples import a_request
from tests.running import Running
from tests.test_openapi import DOCUMENT

OF_PEOPLE = ("name", "id_number", "phone", "birth_date", "applicant", "person", "address", "q", "query", "search")


def test_nobody_is_looked_up_by_name_number_or_telephone() -> None:
    asked = {
        (path, each["name"])
        for path, calls in DOCUMENT["paths"].items()
        for call in calls.values()
        for each in call.get("parameters", ())
    }
    assert len(asked) > 100
    assert [each for each in sorted(asked) if each[1] in OF_PEOPLE] == []


def test_a_parameter_that_there_is_not_narrows_no_list_to_a_person(service: Running) -> None:
    window = service.client("intake")
    taken = window.post("/v1/requests", json=a_request()).json()["request_id"]
    for asked in ({"name": "nobody"}, {"id_number": "360102195001011234"}, {"phone": "13800000000"}):
        answer = window.get("/v1/requests", params=asked)
        assert answer.status_code == 422 or [e["request_id"] for e in answer.json()["items"]] == [taken], asked


def test_what_one_window_learns_of_the_same_person_is_no_more_for_asking_often(service: Running) -> None:
    """A window that puts numbers in to see who else has asked leaves a request, an event and a receipt for each."""
    known, asks = service.client("intake"), service.client("intake")
    known.post("/v1/requests", json=a_request("education_aid")).raise_for_status()
    receipt = asks.post("/v1/requests", json=a_request("education_aid")).raise_for_status().json()
    other = [each["request_id"] for each in receipt["same_person"]]
    assert all(asks.get(f"/v1/requests/{each}").status_code == 404 for each in other), "shown, and not opened"
