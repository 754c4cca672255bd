// Around every screen: how it speaks and looks, the state of the line, and the red button.
import { button, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { hush, voiceAsAtFirst } from "/kiosk/speaking.js";
import { _, languageOn, turnTo } from "/kiosk/texts.js";

const root = document.documentElement;

export function modesAsAtFirst() {
  root.className = "";
  turnTo("zh");
  voiceAsAtFirst();
}

/** Newer files of the page, or a reload, leave the language and the letters on that somebody chose; a wipe clears them. */
export function modesAsBefore() {
  root.className = sessionStorage.getItem("look") ?? "";
  turnTo(sessionStorage.getItem("language") ?? "zh");
}

function keepModes() {
  try {
    sessionStorage.setItem("look", root.className);
    sessionStorage.setItem("language", languageOn());
  } catch {} // then they last as long as the page
}

export function drawTools(desk) {
  const kept = document.activeElement?.id;
  const draw = () => {
    keepModes();
    const restore = unsaid();
    desk.isRedrawn = true;
    desk.show(desk.at, { focus: document.activeElement?.id });
    desk.isRedrawn = false;
    restore();
  };
  const turned = (mode) => () => {
    root.classList.toggle(mode);
    draw();
  };
  const other = languageOn() === "en" ? ["中文", "zh", "zh-CN"] : ["English", "en", "en"];
  const language = () => {
    turnTo(other[1]);
    draw();
  };
  const on = (mode) => String(root.classList.contains(mode));
  document.getElementById("tools").replaceChildren(
    button({ id: "language", lang: other[2], onclick: language }, other[0]),
    button({ id: "size", "aria-pressed": on("large"), onclick: turned("large") }, picture("size"), word(_("大字"))),
    button({ id: "contrast", "aria-pressed": on("contrast"), onclick: turned("contrast") }, picture("contrast"), word(_("高对比"))),
    button({ id: "again", onclick: () => hush() || desk.repeat() }, picture("sound"), word(_("再听一遍"))),
  );
  if (kept) document.getElementById(kept)?.focus();
}

/** What was written and chosen and not yet sent on, to be put back on the screen that is drawn anew. */
function unsaid() {
  const fields = [...document.querySelectorAll("#screen :is(input:not([type=file]), textarea)")].map(({ id, value }) => [id, value]);
  const chosen = [...document.querySelectorAll("#screen .choice[id]")].map(({ id, ariaPressed }) => [id, ariaPressed]);
  return () => {
    for (const [id, value] of fields) Object.assign(document.getElementById(id) ?? {}, { value });
    for (const [id, pressed] of chosen) {
      const button = document.getElementById(id);
      if (button && button.ariaPressed !== pressed) button.click();
    }
  };
}

const word = (text) => element("span", {}, text);

export function drawFoot(desk) {
  const foot = document.getElementById("foot");
  if (!foot.firstChild) foot.append(element("p", { id: "line", role: "status" }), button({ id: "emergency" }));
  const red = document.getElementById("emergency");
  red.replaceChildren(picture("alarm"), word(_("急难求助")));
  red.hidden = ["emergency", "alarm"].includes(desk.at);
  red.onclick = () => {
    desk.before = desk.at;
    desk.show("emergency");
  };
  const line = document.getElementById("line");
  const said = lineOf(desk);
  if (line.textContent !== said) line.textContent = said; // a screen reader hears only what is news
}

function lineOf({ device, line: { waiting, aside, replaced } }) {
  const parts = [];
  if (device.refused) parts.push(_("这台机器已停用，请告诉工作人员"));
  if (!navigator.onLine) parts.push(_("现在没有网络，照样可以求助"));
  if (waiting) parts.push(_("待发送 {number} 件", { number: waiting }));
  if (aside) parts.push(_("需要工作人员处理 {number} 件", { number: aside }));
  if (replaced.length) parts.push(_("换了编号 {number} 件", { number: replaced.length }));
  return parts.join(" · ");
}
