// Keeps the page new while it is looked at: when something has happened, its main part is fetched again.
const main = document.querySelector("main");
const news = document.querySelector("#news");
const SLOWLY = 60_000;
let stream = null;
let waiting = 0;

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
  if (!fetched || fetched.dataset.sequence === main.dataset.sequence) return;
  main.dataset.sequence = fetched.dataset.sequence;
  for (const part of fetched.querySelectorAll(":scope > div[id]")) {
    const old = document.getElementById(part.id);
    if (!old || inHand(old) || old.innerHTML === part.innerHTML) continue;
    const opened = [...old.querySelectorAll("details")].map((each) => each.open);
    part.querySelectorAll("details").forEach((each, at) => { each.open = opened[at] ?? each.open; });
    old.replaceWith(part);
  }
  news.textContent = news.dataset.said;
}

// What somebody is filling in is not taken from under their hands.
function inHand(part) {
  if (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return true;
  return [...part.querySelectorAll("input, textarea")].some((each) =>
    each.type === "radio" ? each.checked !== each.defaultChecked : each.type !== "hidden" && each.value !== each.defaultValue);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else open();
});
addEventListener("pagehide", close);
if (!document.hidden) open();
