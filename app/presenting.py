"""Rows as answers: the dictionaries behind the shapes of `answers.py`. No query, no effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from orjson import Fragment

from app import clocks, gates
from app.consents import Missing
from app.deadlines import china_day
from app.explaining import sentences
from app.lifecycle import HandoffStatus, RequestStatus
from app.problems import FieldError
from app.receipts import spoken
from app.registry import Named, Need, Snapshot
from app.routing.decide import REASONS, NeedDecision, RoutingDecision
from app.routing.facts import FACTS, FactType, lies_in
from app.routing.rules import Consent, RoutingTable
from app.routing.words import LANGUAGES
from app.same_person import OpenRequest, shown
from app.schemas import RequestIn
from app.timeline import Case, Handoff
from app.wire import as_json


def named(thing: Named | Need) -> dict[str, str]:
    return {"code": thing.code, "name_zh": thing.name_zh, "name_en": thing.name_en}


def handoff_summary(handoff: Handoff, snapshot: Snapshot) -> dict[str, Any]:
    agency = snapshot.directory.agencies[handoff.agency_code]
    return {
        "handoff_id": handoff.id,
        "need": handoff.need,
        "agency": agency.code,
        "agency_name_zh": agency.name_zh,
        "agency_name_en": agency.name_en,
        "agency_phone": agency.phone,
        "role": handoff.role,
        "step": handoff.step,
        "mandatory": handoff.mandatory,
        "status": handoff.status,
        "suspended_for": handoff.suspended_for,
        "outcome": handoff.outcome,
        "reason": handoff.reason,
        "replaced_by": handoff.replaced_by,
        "dispatched_at": handoff.dispatched_at,
        "sign_in_due": handoff.sign_in_due,
        "accept_due": handoff.accept_due,
        "complete_due": handoff.complete_due,
        "due_provisional": handoff.due_provisional,
        "promised_due": handoff.promised_due,
        "suspended_until": clocks.suspended_until(handoff, snapshot),
        "suspended_days": clocks.suspended_days(handoff, snapshot),
        "material_requests": handoff.material_requests,
        "extensions": handoff.extensions,
        "closed_at": handoff.closed_at,
    }


def standing(handoff: Handoff, request: Mapping[Any, Any], snapshot: Snapshot, at: datetime) -> dict[str, Any]:
    """How a handoff's clocks stand at a moment, for whoever watches it."""
    agency = snapshot.directory.agencies[handoff.agency_code]
    return {
        "agency": agency.code,
        "agency_phone": agency.phone,
        "days_since_registration": days_open(request, at),
        "suspended_days": clocks.suspended_days(handoff, snapshot),
        "material_requests": handoff.material_requests,
        "extensions": handoff.extensions,
        "overdue": [{"clock": clock, "since": due_at} for clock, due_at in clocks.overdue(handoff, at)],
        "waits_for_consent": handoff.waits_for_consent,
    }


def days_open(request: Mapping[Any, Any], at: datetime) -> int:
    """The resident's own clock: days in China from the registration to the end of the request; it never stops."""
    return (china_day(request["closed_at"] or at) - china_day(request["registered_at"])).days


def decision(
    record: Mapping[str, Any], snapshot: Snapshot, division_code: str, *, with_conditions: bool
) -> dict[str, Any]:
    """A stored decision with what the routing table version that it names says of each rule, in sentences too. A condition
    that was met, or was not, tells a fact of the person: without them rules are told by number."""
    table = snapshot.tables[record["version"]]
    needs = []
    for need in record["needs"]:
        whole = with_other_areas(need, table, division_code)
        spoken = {
            f"sentences_{language}": sentences(whole, table, snapshot, language, with_conditions=with_conditions)
            for language in LANGUAGES
        }
        routed = need_routed(whole, table)
        if not with_conditions:
            routed |= {name: [each | _UNSAID for each in routed[name]] for name in ("fired", "passed_over")}
        needs.append({**routed, **spoken})
    return {"version": record["version"], "directory": record.get("directory", 0), "needs": needs}


