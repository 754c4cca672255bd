import { button, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { asked, question, shown } from "/kiosk/questions.js";
import { _ } from "/kiosk/texts.js";

/** All that was answered, each with a way to change it, and what sending it means. */
export function checkScreen(desk) {
  const { visit } = desk;
  const { pack } = desk.device;
  const change = (id) => () => {
    desk.changing = true;
    desk.show(id);
  };
  const row = (id) => {
    const { title } = question(id, visit, pack);
    const label = _("修改：{question}", { question: title });
    return element(
      "div",
      {},
      element("dt", {}, title),
      element("dd", {}, shown(id, visit, pack)),
      element("dd", { class: "change" }, button({ "aria-label": label, onclick: change(id) }, _("修改"))),
    );
  };
  const wrong = element("div", { class: "summary", role: "alert", tabindex: "-1", hidden: true });
  const send = button({ id: "send", class: "go" }, _("提交求助"));
  send.addEventListener("click", async () => {
    send.disabled = true;
    try {
      await desk.finish();
    } catch {
      send.disabled = false;
      wrong.replaceChildren(element("h2", {}, _("没能保存")), element("p", {}, _("请再按一次“提交求助”；还不行，请叫工作人员。")));
      wrong.hidden = false;
      wrong.focus();
    }
  });
  const hint = _("看一看写得对不对。要改哪一条，就按它旁边的“修改”。");
  return {
    title: _("请核对"),
    hint,
    shown: desk.reserve,
    above: [wrong],
    body: [
      element("p", { class: "hint" }, hint),
      element("dl", { class: "answers" }, ...asked(visit, pack).map(row)),
      element("p", {}, promise(visit)),
      element("p", {}, _("这些内容只交给能帮您办这件事的单位，不做别的用。")),
      send,
      element("div", { class: "ways" }, button({ id: "back", onclick: desk.back }, picture("back"), _("返回"))),
    ],
  };
}

function promise(visit) {
  if (visit.who === "guardian") return _("按“提交求助”，就是您作为孩子的监护人，同意替孩子提出求助。");
  if (visit.who === "helper") return _("按“提交求助”，就是您替他（她）提出求助；乡镇会再问他（她）本人。");
  return _("按“提交求助”，就是您提出求助。");
}
