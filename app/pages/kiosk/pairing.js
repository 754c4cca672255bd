import { pair } from "/kiosk/device.js";
import { button, element } from "/kiosk/element.js";
import { keypad } from "/kiosk/keypad.js";
import { written } from "/kiosk/typing.js";
import { sendNow } from "/kiosk/queue.js";
import { _ } from "/kiosk/texts.js";

const CODE = /^[0-9]{8}$/;

export function pairingScreen(desk) {
  const hint = _("工作人员在“自助机”页面上读出 8 位配对码，请在这里输入。");
  const wrong = {
    refused: () => _("配对码不对或已过期，请工作人员再给一个。"),
    too_many: () => _("输错太多次，请过一会儿再试。"),
    away: () => _("现在连不上，请检查网络后再试。"),
  };
  const given = written({ label: _("配对码"), longest: 8, numeric: true });
  const go = button({ type: "submit", class: "go" }, _("配对"));
  const submit = async (event) => {
    event.preventDefault();
    const code = given.field.value.replace(/\s/g, "");
    if (!CODE.test(code)) return given.refuse(_("配对码是 8 位数字。"));
    go.disabled = true;
    const why = await pair(code);
    go.disabled = false;
    if (why) return given.refuse(wrong[why]());
    desk.wipe();
    return sendNow();
  };
  const form = element("form", { novalidate: true, onsubmit: submit }, given.row, keypad(given.field, { longest: 8 }), go);
  const leaving = desk.device.pack ? [button({ onclick: () => desk.wipe() }, _("返回"))] : [];
  return { title: _("配对这台机器"), hint, body: [given.summary, element("p", { class: "hint" }, hint), form, ...leaving] };
}
