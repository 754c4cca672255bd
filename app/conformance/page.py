"""The report as one HTML page, in Chinese and English, with nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import groupby

from app.conformance.case import Outcome, Report, Result
from app.conformance.report import LABELS, WORDS
from app.deadlines import CHINA
from app.problems import Text

_STYLE = """
body { font: 16px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; color: #1b1b1b; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.en { color: #4a4a4a; } h1 .en, h2 .en { font-weight: 400; }
.verdict { padding: .8rem 1rem; border-left: .4rem solid; }
.case { border-top: 1px solid #ccc; padding: .6rem 0; break-inside: avoid; }
.case > p { margin: 0; display: grid; grid-template-columns: 2.5rem 9rem 1fr; }
.word { font-weight: 600; }
.passed .word { color: #14622a; } .failed .word { color: #a4161a; } .skipped .word { color: #5b5b5b; }
.verdict.passed { border-color: #14622a; background: #eef7f0; } .verdict.failed { border-color: #a4161a; background: #fdeeee; }
dl { display: grid; grid-template-columns: 9rem 1fr; margin: .4rem 0 .4rem 2.5rem; font-size: .93rem; }
dd { margin: 0 0 .3rem; overflow-wrap: anywhere; } dt { color: #4a4a4a; }
summary { cursor: pointer; margin-left: 2.5rem; font-size: .9rem; color: #4a4a4a; }
@media (max-width: 40rem) { .case > p, dl { grid-template-columns: 1fr; } dl, summary { margin-left: 0; } }
"""


def page(report: Report) -> str:
    title = Text("一门受理:部门接口自测报告", "One Window: conformance of a department's endpoint")
    played_at = report.began_at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
    chapters = [
        f"<h2>{_both(name)}</h2>\n" + "\n".join(_case(each) for each in results)
        for name, results in groupby(report.results, key=lambda each: each.chapter)
    ]
    return f"""<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title.zh)} {escape(title.en)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{_both(title)}</h1>
<p>{escape(report.endpoint)}<br>{played_at} (UTC+8), {report.seconds:.1f} s</p>
<p class="verdict {"failed" if report.failed else "passed"}">{_both(report.verdict)}</p>
{"".join(chapters)}
</main>
</body>
</html>
"""


def _case(result: Result) -> str:
    case = result.case
    told = {"sent": [case.sent], "expected": [case.expected], "came": result.came, "advice": [case.advice]}
    listed = "".join(f"<dt>{_both(LABELS[part])}</dt><dd>{_lines(texts)}</dd>" for part, texts in told.items() if texts)
    details = f"<dl>{listed}</dl>"
    if result.outcome is not Outcome.FAILED:
        summary = _both(Text("发送与应答", "what was sent and what came"))
        details = f"<details><summary>{summary}</summary>{details}</details>"
    return (
        f'<section class="case {result.outcome}"><p><span>{case.number}</span>'
        f'<span class="word">{_both(WORDS[result.outcome])}</span><span>{_both(case.name)}</span></p>{details}</section>'
    )


def _lines(texts: Iterable[Text]) -> str:
    return "<br>".join(_both(each) for each in texts)


def _both(text: Text) -> str:
    if text.zh == text.en:
        return escape(text.zh)
    return f'{escape(text.zh)} <span class="en" lang="en">{escape(text.en)}</span>'
