// Nobody is hurried; whoever has gone is forgotten. A minute without a touch, a warning, and then everything is wiped.
import { button, element } from "/kiosk/element.js";
import { say } from "/kiosk/speaking.js";
import { _ } from "/kiosk/texts.js";

const IDLE = 60_000;
const WARNING = 15_000;

/** `isOver` tells when nobody's visit is open, `wipe` ends one. */
export function watchIdle({ isOver, wipe }) {
  let last = Date.now();
  let dialog = null;
  const here = () => {
    last = Date.now();
    dialog?.remove();
    dialog = null;
  };
  for (const kind of ["pointerdown", "keydown", "input"]) document.addEventListener(kind, here, true);
  setInterval(() => {
    const quiet = Date.now() - last;
    if (quiet < IDLE) return;
    if (quiet >= IDLE + WARNING || isOver()) {
      const over = isOver() && !changed();
      here();
      if (!over) wipe();
    } else {
      dialog ??= warn(here);
      dialog.querySelector("#seconds").textContent = String(Math.ceil((IDLE + WARNING - quiet) / 1000));
    }
  }, 1000);
}

/** Whether somebody left the language or the letters other than they were. */
function changed() {
  const root = document.documentElement;
  return root.lang !== "zh-CN" || root.className !== "";
}

function warn(here) {
  const title = _("您还在吗？");
  const text = _("没有人按，就要清空刚才写的内容了。");
  const stay = button({ class: "go", onclick: here }, _("我还在"));
  const dialog = element(
    "dialog",
    { id: "idle", role: "alertdialog", "aria-labelledby": "idle-title", "aria-describedby": "idle-text", oncancel: here },
    element("h2", { id: "idle-title" }, title),
    element("p", { id: "idle-text" }, text),
    element("p", { id: "seconds", "aria-hidden": "true" }),
    stay,
  );
  document.body.append(dialog);
  dialog.showModal();
  stay.focus();
  say("idle", `${title}${text}`);
  return dialog;
}
