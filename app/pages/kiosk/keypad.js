import { button, element } from "/kiosk/element.js";
import { _ } from "/kiosk/texts.js";

/** Big keys that write into `field`, or into the one of several that `field(step)` says (step: 1 on, -1 back); `more` is a
 * key beside the digits (".", "X"), `longest` how much fits. */
export function keypad(field, { more, longest = 20 } = {}) {
  const into = typeof field === "function" ? field : () => field;
  const write = (key) => () => {
    const one = into(1);
    if (one.value.length < Math.min(longest, one.maxLength)) one.value += key;
    changed(one);
  };
  const erase = () => {
    const one = into(-1);
    one.value = one.value.slice(0, -1);
    changed(one);
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
