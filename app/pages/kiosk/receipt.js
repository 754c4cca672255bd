// The receipt, on the screen and on a strip of 80 mm: number, code, what comes next, by when, whose telephone.
import { device } from "/kiosk/device.js";
import { button, drawing, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { remember, remembered } from "/kiosk/store.js";
import { _, inARow, inLanguage } from "/kiosk/texts.js";

let printing = false;
remembered("printing").then((kept) => (printing = Boolean(kept)), () => null);

export const printsByItself = () => printing;

export async function setPrinting(on) {
  printing = on;
  await remember("printing", on);
}

export function receiptScreen(desk) {
  const { receipt } = desk;
  const { pack } = desk.device;
  const hint = receipt.number ? _("请拍下或打印这张凭条。凭编号可以查办到哪里了。") : _("已经记下了。");
  const body = [
    element("p", { class: "sent", role: "status" }, picture("done"), element("span", {}, state(receipt))),
    ...numbered(receipt),
    element("p", { class: "hint" }, hint),
    element("h2", {}, _("接下来")),
    ...(receipt.isDelicate ? [element("p", {}, _("承办单位会与您联系。"))] : []),
    ...onlyAsked(receipt, next(receipt, pack)),
    element("p", {}, _("需要查收入、财产的，乡镇会先当面问您同不同意；在这里没有替您同意任何事。")),
    receipt.photos > 0 && !receipt.isDelicate && element("p", {}, _("拍的材料 {number} 张，随后送到。", { number: receipt.photos })),
    ...whom(pack),
    element("p", { class: "when" }, `${pack.county_name}${pack.division_name} · ${clock(receipt.at)}`),
    ...ways(desk),
  ];
  return {
    title: _("已经收下您的求助"),
    hint: receipt.number ? [_("编号"), receipt.number.receipt_number_spoken].join(" ") : hint,
    name: "receipt",
    body,
    shown: () => printOnce(receipt),
  };
}

/** By itself where a clerk said so: once, and again when another number stands on it: the slip before is void. */
export function printOnce(receipt) {
  const number = receipt.number?.receipt_number_spoken ?? "";
  if (printing && receipt.printed !== number) setTimeout(() => window.print());
  receipt.printed = number;
}

export function ways(desk) {
  const printed = button({ id: "print", onclick: () => window.print() }, picture("print"), _("打印凭条"));
  return [element("div", { class: "ways" }, printed, button({ id: "over", class: "go", onclick: desk.wipe }, _("办完了，清空")))];
}

export function state(receipt) {
  if (receipt.sent) return _("已经送到。");
  if (device.refused) return _("已经在这台机器上存好，但这台机器已停用：请到窗口说一声。");
  return _("已经在这台机器上存好，有网络就自动送出。");
}

/** In groups to be said on the telephone, and as a code that opens the person's own page. */
export function numbered(receipt) {
  const { number } = receipt;
  if (!number) return [element("p", { class: "number none" }, _("编号以后打电话告诉您，也可以到窗口来问。"))];
  const code = number.qr &&
    drawing(number.qr.path, `0 0 ${number.qr.modules} ${number.qr.modules}`, {
      ...{ class: "code", "shape-rendering": "crispEdges", role: "img", "aria-hidden": "false" },
      "aria-label": _("二维码：用手机扫一扫，看办到哪里了"),
    });
  return [
    receipt.replaced && element("p", { class: "wrong" }, _("编号换了，请用这个新的：")),
    element("p", { class: "number" }, element("span", {}, _("编号")), " ", element("strong", {}, number.receipt_number_spoken)),
    code,
    code && element("p", { class: "scan" }, _("手机扫一扫，看办到哪里了。")),
  ].filter(Boolean);
}

/** What says what it is about, whole; or, where whoever hurts somebody may stand beside or find the paper, only after a touch
 * and never printed. */
export function onlyAsked(receipt, told) {
  if (!receipt.isDelicate) return told;
  const all = element("div", { class: "unprinted", hidden: true }, ...told);
  const open = button({ class: "unprinted", id: "more", "aria-expanded": "false" }, _("看看接下来怎么办（不会印在凭条上）"));
  open.addEventListener("click", () => {
    all.hidden = !all.hidden;
    open.setAttribute("aria-expanded", String(!all.hidden));
  });
  return [open, all];
}

/** Each office once: what it looks at, by when, its telephone. */
function next(receipt, pack) {
  const offices = new Map();
  for (const code of receipt.needs) {
    const need = pack.needs[code];
    if (!need) continue;
    const name = inLanguage(need, "agency") || _("县协调员");
    const office = offices.get(name) ?? offices.set(name, { phone: need.phone, dues: new Set(), needs: [] }).get(name);
    office.needs.push(inLanguage(need, "name"));
    office.dues.add(inLanguage(need, "due"));
  }
  const items = [...offices].map(([name, { phone, dues, needs }]) =>
    element(
      "li",
      {},
      element("strong", {}, name),
      element("p", {}, _("办理：{needs}", { needs: inARow(needs) })),
      element("p", {}, _("期限：{due}", { due: inARow([...dues]) })),
      phone && element("p", {}, _("电话：{phone}", { phone })),
    ));
  return [element("p", {}, _("您不用再跑别处。下面的单位会来找您：")), element("ul", { class: "offices" }, ...items)];
}

export function whom(pack) {
  if (!pack.coordinator_phone) return [];
  return [element("p", { class: "whom" }, _("有事打县协调员电话：{phone}", { phone: pack.coordinator_phone }))];
}

export function clock(at) {
  const how = { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "short" };
  return new Intl.DateTimeFormat("sv-SE", how).format(at);
}