_UNSAID = dict.fromkeys(("condition_zh", "condition_en"))


def with_other_areas(need: Mapping[str, Any], table: RoutingTable, division_code: str) -> dict[str, Any]:
    """A need's record with the rules of other areas, which are nobody's business until somebody asks why."""
    elsewhere = [
        {"rule": rule.number, "why": "other_area"}
        for rule in table.by_need.get(need["need"], ())
        if not lies_in(division_code, rule.area)
    ]
    return {**need, "passed_over": [*need["passed_over"], *elsewhere]}


def fresh_decision(decided: RoutingDecision, table: RoutingTable) -> dict[str, Any]:
    """The same of a decision that was made this moment, for the receipt."""
    needs = [_need_in_words(need, table) for need in decided.needs]
    return {"version": decided.version, "directory": decided.directory, "needs": needs}


# Every request for one need in one place is told the same.
@lru_cache(4096)
def _need_in_words(need: NeedDecision, table: RoutingTable) -> Fragment:
    return as_json(need_routed(need.record, table))


def need_routed(need: Mapping[str, Any], table: RoutingTable) -> dict[str, Any]:
    return {
        "need": need["need"],
        "undetermined": need["undetermined"],
        "fired": [
            {**table.described[each["rule"]], "agency": each["agency"], "role": each["role"], "step": each["step"]}
            | _why(each["why"])
            for each in need["fired"]
        ],
        "passed_over": [_passed_over(each["rule"], each["why"], table) for each in need["passed_over"]],
        "asks": [fact_asked(FACTS[name]) for name in need.get("asks", ())],
    }


def _passed_over(rule_number: int, reason: str, table: RoutingTable) -> dict[str, Any]:
    described = table.described[rule_number]
    names = ("rule", "department", "condition_zh", "condition_en")
    return {**{name: described[name] for name in names}, **_why(reason)}


def fact_asked(fact: FactType) -> dict[str, str]:
    names = ("name_zh", "name_en", "question_zh", "question_en")
    return {"fact": fact.name, **{name: getattr(fact, name) for name in names}}


def _why(reason: str) -> dict[str, str]:
    zh, en = REASONS[reason]
    return {"why": reason, "why_zh": zh, "why_en": en}


def missing_materials(asked: RequestIn, decided: RoutingDecision, snapshot: Snapshot) -> list[dict[str, str]]:
    """What the rules that fired ask for and the request did not bring; what data sharing supplies is never asked for."""
    brought = set()
    if any(consent.purpose == "economic_verification" for consent in asked.consents):
        brought.add("verification_authorization")
    if asked.applicant.id_number:
        brought.add("identity_document")
    wanted = dict.fromkeys(code for need in decided.needs for each in need.assignments for code in each.rule.materials)
    return [named(snapshot.materials[code]) for code in wanted if code not in brought]


def missing_consents(lacking: Iterable[Missing]) -> list[dict[str, Any]]:
    return [{**each.described(), "holds_back": each.purpose is Consent.VERIFICATION} for each in lacking]


def warned(warnings: Iterable[FieldError]) -> list[dict[str, str]]:
    """What somebody should look at again, though everything was taken."""
    return [
        {"pointer": each.pointer, "code": each.code, "detail_zh": each.detail.zh, "detail_en": each.detail.en}
        for each in warnings
    ]


def request_summary(request: Mapping[Any, Any]) -> dict[str, Any]:
    names = (
        *("receipt_number", "channel", "division_code", "status", "emergency", "routing_version"),
        *("registered_at", "closed_at", "erased_at"),
    )
    return {"request_id": request["id"], **{name: request[name] for name in names}}


