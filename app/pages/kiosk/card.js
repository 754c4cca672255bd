// The identity card: held to a reader that types like a keyboard, written by hand, or not there.
import { today } from "/kiosk/device.js";
import { Burst, normalised, readCard } from "/kiosk/identity.js";
import { button, element } from "/kiosk/element.js";
import { keypad } from "/kiosk/keypad.js";
import { picture } from "/kiosk/pictures.js";
import { fault } from "/kiosk/questions.js";
import { _ } from "/kiosk/texts.js";
import { written } from "/kiosk/typing.js";

export function cardAsked(desk, id, asking) {
  const given = written({ label: _("身份证号"), longest: 40, numeric: true, value: asking.value(desk.visit) ?? "" });
  const take = (text) => {
    const read = readCard(text);
    const number = read?.number ?? normalised(text);
    const wrong = fault("card", number, today());
    if (wrong) return given.refuse(wrong);
    desk.visit.nameFromCard = Boolean(read?.name);
    if (read?.name) desk.visit.name = read.name;
    return desk.answer(id, asking, number);
  };
  const submit = (event) => {
    event.preventDefault();
    take(given.field.value);
  };
  const burst = new Burst();
  // Before any button hears of it: a reader's Enter presses nothing.
  const listen = (event) => {
    const whole = burst.key(event.key, event.timeStamp);
    if (whole === null) return;
    event.preventDefault();
    event.stopPropagation();
    take(whole);
  };
  document.addEventListener("keydown", listen, true);
  const go = button({ type: "submit", class: "go" }, _("继续"));
  return {
    above: [given.summary],
    body: [
      element("p", { class: "card-hint" }, picture("card"), element("span", {}, _("把身份证放在读卡处；也可以按下面的数字键。"))),
      element("form", { novalidate: true, onsubmit: submit }, given.row, keypad(given.field, { more: "X", longest: 18 }), go),
    ],
    leave: () => document.removeEventListener("keydown", listen, true),
  };
}
