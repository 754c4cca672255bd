"""Hostile calls of every page for people, without end: forms with every part of them in turn something nasty."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import quote, quote_plus

from tests.security.hostile import HEADERS, KINDS, MARK, METHODS, TEXTS, Call
from tests.test_attachments import a_photo

TAG = f"<{MARK}>"
SUM = "4711*4711"
EVALUATED = "22193521"
PAGE_TEXTS = [
    *TEXTS,
    *(TAG, f'">{TAG}', f"</textarea>{TAG}", f"</style>{TAG}", f"<!--{TAG}", f"<script>{MARK}</script>"),
    f'" on{MARK}="1',
    f"' on{MARK}='1",
    f"x on{MARK}=1",
    f"javascript:{MARK}",
    f"//{MARK}.example/",
    f"{{{{{SUM}}}}}",
    f"${{{SUM}}}",
    f"#{{{SUM}}}",
    f"{{%print({SUM})%}}",
    f"<%= {SUM} %>",
    "{{ self.__init__.__globals__ }}",
    "%(visitor)s",
    "{visitor}",
    f"&lt;{MARK}&gt;&#0;&#x202e;",
    f"zh\r\nLocation: //{MARK}.example",
    "en",
]
BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
ORIGINS = ["https://evil.example", "null", "http://[", "http://[::1", "é", "", "file://", f"http://{MARK}:x", "//"]
SITES = ["cross-site", "none", "same-site", "", MARK]
ENCODINGS = ["gb18030", "utf-16", "utf-32", "shift_jis", "latin-1", "utf-7"]
# What a browser must say for a form to be taken.
FORM_KIND = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Page:
    """A door for people: what it is sent when all is well, and who comes; its gaps are filled by `gaps`."""

    method: str
    path: str
    who: str = "nobody"
    fields: Mapping[str, str] = field(default_factory=dict)
    takes_file: bool = False
    query: tuple[str, ...] = ()


_SIGNED = {"form": "{form}"}
_LOOK = ("lang", "size", "contrast", "said")
_PAPER = ("lang", "purpose", "paper", "blank", "brief")
PAGES = [
    Page("GET", "/sign-in", query=("said", "lang")),
    Page("POST", "/sign-in", "door", {"form": "{form}", "login_name": "clerk", "password": "x"}),
    Page("GET", "/sign-in/oidc"),
    Page("GET", "/sign-in/callback", query=("code", "state", "error")),
    Page("POST", "/sign-out", "leaver", _SIGNED),
    Page("GET", "/account", "clerk", query=("said", "lang")),
    Page("POST", "/account/password", "leaver", {**_SIGNED, "old": "{password}", "new": "x", "again": "x"}),
    Page("POST", "/account/sessions/end", "leaver", _SIGNED),
    Page("GET", "/forms", "clerk", query=("lang",)),
    Page("POST", "/forms", "clerk", {**_SIGNED, "number": "{number}", "purpose": "handling"}),
    Page("GET", "/forms/summary", "coordinator", query=("month", "place", "lang")),
    Page("GET", "/forms/requests/{request_id}", "clerk", query=_PAPER),
    *(Page("GET", f"/forms/requests/{{request_id}}/{each}", "clerk", query=_PAPER) for each in ("register", "notice")),
    Page("GET", "/forms/requests/{request_id}/receipt", "clerk", query=_PAPER),
    *(Page("GET", f"/forms/handoffs/{{handoff_id}}/{each}", "liaison", query=_PAPER) for each in ("letter", "reply")),
    Page("GET", "/kiosks", "clerk", query=("cursor", "said", "lang")),
    Page("POST", "/kiosks", "clerk", {**_SIGNED, "name": "{text}", "division_code": "360803101"}),
    Page("POST", "/kiosks/{kiosk_id}/revoke", "clerk", _SIGNED),
    Page("GET", "/track", query=_LOOK),
    Page("POST", "/track", "waiting", {"number": "{number}", "phone_end": "{phone}"}, query=_LOOK),
    Page("GET", "/track/live.js", query=("v",)),
    Page("GET", "/track/{token}", query=_LOOK),
    Page("GET", "/track/{token}/events", query=("after",)),
    Page("POST", "/track/{token}/papers", "waiting", {"material": "", "title": "{text}"}, True, _LOOK),
    Page("POST", "/track/{token}/all-there", "waiting", {"note": "{text}"}, query=_LOOK),
    Page(
        "POST",
        "/track/{token}/solved",
        "content",
        {"solved": "no", "words": "{text}", "closing": "{closing}"},
        query=_LOOK,
    ),
    Page("GET", "/answer/{answer}", "officer", query=("said",)),
    Page("POST", "/answer/{answer}/code", "officer"),
    Page("POST", "/answer/{answer}/session", "officer", {"code": "123456"}),
    Page("POST", "/answer/{answer}/leave", "visitor"),
    Page(
        "POST",
        "/answer/{answer}/acts/{act}",
        "officer",
        {
            "form": "{form}",
            "note": "{text}",
            "handler": "x",
            "due_on": "2027-01-01",
            "materials": "x",
            "reason": "x",
            "approver": "x",
            "suspended_for": "court",
            "outcome": "granted",
        },
    ),
    *(Page("GET", path) for path in ("/kiosk", "/kiosk/", "/kiosk/{file}", "/kiosk/voices.json")),
    Page("GET", "/kiosk/voices/{language}/{recording}"),
]
GAPS = {
    "act": ("received", "accepted", "information_requested", "suspended", "resumed", "extended"),
    "file": ("index.html", "sw.js", "kiosk.css", "../page.py"),
    "language": ("zh",),
    "recording": ("start.mp3", "..%2f..%2fname.txt"),
}
_PICTURE = a_photo()
_NO_PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00" * 40


@dataclass(frozen=True)
class Sent:
    """A call of a page; `fits` where its address is still one of the page's own, asked by the page's own method."""

    page: Page
    call: Call
    fits: bool


def calls(
    visit: Callable[[str], tuple[Mapping[str, str], Mapping[str, str]]], origin: str, chance: random.Random
) -> Iterator[Sent]:
    """Round all pages, for ever. `visit`: who comes, by what headers they are known and what their forms hold now."""
    while True:
        for page in PAGES:
            headers, held = visit(page.who)
            yield _sent(page, headers, {**held, "text": chance.choice(PAGE_TEXTS)}, origin, chance)


def _sent(page: Page, known_by: Mapping[str, str], held: Mapping[str, str], origin: str, chance: random.Random) -> Sent:
    method = chance.choice(METHODS) if chance.random() < 0.03 else page.method
    address, fits = _address(page, held, chance)
    call = Call(method, address, dict(known_by) if chance.random() < 0.9 else {})
    if chance.random() < 0.8:
        call.headers |= {"origin": origin, "sec-fetch-site": "same-origin"}
    else:
        call.headers |= {"origin": chance.choice(ORIGINS)} if chance.random() < 0.7 else {}
        call.headers |= {"sec-fetch-site": chance.choice(SITES)} if chance.random() < 0.3 else {}
    if chance.random() < 0.15:
        for name in chance.sample(sorted(HEADERS), chance.choice((1, 2, 5))):
            call.headers[name] = chance.choice(HEADERS[name])
    if chance.random() < 0.05 and "cookie" in call.headers:
        name = call.headers["cookie"].partition("=")[0]
        call.headers["cookie"] = chance.choice(
            (f"{name}={MARK}", f"{name}=é; {name}=", f"{name}=" + "a" * 3000, f'{name}="{MARK}\\"', f"{name}=\t")
        )
    if method in ("POST", "PUT", "PATCH"):
        given = {name: value.format_map(held) for name, value in page.fields.items()}
        as_parts = page.takes_file if chance.random() < 0.93 else not page.takes_file
        kind, call.body = (_parts if as_parts else _form)(_spoilt(given, chance), chance)
        call.headers["content-type"] = kind if chance.random() < 0.95 else chance.choice(KINDS)
    return Sent(page, call, fits and method == page.method)


def _address(page: Page, held: Mapping[str, str], chance: random.Random) -> tuple[str, bool]:
    path, fits = page.path, True
    for part in page.path.split("/"):
        if part.startswith("{"):
            own = held.get(part[1:-1]) or chance.choice(GAPS.get(part[1:-1], ("01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e",)))
            if chance.random() < 0.25:
                own = quote(chance.choice(PAGE_TEXTS)[:2000], safe="") or "%20"
            fits = fits and "%2F" not in own.upper() and ".." not in own
            path = path.replace(part, own, 1)
    asked = [
        f"{name}={quote(chance.choice(PAGE_TEXTS)[:2000], safe='')}" for name in page.query if chance.random() < 0.4
    ]
    if chance.random() < 0.08:
        asked.append(
            chance.choice(["%", "%zz=%", "lang=%ff%fe", "&&&", "lang[]=en&lang[a]=zh", "%00=%00", "a;b;lang=en"])
        )
    return path + ("?" + "&".join(asked) if asked else ""), fits


def _spoilt(given: Mapping[str, str], chance: random.Random) -> list[tuple[str, str]]:
    """With one or two of its fields replaced, left out, named otherwise, or there more than once."""
    fields = list(given.items())
    for _ in range(chance.choice((0, 1, 1, 1, 2))):
        if not fields:
            return [(chance.choice(PAGE_TEXTS), chance.choice(PAGE_TEXTS))]
        at = chance.randrange(len(fields))
        # What shows that a form is ours is mostly left as it is: behind it is the rest.
        if fields[at][0] == "form" and chance.random() < 0.8:
            continue
        name, text = fields[at][0], chance.choice(PAGE_TEXTS)
        how = chance.random()
        if how < 0.65:
            fields[at] = (name, text)
        elif how < 0.75:
            fields.pop(at)
        elif how < 0.85:
            fields[at] = (chance.choice((f"{name}[]", f"{name}[a][b]", f"{name}.x", f" {name}", text)), text)
        else:
            fields += [(name, text)] * chance.choice((1, 2, 60))
    return fields


def _form(fields: list[tuple[str, str]], chance: random.Random) -> tuple[str, bytes]:
    good = "&".join(f"{quote_plus(name)}={quote_plus(value.encode('utf-8', 'replace'))}" for name, value in fields)
    how = chance.random()
    if how < 0.6:
        return FORM_KIND, good.encode()
    encoding = chance.choice(ENCODINGS)
    if how < 0.7:  # each value in another encoding, percented
        other = "&".join(f"{quote_plus(n)}={quote_plus(v.encode(encoding, 'replace'))}" for n, v in fields)
        return chance.choice((FORM_KIND, f"{FORM_KIND}; charset={encoding}")), other.encode()
    if how < 0.78:  # the same as it is
        return FORM_KIND, "&".join(f"{name}={value}" for name, value in fields).encode(encoding, "replace")
    return FORM_KIND, chance.choice(_WHOLE_FORMS)(good.encode(), chance)


_WHOLE_FORMS: list[Callable[[bytes, random.Random], bytes]] = [
    lambda good, chance: b"",
    lambda good, chance: good[: chance.randrange(len(good) + 1)],
    lambda good, chance: good.replace(b"=", b"=%"),
    lambda good, chance: good.replace(b"=", b"=%zz%1"),
    lambda good, chance: good.replace(b"=", b"=%c0%af%ed%a0%80%ff"),
    lambda good, chance: good.replace(b"=", b"=\xc4\xe3\xba\xc3\xff\xfe"),
    lambda good, chance: good.replace(b"=", b"=%00"),
    lambda good, chance: good.replace(b"=", b"=%u4e2d"),
    lambda good, chance: good.replace(b"&", b";"),
    lambda good, chance: b"\xef\xbb\xbf" + good,
    lambda good, chance: good + b"&a=1" * 10_000,
    lambda good, chance: good + b"&" * 100_000,
    lambda good, chance: good + b"=" * 100_000,
    lambda good, chance: good + b"&x=" + b"A" * 250_000,
    lambda good, chance: good + b"&x=" + b"%41" * 90_000,
    lambda good, chance: good.decode().encode("utf-16"),
    lambda good, chance: bytes(chance.randrange(256) for _ in range(chance.randrange(3000))),
    lambda good, chance: b'{"form": "x"}',
]


def _parts(fields: list[tuple[str, str]], chance: random.Random) -> tuple[str, bytes]:
    """With a file, mostly one that is none."""
    edge = b"edge4711"
    kind = f"multipart/form-data; boundary={edge.decode()}"
    encoding = chance.choice(ENCODINGS) if chance.random() < 0.2 else "utf-8"
    parts = [
        b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (_bare(name), value.encode(encoding, "replace"))
        for name, value in fields
    ]
    name = chance.choice(PAGE_TEXTS)
    content = chance.choice(
        (
            _PICTURE,
            _NO_PICTURE,
            b"%PDF-1.7\n%%EOF",
            b"",
            b"\xff\xd8\xff\xe0" + b"A" * 5000,
            name.encode("utf-8", "replace"),
        )
    )
    file = b'Content-Disposition: form-data; name="file"; filename="%s"\r\nContent-Type: image/png\r\n\r\n%s'
    parts.insert(chance.randrange(len(parts) + 1), file % (_bare(name, encoding), content))
    good = b"".join(b"--%s\r\n%s\r\n" % (edge, part) for part in parts) + b"--%s--\r\n" % edge
    if chance.random() < 0.6:
        return kind, good
    return chance.choice(_WHOLE_PARTS)(kind, good, chance)


def _bare(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding, "replace").replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")


_HEAD = b'Content-Disposition: form-data; name="'
_WHOLE_PARTS: list[Callable[[str, bytes, random.Random], tuple[str, bytes]]] = [
    lambda kind, good, chance: ("multipart/form-data", good),
    lambda kind, good, chance: ("multipart/form-data; boundary=", good),
    lambda kind, good, chance: ("multipart/form-data; boundary=other", good),
    lambda kind, good, chance: ("multipart/form-data; boundary=" + "x" * 71, good),
    lambda kind, good, chance: ('multipart/form-data; boundary="edge4711', good),
    lambda kind, good, chance: ("multipart/form-data; boundary*=utf-8''edge4711", good),
    lambda kind, good, chance: ("multipart/form-data; boundary=edge4711; boundary=other", good),
    lambda kind, good, chance: ("multipart/form-data; charset=gbk; boundary=edge4711", good),
    lambda kind, good, chance: ("multipart/mixed; boundary=edge4711", good),
    lambda kind, good, chance: (kind, good[: chance.randrange(len(good) + 1)]),
    lambda kind, good, chance: (kind, good.replace(b"\r\n", b"\n")),
    lambda kind, good, chance: (kind, good.replace(b"\r\n\r\n", b"\r\n")),
    lambda kind, good, chance: (kind, good.replace(b"--edge4711--", b"--edge4711")),
    lambda kind, good, chance: (kind, b"preamble\r\n" + good + b"epilogue" * 1000),
    lambda kind, good, chance: (kind, good * 2),
    lambda kind, good, chance: (kind, good.replace(_HEAD, _HEAD + b"a" * 20_000)),
    lambda kind, good, chance: (kind, good.replace(b'name="', b"name*=utf-8''")),
    lambda kind, good, chance: (kind, good.replace(b'name="', b'name="\x00\xff')),
    lambda kind, good, chance: (kind, good.replace(b"Content-Disposition", b"Content-Nothing")),
    lambda kind, good, chance: (
        kind,
        good.replace(b"Content-Type: image/png", b"Content-Type: multipart/mixed; boundary=y"),
    ),
    lambda kind, good, chance: (
        kind,
        good.replace(b"Content-Type:", b"Content-Transfer-Encoding: base64\r\nContent-Type:"),
    ),
    lambda kind, good, chance: (kind, good.replace(b"Content-Type:", b"X: " + b"y" * 9000 + b"\r\nContent-Type:")),
    lambda kind, good, chance: (kind, b"--edge4711\r\n" * 3000 + good),
    lambda kind, good, chance: (
        kind,
        b'--edge4711\r\nContent-Disposition: form-data; name="%d"\r\n\r\n\r\n' % chance.randrange(9) * 300 + good,
    ),
    lambda kind, good, chance: (kind, b"\r\n" * 50_000 + good),
    lambda kind, good, chance: (kind, b""),
    lambda kind, good, chance: (kind, bytes(chance.randrange(256) for _ in range(chance.randrange(3000)))),
]


class Reader(HTMLParser):
    """What a browser would make of a page: what of it came from whoever called, and what would run."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "script":
            self.scripts.append(named.get("src") or "")
        if MARK.lower() in tag or any(MARK.lower() in name or name.startswith("on") for name in named):
            self.wrong.append(f"{self.get_starttag_text()}"[:200])
        for name in ("href", "src", "action", "formaction"):
            target = (named.get(name) or "").strip()
            if target.startswith("//") or (
                ":" in target.split("/")[0].split("?")[0] and not target.startswith(("tel:", "data:"))
            ):
                self.wrong.append(f"{tag} {name} {target[:200]}")

    def handle_decl(self, decl: str) -> None:
        if decl.lower() != "doctype html":
            self.wrong.append(decl[:200])

    def handle_comment(self, data: str) -> None:
        if MARK in data:
            self.wrong.append(data[:200])


def faults_of(page: str) -> list[str]:
    """What a page shows that it may not, after a hostile call."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    faults = [
        *reader.wrong,
        *(f"script {each}" for each in reader.scripts if not each.startswith(("/track/live.js?v=", "/kiosk/main.js"))),
    ]
    if EVALUATED in page:
        faults.append(f"{SUM} was evaluated")
    if turned := BIDI & set(page):
        faults.append(f"turned by {sorted(map(ascii, turned))}")
    if "__builtins__" in page:
        faults.append("an object of ours was shown")
    return faults
