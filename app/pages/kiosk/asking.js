// A question: its heading, what may be chosen or written, and ways back and past it.
import { cardAsked } from "/kiosk/card.js";
import { papersAsked } from "/kiosk/camera.js";
import { button, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { asked, question } from "/kiosk/questions.js";
import { say } from "/kiosk/speaking.js";
import { _, inARow } from "/kiosk/texts.js";
import { dated, typed } from "/kiosk/typing.js";

const KINDS = { choice: chosen, choices: several, card: cardAsked, papers: papersAsked, date: dated };

export function questionScreen(desk, id) {
  const asking = question(id, desk.visit, desk.device.pack);
  const made = (KINDS[asking.kind] ?? typed)(desk, id, asking);
  const ids = asked(desk.visit, desk.device.pack);
  const progress = _("第 {at} 题，共 {all} 题", { at: ids.indexOf(id) + 1, all: Math.max(ids.length, 2) });
  const skip = asking.skip && button({ id: "skip", onclick: () => desk.answer(id, asking, null) }, asking.skip);
  return {
    ...made,
    title: asking.title,
    hint: asking.hint,
    say: made.say || (asking.choices && inARow(asking.choices.map((each) => each.label))),
    name: `question asks-${asking.kind}`,
    above: [element("p", { class: "progress" }, progress), ...(made.above ?? [])],
    body: [
      asking.hint && element("p", { class: "hint" }, asking.hint),
      ...made.body,
      element("div", { class: "ways" }, button({ id: "back", onclick: desk.back }, picture("back"), _("返回")), skip),
    ],
  };
}

/** One of several: a touch chooses and goes on. */
function chosen(desk, id, asking) {
  const given = asking.value(desk.visit);
  const choose = (each) =>
    button(
      { class: "choice", "aria-pressed": String(each.value === given), onclick: () => desk.answer(id, asking, each.value) },
      each.picture && picture(each.picture),
      element("span", {}, each.label),
    );
  return { body: [list(asking, asking.choices.map(choose))] };
}

/** Any number of them: a touch chooses, another takes it back. */
function several(desk, id, asking) {
  const given = new Set(asking.value(desk.visit) ?? []);
  const wrong = element("div", { class: "summary", role: "alert", tabindex: "-1", id: "choice-wrong", hidden: true });
  const choose = (each) => {
    const turn = () => {
      if (!given.delete(each.value)) given.add(each.value);
      made.setAttribute("aria-pressed", String(given.has(each.value)));
    };
    const given_ = { class: "choice", id: `choice-${each.value}`, "aria-pressed": String(given.has(each.value)), onclick: turn };
    const made = button(given_, each.picture && picture(each.picture), element("span", {}, each.label));
    return made;
  };
  const buttons = asking.choices.map(choose);
  const go = () => {
    if (given.size || !asking.missing) return desk.answer(id, asking, asking.choices.map((each) => each.value).filter((one) => given.has(one)));
    const first = element("a", { href: `#${buttons[0].id}` }, asking.missing);
    first.addEventListener("click", (event) => {
      event.preventDefault();
      buttons[0].focus();
    });
    wrong.replaceChildren(element("h2", {}, _("有个地方要改")), element("p", {}, first));
    wrong.hidden = false;
    group.setAttribute("aria-describedby", wrong.id);
    wrong.focus();
    return say("wrong", asking.missing);
  };
  const group = list(asking, buttons);
  return { above: [wrong], body: [group, button({ id: "go", class: "go", onclick: go }, _("继续"))] };
}

function list(asking, buttons) {
  const kind = asking.choices.some((each) => each.picture) ? "choices pictured" : "choices";
  return element("div", { class: kind, role: "group", "aria-labelledby": "heading" }, ...buttons);
}