def request_view(
    case: Case, snapshot: Snapshot, *, with_person: bool, same_person: Sequence[OpenRequest] = ()
) -> dict[str, Any]:
    return {
        **request_summary(case.request),
        "handoffs": [handoff_summary(each, snapshot) for each in case.handoffs],
        "person": case.person if with_person and case.request["erased_at"] is None else None,
        "same_person": shown(same_person, snapshot),
    }


def need_seen(need: Need, snapshot: Snapshot) -> dict[str, Any]:
    catalogue = dict(need.catalogue)
    for column in ("materials", "waived"):
        catalogue[column] = [named(snapshot.materials[code]) for code in catalogue[column]]
    return {**named(need), "law_class": need.law_class, **catalogue}


_STATUS_WORDS: dict[RequestStatus, tuple[str, str]] = {
    RequestStatus.REGISTERED: ("已登记,正在确定由谁办理", "Registered; we are finding out who handles it"),
    RequestStatus.ROUTED: ("已转给承办单位,等待签收", "Handed to the agencies, waiting for them to sign for it"),
    RequestStatus.IN_PROGRESS: ("正在办理", "Being handled"),
    RequestStatus.AWAITING_APPLICANT: ("需要您补充材料或授权", "Waiting for something from you"),
    RequestStatus.DISPUTED: ("承办单位有不同意见,由协调员裁定", "The agencies differ; a coordinator is deciding"),
    RequestStatus.CLOSED: ("已办结", "Closed"),
    RequestStatus.WITHDRAWN: ("已撤回", "Withdrawn"),
}
_EVENT_WORDS: dict[str, tuple[str, str]] = {
    "request.registered": ("已登记", "Registered"),
    "request.supplemented": ("补充材料已收到", "What you added was received"),
    "consent.given": ("授权或同意已记录", "A consent was recorded"),
    "consent.withdrawn": ("授权或同意已撤回", "A consent was withdrawn"),
    "handoff.held": (
        "授权已撤回,或本人已成年须自行授权;停止核对,等待授权",
        "A consent was withdrawn, or the person is of age now and decides alone: it was taken back, and waits for the consent",
    ),
    "handoff.waits_for_consent": ("等待授权,收齐后转办", "Waits for consent, and is handed off when all is there"),
    "attachment.added": ("附件已收到", "A paper that you sent was received"),
    "receipt.printed": ("受理回执已再次打印", "Your receipt was printed again"),
    "handoff.dispatched": ("已转办", "Handed off"),
    "handoff.received": ("已签收", "Signed for"),
    "handoff.accepted": ("已受理", "Accepted"),
    "handoff.information_requested": ("需要补充材料", "More is needed from you"),
    "handoff.suspended": ("暂停,等待核实", "Paused while something is verified"),
    "handoff.resumed": ("继续办理", "Resumed"),
    "handoff.returned": ("退回,另行确定承办单位", "Passed back, another agency is being found"),
    "handoff.extended": ("办理时限延长", "The time limit was extended"),
    "handoff.rescheduled": (
        "办理时限已按公布的工作日重新计算",
        "Its time limit was counted anew, by the working days published",
    ),
    "handoff.completed": ("已办结", "Completed"),
    "handoff.cancelled": ("不再需要办理", "No longer needed"),
    "handoff.due_soon": ("期限将至,已提醒", "Reminded that its time limit comes near"),
    "handoff.urged": ("已催办", "Urged on"),
    "handoff.supervised": ("逾期未办,已督办", "Late; its superior and the county were told"),
    "handoff.disputed": ("退回后有争议,由协调员裁定由谁办理", "Who handles it is disputed; a coordinator is deciding"),
    "handoff.ruled": ("经协调员裁定由该单位办理", "A coordinator ruled that it handles this"),
    "handoff.reassigned": ("改由其他单位办理", "Given to another agency"),
    "handoff.reopened": ("重新办理", "Handled again"),
    "request.answered_back": ("您对结果的反馈已收到", "What you said of the result was received"),
    "request.reopened": ("协调员同意重新办理", "A coordinator had it reopened"),
    "request.reopening_declined": ("协调员答复:不再重新办理", "A coordinator answered: it is not reopened"),
    "request.erased": ("您的个人信息已按规定删除", "Your personal data was erased, as the rules say"),
    "emergency.lifted": ("已转为急难,优先办理", "Made an emergency: it is acted on first"),
    "emergency.escalated": ("尚未签收,已联系下一级值守", "Has not signed in; the next on duty is called"),
    "debt.settled": ("一项急难事项已落实", "Something owed in the emergency was settled"),
}


