"""What is lived through before a dump is looked at: everything that can be said of somebody is said, each with words that
occur nowhere else. The people are invented."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pikepdf
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.certificates import Authority
from tests.county import CIVIL_AFFAIRS, EDUCATION, TOWNSHIP, County, Seen
from tests.devices import JOSE, new_key, numbers, paired, sealed, sealing_key
from tests.examples import PERSONAL, a_consent, a_request_in_full
from tests.own_page import JUSTICE, answer_back, browser, close, path_of
from tests.people import Person
from tests.receivers import Receiver
from tests.test_attachments import link_to
from tests.test_bulk import an_item, in_bulk, send
from tests.test_forms import FEDERATION, OF_HANDOFF, OF_REQUEST, find
from tests.test_guests import Officer, make_link, read_out
from tests.test_subscriptions import subscribe
from tests.watching import until

FINANCE, HOUSING, WATCHER = "360803-finance", "360803-housing", "watcher"
SAID = {
    # at the window
    "bank": "虚构银行九支行",
    "account's holder": "虚构户主己",
    "helper's number": "11010519900307123X",
    "obligor": "虚构义务人庚",
    "obligor's phone": "13655554444",
    "supplement note": "此人补充的话",
    "supplement illness": "另一虚构病",
    "withdrawal": "虚构撤回原因",
    "guardian": "虚构监护人戊",
    "consent's reference": "虚构录音编号九七三",
    "consent's end": "虚构撤回授权原因",
    # by agencies
    "callback note": "回告里的虚构话",
    "callback handler": "经办虚构丁",
    "material": "虚构证明一份",
    "bulk note": "批量回告的虚构话",
    "return basis": "虚构退回依据",
    "endpoint's answer": "对方系统回显虚构甲",
    "guest's handler": "来宾经办虚构辛",
    "guest's note": "来宾虚构说明",
    "guest's material": "来宾虚构材料",
    "guest's reason again": "来宾虚构再次补正理由",
    "guest's approver": "来宾虚构批准人",
    "guest's reason": "来宾虚构延期理由",
    "guest's pause": "来宾虚构中止说明",
    "guest's result": "来宾虚构办结说明",
    # by coordinators, and the conference
    "ruling reason": "虚构裁定理由",
    "urge note": "虚构催办的话",
    "reassigned": "虚构改派理由",
    "cancelled": "虚构撤销理由",
    "extended": "虚构延期理由",
    "approver": "虚构批准人壬",
    "conference's law": "虚构会议依据",
    "conference's reason": "虚构会议裁定理由",
    "conference's note": "虚构会议备注",
    "hold": "虚构暂缓原因",
    "hold before": "虚构先前暂缓原因",
    "release": "虚构解除原因",
    "reopened": "虚构重办理由",
    "declined": "虚构不予重办理由",
    # by the person, on their own page
    "all there": "此人自己写的虚构话",
    "not solved": "此人说没有解决的虚构话",
    "partly solved": "此人说部分解决的虚构话",
    # papers
    "title": "虚构诊断证明题名",
    "file name": "虚构文件名甲",
    "own file name": "虚构文件名乙",
    "kiosk's title": "虚构终端题名",
    "kiosk's file name": "虚构文件名丙",
    "text of a paper": "Fictitious diagnosis 7731",
    # emergencies
    "emergency": "虚构的屋顶塌了压住三人",
    "place": "虚构村后山第三家",
    "position": "27.0987654",
    "caller": "13711112222",
    "caller's name": "虚构报警人癸",
    "who calls": "13733334444",
    "lifted": "虚构断粮两天",
    "lifted where": "虚构桥下",
    "settled with": "虚构的棉被两床",
    # from devices
    "sealed": "密封里的虚构话",
    "sealed emergency": "密封里的虚构急难",
    # what nobody can be shown any more, or never could
    "refused": "不合格的虚构姓名",
    "erased": "删除前的虚构话",
    "inside a picture": "Fictitious remark 5519",
}
ALL = {**PERSONAL, **SAID}
# Of those who work here, which rows hold in the clear (docs/security.md); no log and no metric.
WORKS_HERE = {
    "who signs in": "端木虚构员",
    "who is on duty": "虚构值班员",
    "who holds a key": "虚构持钥人",
}


@dataclass
class Lived:
    """What was answered to those who may not see it; papers as they are handed out to those who may."""

    answers: list[str] = field(default_factory=list)
    papers: list[bytes] = field(default_factory=list)

    def told(self, *answers: httpx.Response) -> None:
        self.answers += [each.text for each in answers]


def done(answer: Any, *allowed: int) -> Any:
    assert answer.status_code in (allowed or (200, 201)), answer.text
    return answer.json()


def post(client: httpx.Client, path: str, **body: Any) -> Any:
    """As careful callers do, with a key: so the first answer is kept."""
    return done(client.post(path, json=body, headers=new_key()))


def live(county: County, receiver: Receiver) -> Lived:
    """Everything that happens to people's data."""
    lived = Lived()
    subscribe(county, receiver, WATCHER)
    _set(county)
    officer = Person.made(county.running, "coordinator", display_name=WORKS_HERE["who signs in"]).signed_in()
    receipt = _asked(county)
    path = f"/v1/requests/{receipt['request_id']}"
    _reported(county, receipt, lived)
    _consented(county, path)
    _given(county, receipt, lived)
    _held(county, path)
    _disputed(county)
    _coordinated(county)
    _by_a_guest(county, lived)
    _on_the_own_page(county, lived)
    _printed(officer, receipt)
    _looked_up(county, receipt)
    _emergencies(county, lived)
    _at_a_device(county, lived)
    _refused(county, receipt, lived)
    _erased(county)
    post(county.window, f"{path}/withdraw", reason=SAID["withdrawal"])
    _shown_to_others(county, receipt, lived)
    return lived


