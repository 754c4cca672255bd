"""The report as text, line by line, and as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from app.conformance.case import Outcome, Report, Result
from app.problems import Text

WORDS = {
    Outcome.PASSED: Text("通过", "passed"),
    Outcome.FAILED: Text("未通过", "FAILED"),
    Outcome.SKIPPED: Text("未测", "skipped"),
}
LABELS = {
    "sent": Text("发送", "sent"),
    "expected": Text("应为", "expected"),
    "came": Text("实际", "came back"),
    "advice": Text("办法", "what to do"),
}


def lines(result: Result) -> Iterator[str]:
    """One line for a case that passed; what, why and what to do for one that did not."""
    word, case = WORDS[result.outcome], result.case
    yield f"{case.number:>3}  {word.zh} {word.en:<8} {case.name.zh} · {case.name.en}"
    if result.outcome is Outcome.SKIPPED:
        yield from (f"       {each.zh} · {each.en}" for each in result.came)
    elif result.outcome is Outcome.FAILED:
        yield from (f"       {line}" for line in _explained(result))


def summary(report: Report) -> str:
    return f"{report.verdict.zh} · {report.verdict.en}, in {report.seconds:.1f} s"


def junit(report: Report) -> bytes:
    """JUnit XML, as continuous integration reads it."""
    counts = {"tests": len(report.results), "failures": report.count(Outcome.FAILED)}
    counts |= {"errors": 0, "skipped": report.count(Outcome.SKIPPED)}
    suite = ElementTree.Element(
        "testsuite",
        {name: str(count) for name, count in counts.items()},
        name="one-window conformance",
        timestamp=report.began_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        time=f"{report.seconds:.3f}",
        hostname=report.endpoint,
    )
    for result in report.results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=result.chapter.en,
            name=f"{result.case.number} {result.case.name.en} {result.case.name.zh}",
            time=f"{result.seconds:.3f}",
        )
        if result.outcome is Outcome.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=result.came[-1].en)
        elif result.outcome is Outcome.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=result.came[-1].en, type="conformance")
            failure.text = "\n".join(_explained(result))
    whole = ElementTree.Element("testsuites")
    whole.append(suite)
    ElementTree.indent(whole)
    document: bytes = ElementTree.tostring(whole, encoding="utf-8", xml_declaration=True)
    return document


def _explained(result: Result) -> Iterator[str]:
    case = result.case
    told = {"sent": [case.sent], "expected": [case.expected], "came": result.came, "advice": [case.advice]}
    for part, texts in told.items():
        label = LABELS[part]
        for text in texts:
            both = text.zh if text.zh == text.en else f"{text.zh} · {text.en}"
            yield f"{label.zh} {label.en}: {both}"