def tracked(case: Case, events: list[Mapping[Any, Any]], snapshot: Snapshot, at: datetime) -> dict[str, Any]:
    """The person's own view, without who was shown what. It names agencies and needs, never what the person told us."""
    number = case.request["receipt_number"]
    zh, en = _STATUS_WORDS[case.status]
    return {
        "receipt_number": number,
        "receipt_number_spoken": spoken(number),
        "status": case.status,
        "status_zh": zh,
        "status_en": en,
        "registered_at": case.request["registered_at"],
        "closed_at": case.request["closed_at"],
        "erased_at": case.request["erased_at"],
        "sequence": case.request["events"],
        "days_since_registration": days_open(case.request, at),
        "steps": [
            {
                **_tracked_step(each, _asked_for(case, each, events), snapshot),
                "missing_consents": _consents_for(case, each, snapshot, at),
            }
            for each in case.handoffs
        ],
        "events": [_tracked_event(each, case, snapshot) for each in events if each["kind"] in _EVENT_WORDS],
    }


def _asked_for(case: Case, handoff: Handoff, events: list[Mapping[Any, Any]]) -> list[str]:
    """What an agency that waits for the person asked for last."""
    if handoff.suspended_for != "applicant":
        return []
    asked = ("handoff.information_requested", handoff.id)
    of_handoff = (each for each in reversed(events) if (each["kind"], each["handoff_id"]) == asked)
    return next(
        (list((case.note_of(each) or {}).get("materials", ())) for each in of_handoff if each["sealed"]),
        [],
    )


def _consents_for(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> list[dict[str, str]]:
    if not handoff.waits_for_consent:
        return []
    words = (each.described() for each in gates.holding_back(case, handoff, snapshot, at))
    return [{"text_zh": each["text_zh"], "text_en": each["text_en"]} for each in words]


def _tracked_step(handoff: Handoff, needed: list[str], snapshot: Snapshot) -> dict[str, Any]:
    agency = snapshot.directory.agencies[handoff.agency_code]
    return {
        "need": named(snapshot.needs[handoff.need]),
        "agency_name_zh": agency.name_zh,
        "agency_name_en": agency.name_en,
        "agency_phone": agency.phone,
        "role": handoff.role,
        "status": handoff.status,
        "outcome": handoff.outcome,
        "due_at": handoff.complete_due,
        "promised_due": handoff.promised_due,
        "suspended_until": clocks.suspended_until(handoff, snapshot),
        "waits_for_you": handoff.waits_for_consent
        or (handoff.status is HandoffStatus.SUSPENDED and handoff.suspended_for == "applicant"),
        "needed_from_you": needed,
    }


def _tracked_event(event: Mapping[Any, Any], case: Case, snapshot: Snapshot) -> dict[str, Any]:
    zh, en = _EVENT_WORDS[event["kind"]]
    if event["handoff_id"]:
        handoff = case.handoff(event["handoff_id"])
        agency, need = snapshot.directory.agencies[handoff.agency_code], snapshot.needs[handoff.need]
        zh, en = f"{need.name_zh}:{agency.name_zh}{zh}", f"{need.name_en}: {agency.name_en}: {en[0].lower()}{en[1:]}"
    return {"at": event["at"], "text_zh": zh, "text_en": en}
