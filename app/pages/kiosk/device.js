// What this device is to the service: paired by a code, with a pack of all it needs to know and numbers in stock.
import { addNumbers, remember, remembered, stock, takeNumber } from "/kiosk/store.js";

const LEAST_NUMBERS = 10;
const BLOCK = 20;
const ANSWERED_WITHIN = 20_000;
export const device = { key: null, pack: null, tag: null, refused: false, away: false, numbers: 0, dated: 0 };

/** Now, as a Date: a clock that stands in the past is not believed where the service said a later time. */
export const today = () => new Date(Math.max(Date.now(), device.dated));

export async function wake() {
  Object.assign(device, (await remembered("device")) ?? {});
  device.numbers = await stock();
}

/** Answers null when it is paired, else why not: "refused", "too_many" or "away". */
export async function pair(code) {
  // With the key that it had, it stays the device that it was: what waits here, and what it sent, is still its own.
  const asked = device.key ? { code, former_key: device.key } : { code };
  const answer = await call("POST", "/v1/kiosks", { body: JSON.stringify(asked), type: "application/json" });
  if (!answer) return "away";
  if (answer.status === 429) return "too_many";
  if (answer.status !== 201) return answer.status < 500 ? "refused" : "away";
  const { key } = await answer.json();
  Object.assign(device, { key, tag: null, refused: false });
  await remember("device", { key, pack: device.pack, tag: null, dated: device.dated });
  await freshen();
  return device.pack ? null : "away";
}

/** The newest pack, and numbers enough; without a line what is there stays. */
export async function freshen() {
  if (!device.key) return;
  const answer = await call("GET", "/v1/kiosk", { headers: device.tag ? { "If-None-Match": device.tag } : {} });
  heed(answer);
  if (answer?.status === 200) {
    Object.assign(device, { pack: await answer.json(), tag: answer.headers.get("ETag") });
    await remember("device", { key: device.key, pack: device.pack, tag: device.tag, dated: device.dated });
  }
  if (answer?.ok || answer?.status === 304) await refill();
}

/** Numbers enough, where there is a line. One tab asks at a time, so that no number is fetched for nobody. */
export async function refill() {
  if (!device.key) return;
  await navigator.locks.request("one-window-numbers", async () => {
    device.numbers = await stock();
    if (device.numbers >= LEAST_NUMBERS) return;
    const body = JSON.stringify({ count: BLOCK });
    const answer = await call("POST", "/v1/kiosk/numbers", { body, type: "application/json" });
    heed(answer);
    if (answer?.status === 201) await addNumbers((await answer.json()).numbers);
    device.numbers = await stock();
  });
}

/** `{receipt_number, receipt_number_spoken, tracking_token, tracking_url, qr}`, or null when none is left. */
export async function nextNumber() {
  const number = await takeNumber();
  if (number) device.numbers -= 1;
  return number ?? null;
}

/** A key that was revoked: the clerk must hear of it, and nothing that waits is lost. */
export function heed(answer) {
  if (answer && [401, 403].includes(answer.status)) device.refused = true;
  else if (answer?.ok) device.refused = false;
}

/** The answer, or null when there is no line, or `stop` (an AbortSignal) says so. */
export async function call(method, path, { body, type, headers = {}, within = ANSWERED_WITHIN, stop } = {}) {
  const own = device.key && path !== "/v1/kiosks" ? { Authorization: `Bearer ${device.key}` } : {};
  const all = { ...own, ...(type ? { "Content-Type": type } : {}), "Idempotency-Key": crypto.randomUUID(), ...headers };
  if (method === "GET") delete all["Idempotency-Key"];
  const ended = new AbortController();
  const end = () => ended.abort();
  setTimeout(end, within); // also of an answer that comes in halves; what is whole by then no longer minds
  stop?.addEventListener("abort", end);
  if (stop?.aborted) end();
  const how = { method, body, headers: all, cache: "no-store", credentials: "omit", signal: ended.signal };
  try {
    const answer = await fetch(path, how);
    device.away = false;
    device.dated = Date.parse(answer.headers.get("Date")) || device.dated;
    return answer;
  } catch {
    device.away = !stop?.aborted;
    return null;
  }
}
