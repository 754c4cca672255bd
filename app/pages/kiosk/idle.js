// Nobody is hurried; whoever has gone is forgotten. A minute without a touch, a warning, and then everything is wiped.
import { button, element } from "/kiosk/element.js";
import { picture } from "/kiosk/pictures.js";
import { hush, isOwnVoice, say } from "/kiosk/speaking.js";
import { _, inSentences } from "/kiosk/texts.js";

const IDLE = 60_000;
const WARNING = 15_000;

/** `isOver` tells when nobody's visit is open, `wipe` ends one; `rested` hears that there was none for a minute. */
export function watchIdle({ isOver, wipe, rested }) {
  let last = performance.now(); // a clock that is set back by hours would wipe nothing for hours
  let dialog = null;
  const touched = () => (last = performance.now());
  const here = () => {
    touched();
    if (!dialog) return;
    hush();
    dialog.close(); // and the focus is where it was
    dialog.remove();
    dialog = null;
  };
  // Any key says that somebody is there, and does nothing else; but by a few the warning itself is used.
  const key = (event) => {
    if (dialog && ["Enter", " "].includes(event.key)) return;
    if (dialog && ["Tab", "Shift"].includes(event.key)) last = performance.now() - IDLE; // and has all of its time again
    else {
      if (dialog) event.preventDefault();
      here();
    }
  };
  // If it were gone when a finger comes down, the click would fall on what lies beneath.
  document.addEventListener("pointerdown", touched, true);
  for (const kind of ["click", "input"]) document.addEventListener(kind, here, true);
  document.addEventListener("keydown", key, true);
  setInterval(() => {
    const quiet = performance.now() - last;
    if (quiet < IDLE) return;
    if (quiet >= IDLE + WARNING || isOver()) {
      const over = isOver() && !changed();
      here();
      if (over) rested();
      else wipe();
    } else {
      dialog ??= warn(here);
      dialog.querySelector("#seconds").textContent = String(Math.ceil((IDLE + WARNING - quiet) / 1000));
    }
  }, 1000);
}

/** Whether somebody left the language, the letters, the voice or the clerks' part other than they were. */
function changed() {
  const root = document.documentElement;
  return root.lang !== "zh-CN" || root.className !== "" || !isOwnVoice() || document.querySelector("details[open]") !== null;
}

/** Beneath the warning nothing can be pressed: the red button stands above it, in its own place. */
function redAbove() {
  const red = document.getElementById("emergency");
  if (!red || red.hidden) return null;
  const press = () => red.click();
  return button({ class: "red", id: "emergency-here", onclick: press }, picture("alarm"), element("span", {}, _("急难求助")));
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
    redAbove(),
  );
  document.body.append(dialog);
  dialog.showModal();
  stay.focus();
  say("idle", inSentences([title, text]));
  return dialog;
}
