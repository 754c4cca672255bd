// What was finished here and has not reached the service: sealed, in order, each sent until it is taken, and once.
import { call, device, heed } from "/kiosk/device.js";
import { forget, keep, remember, remembered, waiting } from "/kiosk/store.js";

const ORDER = { emergency: 0, request: 1, photo: 2 };
const WAITS = [5_000, 15_000, 60_000, 300_000];
const LONGEST = 180_000;
const LONGEST_PAUSE = 3600; // seconds, whatever the service says
// An alarm says soon that it was not sent, and is tried again soon.
const URGENT = 15_000;
// The service may take them later; of all other refusals a person has to judge.
const LATER = [401, 403, 408, 425, 429];
let failures = 0;
let sending = false;
let again = false;
let timer;
let notBefore = -Infinity; // on the clock of `performance.now`: the service asked for a pause
let running = null; // {kind, stop} of what is on its way
export const sent = new EventTarget();

/** How many wait, how many the service refused (those stay until a clerk has them sent again), and the numbers of those
 * that had none when they were taken in, or whose printed one could not be had. `urgent`: an emergency is among those that wait. */
export async function counts() {
  const entries = await waiting();
  const aside = entries.filter((each) => each.aside).length;
  const urgent = entries.some((each) => each.kind === "emergency" && !each.aside);
  return { waiting: entries.length - aside, aside, urgent, replaced: (await remembered("replaced")) ?? [] };
}

/** A clerk has told them. */
export async function toldOfNumbers() {
  await remember("replaced", []);
  tell();
}

export const isReplaced = (told) => Boolean(told.warnings?.some((each) => each.code === "receipt_number_replaced"));

/** On disk when this returns. `entries`: {id, kind, sealed, of?}. */
export async function put(entries) {
  await keep(entries.map((each) => ({ ...each, aside: false })));
  tell();
}

/** Everything that may go, in one tab at a time. It comes back by itself while something waits; called while it is under
 * way, it looks once more when it is done. `urgent`: at once, and whatever else is on its way makes room. */
export async function sendWaiting(urgent = false) {
  clearTimeout(timer);
  if (urgent) {
    [failures, notBefore] = [0, -Infinity];
    if (running?.kind !== "emergency") running?.stop.abort();
  }
  again = sending;
  if (sending) return;
  const pause = notBefore - performance.now();
  if (pause > 0) {
    timer = setTimeout(sendWaiting, pause);
    return;
  }
  sending = true;
  let left = { waiting: 1, urgent };
  try {
    const sendIf = (lock) => (lock ? sendAll() : counts());
    left = await navigator.locks.request("one-window-queue", { ifAvailable: true }, sendIf);
  } finally {
    sending = false;
    if (again) sendWaiting();
    else if (left.waiting) timer = setTimeout(sendWaiting, wait(left.urgent));
  }
}

/** The line is back: nothing is put off any more. */
export function sendNow() {
  [failures, notBefore] = [0, -Infinity];
  return sendWaiting();
}

export async function sendAgain() {
  await keep((await waiting()).filter((each) => each.aside).map((each) => ({ ...each, aside: false })));
  await sendNow();
}

function wait(urgent) {
  const pause = notBefore - performance.now();
  if (pause > 0) return pause;
  const longest = WAITS[Math.min(Math.max(failures - 1, 0), WAITS.length - 1)];
  return Math.min(longest, urgent ? URGENT : Infinity) * (0.8 + 0.4 * Math.random());
}

const isRefusal = (answer) => Boolean(answer) && answer.status >= 400 && answer.status < 500 && !LATER.includes(answer.status);
const ready = (entry) => !entry.aside && (entry.kind !== "photo" || entry.request_id);

/** What is left then, as `counts` says it. */
async function sendAll() {
  const tried = new Set();
  for (let entry = await next(tried); entry && device.key; entry = await next(tried)) {
    tried.add(entry.id);
    const answer = await post(entry);
    heed(answer);
    const pause = answer?.status === 201 ? 0 : Number(answer?.headers.get("Retry-After"));
    if (pause > 0) notBefore = performance.now() + 1000 * Math.min(pause, LONGEST_PAUSE);
    const goesOn = answer && !(pause > 0) && ![401, 403, 429].includes(answer.status);
    failures = answer?.status === 201 ? 0 : failures + 1;
    if (answer?.status === 201) await taken(entry, answer);
    else if (isRefusal(answer)) await keep([{ ...entry, aside: true }]);
    if (answer?.status !== 201) sent.dispatchEvent(new CustomEvent("failed", { detail: { id: entry.id } }));
    tell();
    if (!goesOn) break;
  }
  return counts();
}

async function next(tried) {
  const open = (await waiting()).filter((each) => ready(each) && !tried.has(each.id));
  return open.sort((one, other) => ORDER[one.kind] - ORDER[other.kind] || one.at - other.at)[0];
}

async function post(entry) {
  const path = {
    emergency: "/v1/emergencies",
    request: "/v1/requests",
    photo: `/v1/requests/${entry.request_id}/attachments`,
  }[entry.kind];
  const headers = { "Idempotency-Key": entry.id };
  const stop = new AbortController();
  running = { kind: entry.kind, stop };
  const within = entry.kind === "emergency" ? URGENT : LONGEST;
  try {
    return await call("POST", path, { body: entry.sealed, type: "application/jose", headers, within, stop: stop.signal });
  } finally {
    running = null;
  }
}

/** An emergency that the disk does not take: the service's answer, or null; `aside` is whether it would be refused again. */
export async function sendUnkept(entry) {
  const answer = await post(entry);
  heed(answer);
  entry.aside = isRefusal(answer);
  return answer?.status === 201 ? answer.json() : null;
}

/** The 201 comes again for the same key: a device that dies before this line sends twice and is counted once. */
async function taken(entry, answer) {
  const told = await answer.json();
  const replaced = isReplaced(told);
  const isNews = replaced || (entry.unnumbered && told.receipt_number_spoken);
  if (isNews) await remember("replaced", [...((await remembered("replaced")) ?? []), told.receipt_number_spoken]);
  await forget(entry.id, entry.kind === "photo" ? null : told.request_id);
  sent.dispatchEvent(new CustomEvent("taken", { detail: { id: entry.id, told, replaced } }));
}

function tell() {
  sent.dispatchEvent(new Event("moved"));
}
