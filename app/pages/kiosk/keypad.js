import { button, element } from "/kiosk/element.js";
import { _ } from "/kiosk/texts.js";

/** Big keys that write into `field`; `more` is a key beside the digits (".", "X"), `longest` how much fits. */
export function keypad(field, { more, longest = 20 } = {}) {
  const write = (key) => () => {
    if (field.value.length < longest) field.value += key;
    changed(field);
  };
  const erase = () => {
    field.value = field.value.slice(0, -1);
    changed(field);
  };
  const digits = [..."123456789"].map((digit) => button({ class: "key", onclick: write(digit) }, digit));
  const last = [
    more ? button({ class: "key", onclick: write(more) }, more) : element("span"),
    button({ class: "key", onclick: write("0") }, "0"),
    button({ class: "key", "aria-label": _("删掉一位"), onclick: erase }, "⌫"),
  ];
  return element("div", { class: "keypad", role: "group", "aria-label": _("数字键") }, ...digits, ...last);
}

function changed(field) {
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
