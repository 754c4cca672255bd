import { button, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { sendAgain, toldOfNumbers } from "/kiosk/queue.js";
import { turnVoice, voiceName } from "/kiosk/speaking.js";
import { _, inARow } from "/kiosk/texts.js";
import { printsByItself, setPrinting } from "/kiosk/receipt.js";

export function startScreen(desk) {
  const { refused } = desk.device;
  const stopped = _("这台机器已停用，请到窗口办理。");
  const begin = button({ id: "begin", class: "go begin", onclick: () => desk.show("who") }, picture("helper"), _("开始求助"));
  const hint = refused ? stopped : _("有什么难处，都可以在这里说。按一下“开始求助”。");
  const voiced = () => {
    turnVoice();
    desk.show("start", { focus: "voice" });
  };
  const body = [
    refused ? element("p", { class: "summary", role: "alert" }, stopped) : element("p", { class: "hint" }, hint),
    !refused && begin,
    !refused && element("p", {}, _("会问几个问题，一次一个，不着急。不清楚的可以不答。")),
    button({ id: "voice", onclick: voiced }, picture("sound"), _("声音：{voice}", { voice: voiceName() })),
    forClerks(desk),
  ];
  return { title: _("遇到难处，来这里说"), hint, body };
}

/** What the machine has to tell a clerk, as it is when it is opened. */
function forClerks(desk) {
  const inside = element("div");
  const toggle = ({ target }) => target.open && inside.replaceChildren(...told(desk));
  return element("details", { class: "clerks", "aria-labelledby": "clerks", ontoggle: toggle }, element("summary", { id: "clerks" }, _("工作人员")), inside);
}

function told(desk) {
  const { device, line } = desk;
  const state = _("{name}：待发送 {waiting} 件，需要处理 {aside} 件，备用编号 {numbers} 个。", {
    ...{ name: device.pack.name, waiting: line.waiting, aside: line.aside, numbers: device.numbers },
  });
  const printing = button({ id: "printing", "aria-pressed": String(printsByItself()) }, _("自动打印凭条"));
  printing.addEventListener("click", async () => {
    await setPrinting(!printsByItself());
    printing.setAttribute("aria-pressed", String(printsByItself()));
  });
  const done = button({ onclick: () => toldOfNumbers().then(() => desk.show("start")) }, _("已经告诉本人"));
  const numbers = _("这些求助有了新编号，请告诉本人：{numbers}", { numbers: inARow(line.replaced) });
  return [
    element("p", {}, state),
    ...(line.replaced.length ? [element("p", {}, numbers), done] : []),
    button({ onclick: () => sendAgain() }, _("再发送一次")),
    printing,
    button({ onclick: () => desk.show("pairing") }, _("重新配对")),
  ];
}