def _set(county: County) -> None:
    """By the county: who is on duty, who holds a key, a subscriber's own authority."""
    admin, security = county.running.client("admin"), county.running.client("security")
    contact = {"office": "值班室", "phone": "0796-8200110", "name": WORKS_HERE["who is on duty"]}
    done(admin.put(f"/v1/agencies/{TOWNSHIP}/duty-list", json={"contacts": [contact]}))
    post(security, "/v1/keys", name="window 7", role="intake", owner=WORKS_HERE["who holds a key"])
    of_another = {"name": "another", "endpoint": "https://127.0.0.1:9/", "types": ["endpoint.failing"]}
    post(county.coordinator, "/v1/subscriptions", **of_another, tls={"ca": Authority().certificate})


def _in_full(*needs: str, **changes: Any) -> dict[str, Any]:
    """With what `a_request_in_full` leaves out."""
    body = a_request_in_full(*needs)
    body["applicant"]["bank_account"] |= {"bank": SAID["bank"], "holder": SAID["account's holder"]}
    body["helper"] |= {"id_type": "other", "id_number": SAID["helper's number"]}
    body["obligors"] = [{"name": SAID["obligor"], "phone": SAID["obligor's phone"], "relation": "son"}]
    return body | changes


def _asked(county: County) -> Seen:
    receipt: Seen = post(county.window, "/v1/requests", **_in_full("medical_assistance_applied", "education_aid"))
    return receipt


def _reported(county: County, receipt: Seen, lived: Lived) -> None:
    """By the school, alone and in bulk: some of it applied, some refused."""
    path, school = f"/v1/requests/{receipt['request_id']}", county.handoff(receipt, EDUCATION)
    refused = county.report(school, "completed", outcome="granted", note=SAID["refused"])
    done(refused, 409)
    lived.told(refused)
    material = {"materials": [SAID["material"]], "note": SAID["callback note"], "handler": SAID["callback handler"]}
    county.told(school, "received", "accepted", "information_requested", **material)
    more = {"note": SAID["supplement note"], "facts": {"illness": SAID["supplement illness"]}}
    post(county.window, f"{path}/supplements", **more)
    items = (
        an_item("one", school, "suspended", suspended_for="court", note=SAID["bulk note"]),
        an_item("two", school, "accepted", note=SAID["refused"]),
    )
    answer = send(county, in_bulk(*items))
    assert [each["status_code"] for each in done(answer)["items"]] == [200, 409]
    lived.told(answer)
    post(county.coordinator, f"/v1/handoffs/{school['handoff_id']}/urge", note=SAID["urge note"])


