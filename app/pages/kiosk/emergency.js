// The red button: the second touch says what it is and sends it. The telephone numbers are there before and after.
import { button, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { clock, numbered, onlyAsked, printOnce, state, ways, whom } from "/kiosk/receipt.js";
import { _, inLanguage } from "/kiosk/texts.js";
import { emergencies, hotlines } from "/kiosk/words.js";

export function emergencyScreen(desk) {
  const { pack } = desk.device;
  const wrong = element("p", { class: "summary", role: "alert", hidden: true }, _("没能发出，请马上打电话，叫工作人员。"));
  const raise = ({ value, chinese }) => async () => {
    try {
      await desk.raise(value, chinese);
    } catch {
      wrong.hidden = false;
    }
  };
  const choose = (each) =>
    button({ class: "choice", onclick: raise(each) }, picture(each.picture), element("span", {}, each.label));
  const cut = !navigator.onLine || desk.device.away || desk.device.refused;
  const sent = cut ? _("现在送不出去：请马上打电话，叫工作人员！") : _("按一下就发出去，会马上有人打电话或赶过来。");
  const hint = pack ? sent : _("这台机器还没有启用，请打电话。");
  const choices = element("div", { class: "choices pictured", role: "group", "aria-labelledby": "heading" }, ...emergencies().map(choose));
  return {
    title: _("出了什么急事？"),
    hint,
    name: "emergency",
    body: [
      wrong,
      element("p", { class: cut ? "summary" : "hint" }, hint),
      pack && choices,
      element("div", { class: "ways" }, button({ id: "back", onclick: desk.back }, picture("back"), _("返回"))),
      numbers(pack),
    ],
  };
}

export function alarmScreen(desk) {
  const { receipt } = desk;
  const { pack } = desk.device;
  const advice = pack.dangers?.find((each) => each.kind === receipt.kind)?.advice ?? [];
  const away = !receipt.sent && (receipt.failed || !navigator.onLine);
  const hint = away ? _("还没送到：请马上打电话，叫工作人员！") : _("有生命危险，请同时打电话。");
  const onItsWay = away ? _("急难求助还没有送到") : _("急难求助正在发出");
  const unlessDelicate = (name) => `${name}${receipt.isDelicate ? " unprinted" : ""}`;
  return {
    title: receipt.sent ? _("急难求助已经送到") : onItsWay,
    hint,
    say: !receipt.isDelicate && advice.map((each) => inLanguage(each)).join(""),
    name: receipt.isDelicate ? "alarm brief" : "alarm",
    body: [
      element("p", { class: away ? "summary" : unlessDelicate("hint") }, hint),
      receipt.isDelicate && element("p", { class: "printed" }, _("已经收下您的求助")),
      element("div", { class: unlessDelicate("") }, numbers(pack)),
      ...onlyAsked(receipt, [element("ul", { class: "advice" }, ...advice.map((each) => element("li", {}, inLanguage(each))))]),
      element("p", { class: "sent", role: "status" }, element("span", {}, state(receipt))),
      ...numbered(receipt),
      ...whom(pack),
      element("p", { class: unlessDelicate("") }, _("按错了，也请打这个电话说一声。")),
      element("p", { class: "when" }, `${pack.county_name}${pack.division_name} · ${clock(receipt.at)}`),
      ...ways(desk),
    ],
    shown: () => printOnce(receipt),
  };
}

function numbers(pack) {
  const county = pack?.coordinator_phone ? [{ number: pack.coordinator_phone, label: _("县协调员") }] : [];
  const lines = [...hotlines(), ...county].map(({ number, label }) =>
    element("li", {}, picture("phone"), element("strong", {}, String(number)), " ", label));
  return element("ul", { class: "numbers" }, ...lines);
}
