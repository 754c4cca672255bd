"""Bodies in and out: read within limits, validated whole, every fault in a plain sentence that points to its field."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from app.api.access import office_of
from app.keys import Key
from app.problems import MOST_ERRORS, FieldError, Problem, Text, invalid
from app.repeats import Repeat
from app.wire import from_json, to_json

MOST_BYTES = 256 * 1024
MOST_BYTES_IN_BULK = 1024 * 1024
MOST_BYTES_OF_A_FILE = 10 * 1024 * 1024
MOST_LEVELS = 32
MOST_VALUES = 20_000
_JSON_TYPE = re.compile(r"application/([a-z0-9.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_OTHER_CHARSET = re.compile(r";\s*charset\s*=\s*\"?+(?!utf-?8\b)", re.IGNORECASE)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_INNERMOST = re.compile(rb"\[\]|\{\}")
_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_KEY_SHAPE = re.compile(r"[\x21-\x7e]{1,200}")
_DAY_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any unguessable text, new for each new body: a repeat gets the first answer.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,200}$"},
}
Model = TypeVar("Model", bound=BaseModel)


async def read_bytes(request: Request, most: int = MOST_BYTES) -> bytes:
    """The body, at most 256 KiB unless told. Raises `unsupported_media_type`, `body_too_large`."""
    given = request.headers.get("content-type", "")
    if not _JSON_TYPE.fullmatch(given) or _OTHER_CHARSET.search(given):
        raise Problem("unsupported_media_type")
    return await read_whole(request, most)


def is_json(request: Request) -> bool:
    return _JSON_TYPE.fullmatch(request.headers.get("content-type", "")) is not None


def must_be_unpacked(request: Request) -> None:
    """Raises `unsupported_media_type` for a body that is compressed."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        text = Text("请勿压缩正文:不接受 Content-Encoding。", "Send the body as it is, without Content-Encoding.")
        raise Problem("unsupported_media_type", text)


async def read_whole(request: Request, most: int) -> bytes:
    """Raises `unsupported_media_type` for a body that is compressed, `body_too_large`."""
    must_be_unpacked(request)
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


async def read_file(request: Request, kinds: Iterable[str]) -> bytes:
    """An uploaded file, at most 10 MiB. Raises `unsupported_media_type`, `body_too_large`."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    wanted = [kind.split(";")[0] for kind in kinds]
    if given not in wanted:
        text = Text(f"请写 Content-Type: {' 或 '.join(wanted)}。", f"Send `Content-Type: {'` or `'.join(wanted)}`.")
        raise Problem("unsupported_media_type", text)
    return await read_whole(request, MOST_BYTES_OF_A_FILE)


def takes_file(kinds: Iterable[str], *headers: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` for a route that takes a file."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}, "parameters": list(headers)}


def parse(model: type[Model], body: bytes) -> Model:
    """Raises `malformed_json`, `too_complex`, or `validation_failed` with the faults."""
    refuse_what_readers_differ_on(body)
    return validated(model, body)


def validated(model: type[Model], body: bytes) -> Model:
    """Of JSON that is ours, or was looked at as a whole. Raises as `parse` does."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
    if faults[0]["type"] == "json_invalid":
        raise Problem("malformed_json")
    listed = [_field_error(fault) for fault in faults[:MOST_ERRORS]]
    raise invalid(*listed, unlisted=len(faults) - len(listed))


def refuse_what_readers_differ_on(body: bytes) -> None:
    """Depth without end, values without number, a key twice: JSON leaves open what becomes of them. What is no JSON at
    all is left to the validation."""
    if body.count(b"{") + body.count(b"[") > MOST_LEVELS and not _is_shallow(_STRING.sub(b"", body)):
        raise Problem("too_complex")
    may_hold_too_many = len(body) > MOST_VALUES and body.count(b",") > MOST_VALUES
    if may_hold_too_many and _STRING.sub(b"", body).count(b",") > MOST_VALUES:
        raise Problem("too_complex")
    if b"\\" not in body and _is_read_whole(body):
        return
    try:
        _READER.decode(body.decode())
    except (ValueError, RecursionError):
        return


