"""What every answer says to whoever shows it: whose it is, that nobody keeps it, that nothing else runs in it."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx

from tests.running import Running
from tests.test_house import FORMS, KIOSK_FILES, KIOSKS, OPEN, OWN_PAGE, SIGNING_IN
from tests.test_rights import ALLOWED, SAMPLES

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
PUBLIC = {"/v1/needs", "/v1/divisions", "/v1/problems/{code}"}
PUBLIC |= (
    KIOSK_FILES
    | {"/track/live.js"}
    | {"/v1/public/audit-key", "/v1/public/audit-roots", "/v1/public/audit-roots/{day}"}
)


def address(template: str) -> str:
    given = {"act": "completed", **SAMPLES}
    return re.sub(r"{(\w+)}", lambda gap: given.get(gap[1], "01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e"), template)


def every_answer(service: Running) -> list[tuple[str, httpx.Response]]:
    """Of each route, to a coordinator and to nobody; of what is no route; and of a page."""
    found = []
    routes = [*ALLOWED, *(("GET", path) for path in sorted(OPEN)), ("POST", "/answer/{token}/session")]
    routes += [("GET", "/nothing"), ("DELETE", "/v1/needs"), ("GET", "/docs/assets/../../etc/passwd")]
    for client in (service.client("coordinator"), service.client(None)):
        for method, template in routes:
            body = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
            found.append((template, client.request(method, address(template), **body)))
    return found


def test_every_answer_of_every_route_keeps_to_itself(service: Running) -> None:
    for template, answer in every_answer(service):
        for name, value in ALWAYS.items():
            # A form of ours is known by its origin, which `no-referrer` would leave out.
            ours = name == "referrer-policy" and template in SIGNING_IN | FORMS | KIOSKS | OWN_PAGE
            also = [["same-origin"]] if ours else []
            if name == "permissions-policy" and template in KIOSK_FILES and answer.status_code < 400:
                also = [[value.replace("camera=()", "camera=(self)")]]  # papers are photographed there
            assert answer.headers.get_list(name) in ([value], *also), (template, name)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, template
        assert "frame-ancestors 'none'" in policy, template
        assert "unsafe" not in policy, template
        assert "*" not in policy, template
        kept = answer.headers["cache-control"]
        assert kept == "no-store" or (template in PUBLIC and kept.startswith("public")), template
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_where_it_is_served_by_tls_browsers_are_told_to_use_nothing_else(run_service: Callable[..., Running]) -> None:
    service = run_service(public_url="https://one-window.example.gov.cn")
    for path in ("/v1/needs", "/docs", "/nothing", "/v1/requests"):
        assert service.client(None).get(path).headers["strict-transport-security"] == "max-age=31536000"


def test_pages_hold_no_script_or_style_but_those_whose_digest_their_policy_names(service: Running) -> None:
    client = service.client(None)
    for path, number in (("/docs", 2), (f"/answer/{'A' * 32}", 1)):
        page = client.get(path)
        policy = page.headers["content-security-policy"]
        inline = re.findall(r"<(?:script|style)>", page.text)
        assert policy.count("'sha256-") == len(inline) == number, path
        assert re.search(r"\son\w+=|javascript:|\sstyle=", page.text) is None, path
