// Keeps the page new while it is looked at: when something has happened, its main part is fetched again.
const main = document.querySelector("main");
const news = document.querySelector("#news");
const SLOWLY = 60_000;
let stream = null;
let waiting = 0;
let behind = false; // a part was left as it was, for somebody was writing in it

function open() {
  close();
  stream = new EventSource(`${main.dataset.events}?after=${main.dataset.sequence}`);
  stream.addEventListener("moved", (moved) => {
    if (Number(moved.data) > Number(main.dataset.sequence)) renew();
  });
  stream.addEventListener("error", () => {
    if (stream && stream.readyState === EventSource.CLOSED) later();
  });
}

function close() {
  clearTimeout(waiting);
  if (stream) stream.close();
  stream = null;
}

// Too many pages are open, or the line is bad: look by ourselves, now and then.
function later() {
  close();
  waiting = setTimeout(async () => {
    await renew();
    open();
  }, SLOWLY);
}

async function renew() {
  let fetched;
  try {
    const address = new URL(location.href);
    address.searchParams.delete("said");
    const answer = await fetch(address, { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) return;
    fetched = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  } catch {
    return; // the stream comes again, and tells again
  }
  if (!fetched) return;
  const newer = Number(fetched.dataset.sequence) - Number(main.dataset.sequence);
  if (newer < 0 || (newer === 0 && !behind)) return; // an answer that an answer to a later question overtook
  main.dataset.sequence = fetched.dataset.sequence;
  behind = false;
  for (const part of fetched.querySelectorAll(":scope > div[id]")) {
    const old = document.getElementById(part.id);
    if (!old || old.innerHTML === part.innerHTML) continue;
    if (inHand(old)) {
      behind = true;
      continue;
    }
    const opened = [...old.querySelectorAll("details")].map((each) => each.open);
    part.querySelectorAll("details").forEach((each, at) => { each.open = opened[at] ?? each.open; });
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    old.replaceWith(part);
    if (focused) sameIn(part, focused)?.focus({ preventScroll: true });
  }
  news.textContent = news.dataset.said;
}

function sameIn(part, focused) {
  const alike = [...part.querySelectorAll(focused.tagName)];
  return alike.find((each) => each.textContent === focused.textContent) ?? alike[0];
}

// What somebody is filling in is not taken from under their hands.
function inHand(part) {
  if (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return true;
  return [...part.querySelectorAll("input, textarea")].some((each) =>
    each.type === "radio" ? each.checked !== each.defaultChecked : each.type !== "hidden" && each.value !== each.defaultValue);
}

main.addEventListener("focusout", () => {
  if (behind) setTimeout(renew);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else open();
});
addEventListener("pagehide", close);
if (!document.hidden) open();
