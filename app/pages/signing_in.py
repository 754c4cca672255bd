"""/sign-in, /sign-out, /account: how people of the county come in, who they are here, and how they leave."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from app import oidc, passwords, sessions, sign_ins
from app.api import browsers
from app.api.access import office_of
from app.api.kiosks import PAIR
from app.forms import finding
from app.identifiers import now
from app.logs import describe
from app.office import Office
from app.pages.browsing import asked_language, base, language, origin
from app.pages.page import go_to, page, read_form
from app.pages.signed_in import STALE, is_genuine, session_of
from app.pages.telling import told_on_a_page
from app.problems import Problem, Text
from app.sessions import Session
from app.sign_ins import Refusal, SignedIn

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()
_DOOR, _FLOW, _BROWSER = "one_window_door", "one_window_oidc", "one_window_known_"
_BROWSER_LASTS = 180 * 86_400
_DOOR_LASTS = 86_400
_SAID = {
    "out": Text("已退出登录。", "You are signed out."),
    "ended": Text("其他登录已全部退出。", "Every other session has ended."),
    "changed": Text("密码已更改,其他登录已全部退出。", "The password is changed; every other session has ended."),
}
_WRONG = Text(
    "登录名或密码不对;连续输错后会暂停登录一段时间,请稍候再试,或请安全管理员重置密码。",
    "The name or the password is wrong. After several wrong tries signing in pauses for a while: wait and try again, or ask "
    "the security administrator for a new password.",
)
_STOPPED = Text(
    "此网络输错次数过多,请 15 分钟后再试。", "Too many wrong tries from this network; try again in 15 minutes."
)
_NOT_PROVED = Text("统一身份认证未完成,请重新登录。", "The single sign-on was not completed; please sign in again.")
_NO_ACCOUNT = Text(
    "您在本系统没有可用的账号,请联系安全管理员。",
    "You have no account here that may be used; ask the security administrator.",
)
_PROVIDER_AWAY = Text(
    "统一身份认证暂时无法连接,请稍后再试。", "The single sign-on does not answer just now; try again in a while."
)
_NOT_THE_SAME = Text("两次输入的新密码不一致。", "The two new passwords differ.")
ROLES = {
    "intake": Text("窗口经办", "Window clerk"),
    "township": Text("乡镇(街道)审核", "Township reviewer"),
    "emergency": Text("急难接报", "Emergency reporter"),
    "agency": Text("单位联络员", "Agency liaison"),
    "coordinator": Text("县协调员", "County coordinator"),
    "supervisor": Text("监督员", "Supervisor"),
    "auditor": Text("安全审计员", "Auditor"),
    "admin": Text("系统管理员", "System administrator"),
    "security": Text("安全管理员", "Security administrator"),
}
_WAYS = {"password": Text("密码", "Password"), "oidc": Text("统一身份认证", "Single sign-on")}


@router.get("/sign-in")
@told_on_a_page
async def look(request: Request) -> Response:
    office = office_of(request)
    if await session_of(request, office) is not None:
        return _go(request, office, "/account")
    return await _door(request, office)


@router.post("/sign-in")
@told_on_a_page
async def sign_in(request: Request) -> Response:
    office = office_of(request)
    form = await read_form(request)
    door = browsers.cookie(request, office.settings, _DOOR) or ""
    ours = browsers.is_from_our_pages(request, office.settings)
    genuine = hmac.compare_digest(_door_token(office, door).encode(), form.get("form", "").encode())
    if not (ours and door and genuine):
        return await _door(request, office, 403, STALE)
    login_name, password = form.get("login_name", ""), form.get("password", "")
    # PostgreSQL keeps no text with a null in it: nobody is called so.
    if not login_name or "\0" in login_name or not 0 < len(password) <= passwords.MOST:
        return await _door(request, office, 403, _WRONG)
    known = browsers.cookies_that_begin(request, office.settings, _BROWSER)
    address = browsers.who_calls(request)
    signed_in = await sign_ins.by_password(office, login_name, password, address, known)
    if isinstance(signed_in, Refusal):
        stopped = signed_in is Refusal.STOPPED
        return await _door(request, office, 429 if stopped else 403, _STOPPED if stopped else _WRONG)
    return _come_in(request, office, signed_in, "/account")


@router.get("/sign-in/oidc")
@told_on_a_page
async def go_to_provider(request: Request) -> Response:
    office = office_of(request)
    if office.provider is None:
        raise Problem("not_found")
    flow = oidc.Flow.begun(office.secret, now())
    try:
        address = await office.provider.address(flow, _redirect_uri(request, office))
    except oidc.ProviderAwayError as error:
        log.warning("provider_away", **describe(error))
        return await _door(request, office, 503, _PROVIDER_AWAY)
    answered = go_to(address)
    lasts = int(oidc.LASTS.total_seconds())
    browsers.set_cookie(answered, request, office.settings, _FLOW, flow.text, lasts)
    return answered


@router.get("/sign-in/callback")
@told_on_a_page
async def come_back(request: Request) -> Response:
    """From the provider. Whatever came back, this round trip is over."""
    office = office_of(request)
    if office.provider is None:
        raise Problem("not_found")
    kept = browsers.cookie(request, office.settings, _FLOW) or ""
    flow = oidc.Flow.kept(office.secret, kept, now())
    answered = await _proved(request, office, office.provider, flow)
    browsers.drop_cookie(answered, request, office.settings, _FLOW)
    return answered


async def _proved(request: Request, office: Office, provider: oidc.Provider, flow: oidc.Flow | None) -> Response:
    try:
        if flow is None:
            raise oidc.NotProvedError("flow")
        name = await provider.who(flow, dict(request.query_params), _redirect_uri(request, office))
    except oidc.NotProvedError as error:
        log.warning("sign_in_not_proved", what=str(error))
        return await _door(request, office, 403, _NOT_PROVED)
    except oidc.ProviderAwayError as error:
        log.warning("provider_away", **describe(error))
        return await _door(request, office, 503, _PROVIDER_AWAY)
    signed_in = await sign_ins.by_provider(office, provider.issuer, name)
    if signed_in is None:
        return await _door(request, office, 403, _NO_ACCOUNT)
    return _come_in(request, office, signed_in, "/account")


@router.post("/sign-out")
@told_on_a_page
async def sign_out(request: Request) -> Response:
    office = office_of(request)
    session = await session_of(request, office)
    if session is None:
        return _go(request, office, "/sign-in", said="out")
    if not is_genuine(request, office, session, await read_form(request)):
        return await _account(request, office, session, 403, STALE)
    await sign_ins.sign_out(office, session)
    answered = _go(request, office, "/sign-in", said="out")
    browsers.drop_cookie(answered, request, office.settings, browsers.SESSION)
    return answered


@router.get("/account")
@told_on_a_page
async def account(request: Request) -> Response:
    office = office_of(request)
    session = await session_of(request, office)
    return await _account(request, office, session) if session else _go(request, office, "/sign-in")


@router.post("/account/password")
@told_on_a_page
async def change_password(request: Request) -> Response:
    office = office_of(request)
    session = await session_of(request, office)
    if session is None:
        return _go(request, office, "/sign-in")
    form = await read_form(request)
    if not is_genuine(request, office, session, form):
        return await _account(request, office, session, 403, STALE)
    old, new = form.get("old", "")[: passwords.MOST], form.get("new", "")
    if not hmac.compare_digest(new.encode(), form.get("again", "").encode()):
        return await _account(request, office, session, 422, _NOT_THE_SAME)
    changed = await sign_ins.change_password(office, session, old, new)
    if isinstance(changed, Text):
        return await _account(request, office, session, 422, changed)
    return _come_in(request, office, changed, "/account", said="changed")


@router.post("/account/sessions/end")
@told_on_a_page
async def end_others(request: Request) -> Response:
    office = office_of(request)
    session = await session_of(request, office)
    if session is None:
        return _go(request, office, "/sign-in")
    if not is_genuine(request, office, session, await read_form(request)):
        return await _account(request, office, session, 403, STALE)
    await sign_ins.end_others(office, session)
    return _go(request, office, "/account", said="ended")


async def _door(request: Request, office: Office, status: int = 200, wrong: Text | None = None) -> Response:
    kept = browsers.cookie(request, office.settings, _DOOR)
    door = kept or secrets.token_urlsafe(24)
    said = _SAID.get(request.query_params.get("said", ""))
    provider = office.provider
    leave = f"{origin(request, office)}{base(office)}/sign-in"
    answered = _page(
        request,
        office,
        "sign_in.html",
        status,
        here=f"{base(office)}/sign-in",
        form=_door_token(office, door),
        has_provider=provider is not None,
        provider_sign_out=await provider.end_session(leave) if provider and said is _SAID["out"] else None,
        said=said,
        wrong=wrong,
    )
    if kept is None:
        browsers.set_cookie(answered, request, office.settings, _DOOR, door, _DOOR_LASTS)
    return answered


async def _account(
    request: Request, office: Office, session: Session, status: int = 200, wrong: Text | None = None
) -> Response:
    snapshot = await office.registry.current()
    division = snapshot.divisions.get(session.key.division_code or "")
    agency = snapshot.directory.agencies.get(session.key.agency_code or "")
    return _page(
        request,
        office,
        "account.html",
        status,
        here=f"{base(office)}/account",
        form=sessions.csrf_token(office, session.token),
        session=session,
        pairs=session.key.role in PAIR,
        prints=finding.prints_handoffs(session.key) or finding.counts(session.key),
        role=ROLES[session.key.role],
        division=division,
        agency=agency,
        sessions=await sessions.mine(office, session),
        ways=_WAYS,
        least=passwords.LEAST,
        said=_SAID.get(request.query_params.get("said", "")),
        wrong=wrong,
    )


def _page(request: Request, office: Office, template: str, status: int, **shown: Any) -> Response:
    spoken = language(request)
    answered = page(
        template,
        status,
        say=lambda zh, en: en if spoken == "en" else zh,
        language=spoken,
        asked=f"?lang={request.query_params['lang']}" if asked_language(request) else "",
        base=base(office),
        coordinator_phone=office.settings.coordinator_phone,
        **shown,
    )
    # A form's own page is named to us with it: without a referrer, a browser names no origin.
    answered.headers["Referrer-Policy"] = "same-origin"
    answered.headers["Content-Language"] = spoken
    return answered


def _come_in(request: Request, office: Office, signed_in: SignedIn, where: str, **said: str) -> Response:
    answered = _go(request, office, where, **said)
    browsers.set_cookie(answered, request, office.settings, browsers.SESSION, signed_in.token)
    if signed_in.browser:
        name = f"{_BROWSER}{signed_in.account_id.hex[-12:]}"
        browsers.set_cookie(answered, request, office.settings, name, signed_in.browser, _BROWSER_LASTS)
    browsers.drop_cookie(answered, request, office.settings, _DOOR)
    return answered


def _go(request: Request, office: Office, where: str, said: str | None = None) -> Response:
    """To a page of ours: never to an address that came with the call."""
    asked = [f"said={said}"] if said else []
    if wanted := asked_language(request):
        asked.append(f"lang={wanted}")
    return go_to(f"{base(office)}{where}{'?' if asked else ''}{'&'.join(asked)}")


def _door_token(office: Office, door: str) -> str:
    return hmac.new(office.secret, f"door:{door}".encode(), hashlib.sha256).hexdigest()


def _redirect_uri(request: Request, office: Office) -> str:
    return f"{origin(request, office)}{base(office)}/sign-in/callback"
