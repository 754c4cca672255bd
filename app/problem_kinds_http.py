"""What a kind of error is; and those of what can't be read at all, before anybody looks at what it asks for."""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """One sentence for a person, in both languages."""

    zh: str
    en: str

    def pick(self, language: str) -> str:
        return self.en if language == "en" else self.zh


class Kind(NamedTuple):
    status: int
    title: Text
    advice: Text


HTTP_KINDS: dict[str, Kind] = {
    "malformed_http": Kind(
        400,
        Text("不是有效的 HTTP 请求", "This is not a valid HTTP request"),
        Text("请检查请求行、请求头和分块编码。", "Check the request line, the headers and the chunks."),
    ),
    "head_too_large": Kind(
        431,
        Text("请求地址或请求头过长", "The address or the headers are too long"),
        Text(
            "地址不得超过 8 KiB,请求头不得超过 32 KiB、100 项。",
            "An address may have 8 KiB, the headers 32 KiB in 100 lines.",
        ),
    ),
    "too_complex": Kind(
        400,
        Text("JSON 嵌套过深或项目过多", "The JSON is nested too deeply or holds too many values"),
        Text("嵌套不得超过 32 层,值不得超过 20,000 个。", "Nest at most 32 levels, and give at most 20,000 values."),
    ),
    "malformed_json": Kind(
        400,
        Text("正文不是有效的 JSON", "The body is not valid JSON"),
        Text("请发送 UTF-8 编码的 JSON 对象。", "Send one JSON object in UTF-8."),
    ),
    "malformed_header": Kind(
        400,
        Text("请求头格式不对", "A header is malformed"),
        Text("请按说明改正所指的请求头。", "Correct the header that the detail names."),
    ),
}
