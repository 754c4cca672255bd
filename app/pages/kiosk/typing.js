// A field to write in, and what is wrong with what was written: said above, linked to the field, and beside it.
import { today } from "/kiosk/device.js";
import { button, element } from "/kiosk/element.js";
import { keypad } from "/kiosk/keypad.js";
import { fault, localDay } from "/kiosk/questions.js";
import { say } from "/kiosk/speaking.js";
import { _ } from "/kiosk/texts.js";

/** {row, field, beside, summary, refuse(sentence)}; `summary` belongs above the form. */
export function written({ label, longest, numeric, value = "", lines = false, id = "field" }) {
  const more = lines ? { rows: "5" } : { type: "text", inputmode: numeric ? "none" : "text" };
  const field = element(lines ? "textarea" : "input", {
    ...{ id, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: String(longest) },
    ...more,
  });
  field.value = value;
  const beside = element("p", { id: `${id}-wrong`, class: "wrong", hidden: true });
  const summary = element("div", { class: "summary", role: "alert", tabindex: "-1", id: `${id}-summary`, hidden: true });
  const refuse = (sentence) => {
    const link = element("a", { href: `#${id}`, onclick: toField }, sentence);
    summary.replaceChildren(element("h2", {}, _("有个地方要改")), element("p", {}, link));
    summary.hidden = beside.hidden = false;
    beside.textContent = sentence;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", beside.id);
    summary.focus();
    summary.scrollIntoView({ block: "nearest" });
    say("wrong", sentence);
  };
  // A link that moves the focus and leaves the address as it is.
  function toField(event) {
    event.preventDefault();
    field.focus();
  }
  const row = element("div", { class: "row" }, element("label", { for: id }, label), beside, field);
  return { row, field, beside, summary, refuse };
}

const LABELS = {
  text: () => _("名字"),
  words: () => _("您的话"),
  phone: () => _("电话号码"),
  money: () => _("多少元"),
  number: () => _("数字"),
};
const LONGEST = { text: 40, words: 1000, phone: 13, money: 13, number: 4 };

/** What a text, a number, a sum or a telephone is written in. Answers {body, shown?}. */
export function typed(desk, id, question) {
  const { kind } = question;
  const numeric = ["phone", "money", "number"].includes(kind);
  const given = written({
    ...{ label: LABELS[kind](), longest: LONGEST[kind], numeric, lines: kind === "words" },
    value: String(question.value(desk.visit) ?? ""),
  });
  const submit = (event) => {
    event.preventDefault();
    const value = numeric ? given.field.value.replace(/\s/g, "") : given.field.value.trim();
    const wrong = fault(kind, value, today(), question.bounds);
    if (wrong) given.refuse(wrong);
    else desk.answer(id, question, kind === "number" ? Number(value) : value);
  };
  const keys = numeric && keypad(given.field, { more: kind === "money" ? "." : undefined, longest: LONGEST[kind] });
  return { above: [given.summary], body: [form(submit, given.row, keys)] };
}

/** A day, in three fields or, if it is a recent one, by a button for the last few. */
export function dated(desk, id, question) {
  const [year, month, day] = (question.value(desk.visit) ?? "").split("-");
  const part = (name, label, longest, value) => written({ id: name, label, longest, numeric: true, value });
  const fields = [
    part("year", _("年"), 4, year),
    part("month", _("月"), 2, month),
    part("day", _("日"), 2, day),
  ];
  const into = inTurn(fields.map(({ field }) => field));
  const submit = (event) => {
    event.preventDefault();
    const [y, m, d] = fields.map(({ field }) => field.value.trim());
    const value = `${y}-${m.padStart(2, "0")}-${d.padStart(2, "0")}`;
    const wrong = fault("date", value, today());
    if (wrong) fields[0].refuse(wrong);
    else desk.answer(id, question, value);
  };
  const ago = (days) => () => desk.answer(id, question, localDay(new Date(today() - days * 86_400_000)));
  const quick = [_("今天"), _("昨天"), _("前天")].map((label, days) => button({ class: "choice", onclick: ago(days) }, label));
  // What is wrong is about the three of them, and needs their width.
  const rows = [fields[0].beside, element("div", { class: "date", role: "group", "aria-labelledby": "heading" }, ...fields.map(({ row }) => row))];
  const few = question.isRecent && element("div", { class: "choices few" }, ...quick);
  return { above: [fields[0].summary], body: [few, form(submit, ...rows, keypad(into))] };
}

/** Which of several fields the keys write in: the one that was touched last, or the next when it is full, or, to erase, the
 * one before when it is empty. It is marked. */
function inTurn(fields) {
  let at = 0;
  const turn = (to) => {
    at = to;
    fields.forEach((field, one) => field.classList.toggle("into", one === at));
  };
  fields.forEach((field, one) => field.addEventListener("focus", () => turn(one)));
  turn(0);
  return (step) => {
    const isDone = ({ value, maxLength }) => (step > 0 ? value.length >= maxLength : !value);
    while (fields[at + step] && isDone(fields[at])) turn(at + step);
    return fields[at];
  };
}

function form(submit, ...inside) {
  return element("form", { novalidate: true, onsubmit: submit }, ...inside, button({ type: "submit", class: "go" }, _("继续")));
}