def _consented(county: County, path: str) -> None:
    """By the guardian of a member of the household; sent twice, as a form does that got no answer; then taken back."""
    consent = a_consent(
        "economic_verification", "household/0", guardian={"name": SAID["guardian"], "relation": "parent"}
    )
    consent["evidence"] = {"kind": "recording", "reference": SAID["consent's reference"]}
    call = {"json": {"consents": [consent]}, "headers": {"idempotency-key": "agreed"}}
    first, again = (county.window.post(f"{path}/consents", **call) for _ in range(2))
    assert done(first) == done(again)
    number = done(first)["consents"][-1]["consent_id"]
    post(county.coordinator, f"{path}/consents/{number}/withdraw", reason=SAID["consent's end"])


def a_pdf() -> bytes:
    pdf = pikepdf.new()
    page = pdf.add_blank_page()
    page.obj.Contents = pdf.make_stream(f"BT ({SAID['text of a paper']}) Tj ET".encode())
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


def a_picture() -> bytes:
    """Of noise, so that each of its parts is like no other; with a remark inside."""
    remark, out = PngInfo(), io.BytesIO()
    remark.add_text("Comment", SAID["inside a picture"])
    Image.effect_noise((90, 90), 90).save(out, "PNG", pnginfo=remark)
    assert SAID["inside a picture"].encode() in out.getvalue()
    return out.getvalue()


def _given(county: County, receipt: Seen, lived: Lived) -> None:
    """Papers: one is refused, one kept, and opened by who may."""
    path = f"/v1/requests/{receipt['request_id']}/attachments"
    for name, content in ((SAID["refused"], b"MZ no paper"), (SAID["file name"], a_pdf())):
        form: dict[str, Any] = {"files": {"file": (f"{name}.pdf", content)}, "data": {"title": SAID["title"]}}
        answer = county.window.post(path, **form, headers=new_key())
        done(answer, 201, 415)
        lived.told(answer)
    _opened(county, receipt, lived)


def _opened(county: County, receipt: Seen, lived: Lived) -> None:
    for each in done(county.coordinator.get(f"/v1/requests/{receipt['request_id']}/attachments"))["items"]:
        answer = county.nobody.get(link_to(county.coordinator, each["attachment_id"]))
        lived.papers.append(answer.raise_for_status().content)


def _held(county: County, path: str) -> None:
    post(county.coordinator, f"{path}/hold", reason=SAID["hold before"])
    post(county.coordinator, f"{path}/release", reason=SAID["release"])
    post(county.coordinator, f"{path}/hold", reason=SAID["hold"])


def _in_dispute(county: County) -> Seen:
    """Passed back twice: what finance, whose system is down, has returned."""
    receipt = county.ask("temp_aid_fast")
    back = {"reason_code": "not_my_duty", "legal_basis": SAID["return basis"]}
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **back, suggested_department="county_finance")
    given = county.handoff(receipt, FINANCE)
    county.told(given, "returned", **back, suggested_department="township_gov")
    return {**given, "request_id": receipt["request_id"]}


def _disputed(county: County) -> None:
    """Ruled on, and drafted as a rule: the law that was named then stands in the table, the reason does not. One more is
    ruled on by the conference, and a third stays open."""
    given = _in_dispute(county)
    ruling = {"agency": FINANCE, "reason": SAID["ruling reason"], "legal_basis": "社会救助暂行办法"}
    ruled = post(county.coordinator, f"/v1/handoffs/{given['handoff_id']}/ruling", **ruling)
    post(county.coordinator, f"/v1/disputes/{ruled['dispute_id']}/draft-rule")
    by_law = {"legal_basis": SAID["conference's law"], "note": SAID["conference's reason"]}
    decided: list[Seen] = [
        {"item": _in_dispute(county)["handoff_id"], "decision": "ruling", "agency": FINANCE, **by_law},
        {"item": _in_dispute(county)["handoff_id"], "decision": "note", "note": SAID["conference's note"]},
    ]
    post(county.coordinator, "/v1/conference/outcomes", outcomes=decided)