def _is_read_whole(body: bytes) -> bool:
    """Whether as many strings come out of it as stand in it: a key that stands twice would come out once. Of a body whose
    strings escape nothing: in others quotation marks are no measure."""
    try:
        return to_json(from_json(body)).count(b'"') == body.count(b'"')
    except ValueError:
        return False


def _is_shallow(without_strings: bytes) -> bool:
    brackets = without_strings.translate(None, _BUT_BRACKETS)
    for _ in range(MOST_LEVELS):
        brackets = _INNERMOST.sub(b"", brackets)
    return not brackets or not _INNERMOST.search(brackets)


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) == len(pairs):
        return
    ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
    shown = json.dumps(twice[:64], ensure_ascii=True)
    text = Text(f"同一对象中 {shown} 出现两次,请只写一次。", f"{shown} stands twice in one object; write it once.")
    raise Problem("malformed_json", text)


_READER = json.JSONDecoder(object_pairs_hook=_each_once)


def answer(content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = content if isinstance(content, bytes) else to_json(content)
    return Response(body, status_code, headers, media_type="application/json")


def takes(model: type[BaseModel], *headers: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` for a route that reads `model` itself; `main` puts the model among the components."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}}
    return {**body, "parameters": list(headers)} if headers else body


def takes_either(model: type[BaseModel], kinds: Iterable[str], *headers: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` for a route that takes a model or a file."""
    either = takes(model, *headers)
    either["requestBody"]["content"] |= takes_file(kinds)["requestBody"]["content"]
    return either


def repeat_of(request: Request, key: Key, body: bytes) -> Repeat | None:
    """What the call's Idempotency-Key, if there is one, is kept as. Raises `malformed_header`."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    if not _KEY_SHAPE.fullmatch(given):
        raise Problem(
            "malformed_header",
            Text(
                "Idempotency-Key 应为 1 到 200 个可见的 ASCII 字符。",
                "Idempotency-Key is 1 to 200 visible ASCII characters.",
            ),
        )
    return Repeat.of(office_of(request).secret, key, given, request.scope["path"], body)


def iso_day(written: Any) -> Any:
    """A parameter that is a day; a number would be taken for seconds since 1970."""
    if isinstance(written, str) and not _DAY_SHAPE.fullmatch(written):
        raise PydanticCustomError("date_parsing", "no date")
    return written


Day = Annotated[date, BeforeValidator(iso_day)]


def parameter_errors(faults: list[Any]) -> Problem:
    """Faults of path, query and header parameters, as FastAPI tells them."""
    return invalid(*(_field_error({**fault, "loc": fault["loc"][1:]}, separator="") for fault in faults))


def _too_large(most: int) -> Problem:
    text = Text(f"正文不得超过 {most // 1024} KiB。", f"The body may have at most {most // 1024} KiB.")
    return Problem("body_too_large", text, headers={"Connection": "close"})


def _field_error(fault: ErrorDetails | Any, separator: str = "/") -> FieldError:
    pointer = "".join(f"{separator}{_escaped(part)}" for part in fault["loc"])
    context = dict(fault.get("ctx") or {})
    kind = str(fault["type"])
    if kind == "callback_fields_missing":
        pointer = f"/data/{context['first']}"
    zh, en = _SENTENCES.get(kind, _OTHERWISE)
    return FieldError(pointer, kind, Text(zh.format_map(_Blank(context)), en.format_map(_Blank(context))))


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


_OTHERWISE = ("此项填写有误,请对照接口说明。", "This field is wrong; compare it with the API's description.")
_SENTENCES: dict[str, tuple[str, str]] = {
    "missing": ("此项必填。", "This field is required."),
    "extra_forbidden": (
        "没有这个字段,请检查拼写或删去。",
        "There is no such field; check its spelling or leave it out.",
    ),
    "model_type": ("应为 JSON 对象。", "This must be a JSON object."),
    "model_attributes_type": ("应为 JSON 对象。", "This must be a JSON object."),
    "dict_type": ("应为 JSON 对象。", "This must be a JSON object."),
    "string_type": ("应为文本。", "This must be text."),
    "string_too_short": ("至少 {min_length} 个字。", "Write at least {min_length} character(s)."),
    "string_too_long": ("最多 {max_length} 个字。", "Write at most {max_length} characters."),
    "string_pattern_mismatch": (
        "格式不对,应符合 {pattern};不得含控制字符。",
        "The form is wrong: it must match {pattern}; control characters are refused.",
    ),
    "string_unicode": ("不是有效的 Unicode 文本。", "This is not valid Unicode text."),
    "enum": ("应为以下之一:{expected}。", "Write one of {expected}."),
    "literal_error": ("应为以下之一:{expected}。", "Write one of {expected}."),
    "int_type": ("应为整数。", "This must be a whole number."),
    "int_parsing": ("应为整数。", "This must be a whole number."),
    "int_from_float": ("应为整数,没有小数。", "This must be a whole number without a fraction."),
    "int_parsing_size": ("数字过大。", "The number is too large."),
    "greater_than_equal": ("不得小于 {ge}。", "This must be at least {ge}."),
    "less_than_equal": ("不得大于 {le}。", "This must be at most {le}."),
    "list_type": ("应为列表。", "This must be a list."),
    "too_long": (
        "最多 {max_length} 项,现有 {actual_length} 项。",
        "At most {max_length} items; there are {actual_length}.",
    ),
    "too_short": ("至少 {min_length} 项。", "Give at least {min_length} item(s)."),
    "date_type": ("应为日期,如 1950-01-31。", "Write a date such as 1950-01-31."),
    "date_parsing": ("应为日期,如 1950-01-31。", "Write a date such as 1950-01-31."),
    "date_from_datetime_parsing": ("应为日期,如 1950-01-31。", "Write a date such as 1950-01-31."),
    "date_from_datetime_inexact": ("应为日期,如 1950-01-31。", "Write a date such as 1950-01-31."),
    "datetime_type": (
        "应为带时区的时间,如 2026-11-23T08:00:00Z。",
        "Write a time with its zone: 2026-11-23T08:00:00Z.",
    ),
    "datetime_parsing": (
        "应为带时区的时间,如 2026-11-23T08:00:00Z。",
        "Write a time with its zone: 2026-11-23T08:00:00Z.",
    ),
    "datetime_from_date_parsing": (
        "应为带时区的时间,如 2026-11-23T08:00:00Z。",
        "Write a time with its zone: 2026-11-23T08:00:00Z.",
    ),
    "timezone_aware": ("时间须带时区,如末尾加 Z。", "The time needs its zone; end it with Z for UTC."),
    "implausible_time": ("年份应在 1900 到 2200 之间。", "The year must be between 1900 and 2200."),
    "uuid_type": ("应为 UUID。", "This must be a UUID."),
    "uuid_parsing": ("应为 UUID。", "This must be a UUID."),
    "materials_missing_is_no_ground": (
        "材料不全不能退回;请发 handoff.information_requested,一次告知所缺的全部材料。",
        "Missing materials are no ground for a return: send handoff.information_requested and say all that is missing.",
    ),
    "agency_or_department": ("请给 agency 或 department 之一。", "Give either `agency` or `department`."),
    "agency_of_a_handoff": ("agency 须与 handoff_id 同用。", "`agency` goes with a `handoff_id`."),
    "outcome_fields_missing": ("{decision} 需要 {field}。", "{decision} needs {field}."),
    "empty_supplement": ("请填写材料、情况或说明中的至少一项。", "Give materials, facts or a note."),
    "bool_type": ("应为 true 或 false。", "Write true or false."),
    "certificate_without_key": ("客户端证书与私钥须一并给出。", "Give a certificate together with its key."),
    "network_malformed": (
        "应为网络地址,如 10.36.8.0/24。",
        "Write a network such as 10.36.8.0/24, the bits after its length zero.",
    ),
    "nowhere": ("请说明地点:where 或 division_code。", "Say where it is: `where` or `division_code`."),
    "float_type": ("应为数字。", "This must be a number."),
    "finite_number": ("应为有限的数字。", "This must be a finite number."),
    "replay_of_what": ("请给 last 或 cases 之一。", "Give either `last` or `cases`."),
    "look_up_by_what": ("请给证件号码或电话,二者之一。", "Give either `id_number` or `phone`."),
    "callback_fields_missing": ("{type} 需要 data.{field}。", "{type} needs data.{field}."),
}