def _later(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def _coordinated(county: County) -> None:
    receipt = county.ask("education_aid")
    school = county.handoff(receipt, EDUCATION)
    county.told(school, "received", "accepted")
    longer = {"due_at": _later(300).isoformat(), "reason": SAID["extended"], "approver": SAID["approver"]}
    for agency, act, words in (
        (EDUCATION, "extend", longer),
        (CIVIL_AFFAIRS, "reassign", {"agency": HOUSING, "reason": SAID["reassigned"]}),
        (FEDERATION, "cancel", {"reason": SAID["cancelled"]}),
    ):
        post(county.coordinator, f"/v1/handoffs/{county.handoff(receipt, agency)['handoff_id']}/{act}", **words)


def _by_a_guest(county: County, lived: Lived) -> None:
    """An agency answers by a link; before it has signed in the page says nothing of anybody."""
    receipt = post(county.window, "/v1/requests", **_in_full("education_aid"))
    made = make_link(county, county.handoff(receipt, EDUCATION))
    officer = Officer(county.running, made["link"])
    lived.told(officer.open(), officer.fill("received", "a form of nobody's", handler=SAID["guest's handler"]))
    assert officer.sign_in(read_out(county, made)).status_code == 303
    approved = {"approver": SAID["guest's approver"], "reason": SAID["guest's reason"]}
    for act, fields in (
        ("received", {"handler": SAID["guest's handler"]}),
        ("accepted", {"note": SAID["guest's note"]}),
        ("information_requested", {"materials": SAID["guest's material"]}),
        ("resumed", {}),
        ("information_requested", {"materials": "另一份", "reason": SAID["guest's reason again"]}),
        ("resumed", {}),
        ("extended", approved | {"due_on": f"{_later(300):%Y-%m-%d}"}),
        ("suspended", {"suspended_for": "court", "note": SAID["guest's pause"]}),
        ("resumed", {}),
    ):
        answer = officer.fill(act, **fields)
        assert answer.status_code == 303, answer.text
    for agency, status in county.statuses(receipt).items():
        if status == "dispatched":
            county.complete(receipt, agency)
    answer = officer.fill("completed", outcome="granted", note=SAID["guest's result"])
    assert answer.status_code == 303, answer.text


def _on_the_own_page(county: County, lived: Lived) -> None:
    """Papers, words, and twice that it is not solved: handled again, then not."""
    receipt, client = post(county.window, "/v1/requests", **_in_full("legal_aid")), browser(county)
    page = path_of(receipt)
    for agency in county.statuses(receipt):
        if agency != JUSTICE:
            county.complete(receipt, agency)
    justice = county.handoff(receipt, JUSTICE)
    county.told(justice, "received", "accepted", "information_requested", materials=[SAID["material"]])
    files = {"file": (f"{SAID['own file name']}.png", a_picture())}
    for answer in (
        client.post(f"{page}/papers", files={"file": (SAID["refused"], b"no paper")}),
        client.post(f"{page}/papers", files=files),
        client.post(f"{page}/all-there", data={"note": SAID["all there"]}),
    ):
        lived.told(answer)
        assert answer.status_code in (303, 415), answer.text
    _opened(county, receipt, lived)
    county.told(justice, "completed", outcome="granted")
    for solved, words, act, ruled in (
        ("no", "not solved", "reopen", {"reason": SAID["reopened"], "handoff_id": justice["handoff_id"]}),
        ("partly", "partly solved", "decline", {"reason": SAID["declined"]}),
    ):
        answer = answer_back(client, receipt, solved, SAID[words])
        assert answer.status_code == 303, answer.text
        (asked,) = done(county.coordinator.get("/v1/reopenings", params={"state": "open"}))["items"]
        post(county.coordinator, f"/v1/reopenings/{asked['reopening_id']}/{act}", **ruled)
        if act == "reopen":
            close(county, receipt)
    lived.told(client.get(page), county.nobody.get(f"/v1{page}"))


def _printed(officer: Person, receipt: Seen) -> None:
    """Every form of a window, with the person on it."""
    assert find(officer, receipt["receipt_number"]).status_code == 303
    school = next(each for each in receipt["handoffs"] if each["agency"] == EDUCATION)
    at = f"/forms/requests/{receipt['request_id']}"
    papers = [f"{at}/{form}" for form in OF_REQUEST] + [
        f"/forms/handoffs/{school['handoff_id']}/{f}" for f in OF_HANDOFF
    ]
    shown = [officer.browser.get(each) for each in (at, *papers, f"{at}/receipt?paper=80mm", "/forms/summary")]
    assert {each.status_code for each in shown} == {200}
    assert any(PERSONAL["narrative"] in each.text for each in shown)


def _looked_up(county: County, receipt: Seen) -> None:
    """By numbers: of the person, and of the receipt with the end of a telephone, right and wrong."""
    for name in ("id_number", "phone"):
        found = done(county.coordinator.post("/v1/look-ups", json={name: PERSONAL[name]}))["items"]
        assert receipt["request_id"] in [each["request_id"] for each in found]
    client = browser(county)
    for end, status in (("0000", 403), (PERSONAL["phone"][-4:], 303), (PERSONAL["phone"], 422)):
        answer = client.post("/track", data={"number": receipt["receipt_number"], "phone_end": end})
        assert answer.status_code == status, answer.text


def _emergencies(county: County, lived: Lived) -> None:
    """One that is told of, with much that is odd; and one that was asked for as any other."""
    told = {"what": SAID["emergency"], "where": SAID["place"], "kind": SAID["refused"], "needs": [SAID["refused"]]}
    told |= {"division_code": SAID["refused"], "position": {"latitude": float(SAID["position"]), "longitude": 115.0}}
    told |= {"applicant": {"name": PERSONAL["name"], "phone": SAID["caller"], "id_number": PERSONAL["id_number"]}}
    told |= {"helper": {"name": SAID["caller's name"]}, "caller_phone": SAID["who calls"]}
    receipt = county.window.post("/v1/emergencies", json=told, headers=new_key())
    lived.told(receipt)
    settled = {"outcome": "done", "with_what": SAID["settled with"], "amount_yuan": "200.00"}
    post(county.coordinator, f"/v1/requests/{done(receipt)['request_id']}/debts/aid/settle", **settled)
    other = f"/v1/requests/{county.ask('education_aid')['request_id']}/emergency"
    post(county.coordinator, other, facts=["no_food"], what=SAID["lifted"], where=SAID["lifted where"])


def _at_a_device(county: County, lived: Lived) -> None:
    """For the service alone: taken in, sent again, and refused for what is in it or was done to it."""
    device = paired(county.running)
    key, (one, *_) = sealing_key(device), numbers(device, 2)
    body = {**a_request_in_full(), "narrative": SAID["sealed"], "receipt_number": one["receipt_number"]}
    content, repeat = json.dumps(body).encode(), new_key()
    for _ in range(2):
        receipt = done(device.post("/v1/requests", content=sealed(key, content), headers=JOSE | repeat))
    wrong = json.dumps({**body, "needs": [], "applicant": {"name": SAID["refused"], "phone": "1"}}).encode()
    for refused in (sealed(key, wrong), sealed(key, content[:-1]), sealed(key, content)[:-4] + b"AAAA"):
        answer = device.post("/v1/requests", content=refused, headers=JOSE)
        done(answer, 400, 422)
        lived.told(answer)
    paper = sealed(key, a_picture(), file={"title": SAID["kiosk's title"], "name": SAID["kiosk's file name"]})
    done(device.post(f"/v1/requests/{receipt['request_id']}/attachments", content=paper, headers=JOSE | new_key()))
    told = json.dumps({"what": SAID["sealed emergency"], "division_code": "360803101"}).encode()
    done(device.post("/v1/emergencies", content=sealed(key, told), headers=JOSE | new_key()))
    lived.told(device.get("/v1/kiosk"), device.get(f"/v1/requests/{receipt['request_id']}"))


def _refused(county: County, receipt: Seen, lived: Lived) -> None:
    """What errors say."""
    window, path = county.window, f"/v1/requests/{receipt['request_id']}"
    for broken in ({"division_code": "999999"}, {"needs": []}, {"applicant": {"name": SAID["refused"], "phone": "1"}}):
        answer = window.post("/v1/requests", json=a_request_in_full() | broken, headers=new_key())
        done(answer, 422)
        lived.told(answer)
    again = [window.post("/v1/requests", json=each, headers={"idempotency-key": "x"}) for each in (_in_full(), broken)]
    done(again[1], 409, 422)
    item = {"item": receipt["request_id"], "decision": "note", "note": SAID["refused"]}
    school = county.handoff(receipt, EDUCATION)["handoff_id"]
    for client, place, body in (
        (county.coordinator, "/v1/conference/outcomes", {"outcomes": [item]}),
        (county.coordinator, "/v1/look-ups", {"phone": SAID["refused"], "id_number": SAID["refused"]}),
        (county.coordinator, f"/v1/handoffs/{school}/ruling", {"agency": SAID["refused"], "reason": SAID["refused"]}),
        (county.coordinator, f"{path}/hold", {"reason": SAID["refused"], "until": "2020-01-01"}),
        (county.coordinator, f"{path}/erase", {"ground": SAID["refused"], "legal_basis": SAID["refused"]}),
        (county.coordinator, f"{path}/erase", {"ground": "unlawful", "legal_basis": SAID["refused"]}),
        (window, f"{path}/supplements", {"note": SAID["refused"], "materials": ["no_such"]}),
        (window, f"{path}/consents", {"consents": [{"purpose": SAID["refused"], "person": SAID["refused"]}]}),
        (county.nobody, "/v1/requests", a_request_in_full()),
        (county.running.client("supervisor"), "/v1/requests", a_request_in_full()),
    ):
        answer = client.post(place, json=body)
        assert 400 <= answer.status_code < 500, answer.text
        lived.told(answer)
    lived.told(again[1], window.post("/v1/requests", content=b'{"applicant": {"name": "' + SAID["refused"].encode()))


def _erased(county: County) -> None:
    """At the person's own request, of one who has withdrawn and of whom nothing is under way any more."""
    admin = county.running.client("admin")
    kinds = {"periods": [{"kind": "request_withdrawn", "period": "P3Y", "minimum": None, "source": "虚构"}]}
    done(admin.patch("/v1/retention", json=kinds, headers={"if-match": admin.get("/v1/retention").headers["etag"]}))
    receipt = post(county.window, "/v1/requests", **_in_full("education_aid", narrative=SAID["erased"]))
    path, ground = f"/v1/requests/{receipt['request_id']}", {"ground": "unlawful", "legal_basis": "个人信息保护法47"}
    post(county.window, f"{path}/withdraw")
    until(lambda: county.coordinator.post(f"{path}/erase", json=ground).status_code == 200, what="the last message")


def _shown_to_others(county: County, receipt: Seen, lived: Lived) -> None:
    """What those are told who may not see people."""
    client: Callable[..., httpx.Client] = county.running.client
    of_request = [f"requests/{receipt['request_id']}{each}" for each in ("", "/timeline", "/decision", "/disclosures")]
    of_request += [f"requests/{receipt['request_id']}/{each}" for each in ("attachments", "proof", "consents")]
    lists = ["requests", "handoffs", "deliveries", "disputes", "debts", "reopenings", "holds", "conference"]
    lists += ["emergencies/board", "subscriptions", "agencies", "staff", "sign-ins", "keys", "retention", "alarms"]
    for role in ("auditor", "supervisor", "admin", "security"):
        own = client(role)
        lived.told(*(own.get(f"/v1/{each}") for each in [*of_request, *lists]))
    lived.told(county.nobody.get(f"/v1/track/{receipt['tracking_token']}"))
