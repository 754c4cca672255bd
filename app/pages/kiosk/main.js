// The machine in the hall: one screen at a time, one visit at a time, and nothing of it left behind.
import { questionScreen } from "/kiosk/asking.js";
import { cameraScreen } from "/kiosk/camera.js";
import { checkScreen } from "/kiosk/checking.js";
import { device, freshen, nextNumber, refill, today, wake } from "/kiosk/device.js";
import { element } from "/kiosk/element.js";
import { alarmScreen, emergencyScreen } from "/kiosk/emergency.js";
import { watchIdle } from "/kiosk/idle.js";
import { pairingScreen } from "/kiosk/pairing.js";
import { after, ageOf, asked, localDay, needs, newVisit, photographs } from "/kiosk/questions.js";
import { counts, isReplaced, put, sendNow, sendUnkept, sendWaiting, sent } from "/kiosk/queue.js";
import { receiptScreen, state } from "/kiosk/receipt.js";
import { emergencyBody, requestBody } from "/kiosk/request.js";
import { envelope, seal, written } from "/kiosk/sealing.js";
import { findVoices, hush, say } from "/kiosk/speaking.js";
import { startScreen } from "/kiosk/start.js";
import { addNumbers } from "/kiosk/store.js";
import { _, inSentences, loadTexts } from "/kiosk/texts.js";
import { drawFoot, drawTools, modesAsAtFirst, modesAsBefore } from "/kiosk/tools.js";

// A telephone may choose a file; a machine in a hall would show its own.
const byFile = new URLSearchParams(location.search).has("files");
const HOME = byFile ? "/kiosk/?files" : "/kiosk/";
const FRESH_EVERY = 600_000;
const PACK_EVERY = 15_000;
const SAME_TOUCH = 500;
const AGAIN_AFTER = 60_000;
const SCREENS = {
  pairing: pairingScreen,
  start: startScreen,
  check: checkScreen,
  receipt: receiptScreen,
  emergency: emergencyScreen,
  alarm: alarmScreen,
  camera: cameraScreen,
  failed: failedScreen,
};
const main = document.getElementById("screen");
let leave;
let began = null;
let shownAt = -Infinity;
let shownRefused = false;
let hasCamera = byFile;
let keeping = 0; // of requests, until they are on disk
let isStale = false; // a look at the line fell into somebody's visit
let isRenewed = false; // newer files are there than those that run

const desk = {
  visit: newVisit(hasCamera),
  at: "start",
  before: null, // the screen that the red button was pressed on
  changing: false,
  raising: false,
  paper: null, // of the camera
  shot: null, // what it took and nobody judged yet
  isRedrawn: false, // the same screen, in another language or larger
  // Promises of what this visit's receipt will have, and its request be sealed in.
  number: null,
  envelope: null,
  receipt: null,
  why: null, // the page can't be used, as a sentence
  spoken: [],
  line: { waiting: 0, aside: 0, replaced: [] },
  device,
  byFile,
  show,
  answer,
  back,
  reserve,
  finish,
  raise,
  wipe,
  repeat: () => say(...desk.spoken),
};

/** Draw a screen and put the focus on its heading, from where the keyboard and a screen reader go on. */
function show(name, { focus } = {}) {
  leave?.();
  hush();
  desk.at = name;
  shownRefused = device.refused;
  const made = (SCREENS[name] ?? questionScreen)(desk, name);
  leave = made.leave;
  const heading = element("h1", { tabindex: "-1", id: "heading" }, made.title);
  main.replaceChildren(...(made.above ?? []), heading, ...made.body.filter(Boolean));
  main.className = made.name ?? name;
  document.title = [made.title, _("一门受理")].join(" · ");
  drawTools(desk);
  drawFoot(desk);
  window.scrollTo(0, 0);
  (focus ? document.getElementById(focus) : heading)?.focus({ preventScroll: !focus });
  made.shown?.();
  painted(name);
  shownAt = performance.now();
  desk.spoken = [name.replace(":", "-"), inSentences([made.title, made.hint, made.say])];
  desk.repeat();
}

/** How long a step took, from the touch until the next screen was painted; nothing is said of what was answered. */
function painted(name) {
  const start = began ?? performance.now();
  began = null;
  requestAnimationFrame(() => setTimeout(() => performance.measure("step", { start, detail: name })));
}

/** Keep the answer to a question (null: skipped), and go on. */
function answer(id, question, value) {
  question.set(desk.visit, value);
  if (!desk.visit.answered.includes(id)) desk.visit.answered.push(id);
  desk.visit.age = ageOf(desk.visit, localDay(today()));
  if (id === "number" && value === null) desk.visit.nameFromCard = false;
  show(after(id, desk.visit, device.pack, desk.changing));
}

function back() {
  if (desk.at === "emergency" || desk.at === "alarm") return show(desk.before ?? first());
  if (desk.at === "camera") return show("papers");
  if (desk.changing && desk.at !== "check") return show("check");
  const ids = asked(desk.visit, device.pack);
  if (desk.at === "check") {
    desk.changing = false;
    return show(ids.at(-1));
  }
  const at = ids.indexOf(desk.at);
  if (at > 0) return show(ids[at - 1]);
  desk.visit = newVisit(hasCamera);
  return show("start");
}

/** Take a number and an envelope while the answers are read once more, so that the receipt need not wait for them. */
function reserve() {
  desk.number ??= nextNumber();
  desk.envelope ??= envelope(device.pack.sealing_key);
  for (const promised of [desk.number, desk.envelope]) promised.catch(() => null);
}

/** One that nobody was shown is for the next visit. */
async function giveBack() {
  const number = await desk.number?.catch(() => null);
  if (number) await addNumbers([number]);
}

/** Once, however often the button is drawn and pressed meanwhile. */
async function finish() {
  const { visit } = desk;
  if (visit.sending) return;
  visit.sending = true;
  keeping += 1;
  try {
    await keepAndShow(visit);
  } catch (error) {
    visit.sending = false;
    throw error;
  } finally {
    keeping -= 1;
  }
  renew();
  sendWaiting();
  refill().catch(() => null);
}

/** Seal what was answered, put it where a crash finds it, and only then show the receipt. The answers are gone by then. */
async function keepAndShow(visit) {
  reserve();
  const promised = [desk.number, desk.envelope];
  Object.assign(desk, { number: null, envelope: null }); // from here on nobody gives them back
  const [number, close] = await Promise.all(promised);
  const at = new Date();
  const id = crypto.randomUUID();
  const photos = photographs(visit, device.pack).map(({ sealed }) => ({ id: crypto.randomUUID(), kind: "photo", of: id, at: +at, sealed }));
  const sealed = await close(written(requestBody(visit, device.pack, number, at)));
  await put([{ id, kind: "request", at: +at, sealed, unnumbered: !number }, ...photos]);
  if (desk.visit === visit) {
    const isDelicate = visit.situations.includes("violence");
    desk.receipt = { id, number, at, needs: needs(visit, device.pack), photos: photos.length, isDelicate, sent: false };
    Object.assign(desk, { visit: newVisit(hasCamera), changing: false });
    show("receipt");
  } // else wiped meanwhile: it is taken all the same
}

/** An emergency, sealed and sent ahead of everything else, also by a device whose disk takes nothing any more. */
async function raise(kind, what) {
  if (desk.raising) return;
  desk.raising = true;
  try {
    await keepAndTell(kind, what);
  } finally {
    desk.raising = false;
  }
}

async function keepAndTell(kind, what) {
  const { visit } = desk;
  if (!visit.alarms[kind] || visit.alarms[kind].entry.aside) visit.alarms[kind] = await sealedAlarm(kind, what);
  const { number, entry } = visit.alarms[kind];
  const { id } = entry;
  const told = await put([entry]).then(() => null, () => sendUnkept(entry).then(orThrow));
  delete visit.alarms[kind];
  const isDelicate = kind === "violence" || desk.visit.situations.includes("violence");
  desk.receipt = { id, number, at: new Date(), kind, needs: [], photos: 0, isDelicate, sent: false };
  show("alarm");
  refill().catch(() => null);
  if (told) taken({ detail: { id, told, replaced: isReplaced(told) } });
  else sendWaiting(true);
}

/** What is tried again, where neither the disk nor the service took it, is the very same: it counts once. */
async function sealedAlarm(kind, what) {
  const number = await nextNumber().catch(() => null);
  const body = emergencyBody(desk.visit, device.pack, number, new Date(), kind, what);
  const sealed = await seal(written(body), device.pack.sealing_key);
  return { number, entry: { id: crypto.randomUUID(), kind: "emergency", at: Date.now(), sealed, unnumbered: !number } };
}

function orThrow(told) {
  if (!told) throw new Error("neither kept nor sent");
  return told;
}

/** The visit is over: nothing of it is left in memory, on the screen, to be printed, or behind the back button. */
function wipe() {
  const given = giveBack().catch(() => null);
  Object.assign(desk, { visit: newVisit(hasCamera), number: null, envelope: null, before: null, changing: false, paper: null, receipt: null });
  sessionStorage.clear();
  performance.clearMeasures();
  history.replaceState(null, "", HOME);
  modesAsAtFirst();
  show(first());
  given.then(renew);
  if (isStale) look();
  else refill().catch(() => null);
}

function first() {
  if (desk.why) return "failed";
  return device.pack ? "start" : "pairing";
}

async function moved() {
  desk.line = await counts();
  drawLine();
}

/** The state of the line, and what a machine that was switched off, or on again, has to say otherwise. */
function drawLine() {
  drawFoot(desk);
  if (desk.at === "start" && shownRefused !== device.refused) show("start");
  const span = desk.receipt && main.querySelector(".sent span");
  if (span && span.textContent !== state(desk.receipt)) span.replaceChildren(state(desk.receipt));
}

function taken({ detail }) {
  if (desk.receipt?.id !== detail.id) return;
  desk.receipt.sent = true;
  if (detail.replaced || !desk.receipt.number) {
    desk.receipt.number = { receipt_number_spoken: detail.told.receipt_number_spoken, qr: null };
    desk.receipt.replaced = detail.replaced;
  }
  if (desk.at === "alarm" || (desk.at === "receipt" && desk.receipt.number.qr === null)) show(desk.at);
  else main.querySelector(".sent span")?.replaceChildren(state(desk.receipt));
}

/** Whoever waits for help hears at once that nobody knows of it yet. */
function failed({ detail }) {
  if (desk.receipt?.id !== detail.id || desk.receipt.failed) return;
  desk.receipt.failed = true;
  if (desk.at === "alarm") show("alarm");
}

async function lineBack() {
  drawLine();
  if (!navigator.onLine) return;
  const { pack } = device;
  await Promise.all([sendNow(), freshen(), findVoices()]);
  if (!pack && device.pack && desk.at === "pairing") wipe(); // it was paired, and the pack came later
  else drawLine();
}

/** Now and then, between two visits. */
function look() {
  isStale = !isOver();
  if (!isStale) lineBack();
}

/** A hand that trembles touches twice: that counts once, but on the number keys of a screen that was there before. */
function onlyOnce(event) {
  const isKey = event.target.closest(".key") && event.timeStamp - shownAt > SAME_TOUCH;
  if (event.detail < 2 || isKey) return;
  event.preventDefault();
  event.stopPropagation();
}

async function open() {
  document.addEventListener("click", onlyOnce, true);
  for (const kind of ["click", "submit", "keydown"]) document.addEventListener(kind, ({ timeStamp }) => (began = timeStamp), true);
  history.replaceState(null, "", HOME);
  if (!window.isSecureContext) return fail(_("这个地址不安全，页面用不了：请用 https 打开。"));
  await loadTexts().then(modesAsBefore).catch(() => null); // then it speaks Chinese
  sent.addEventListener("taken", taken);
  sent.addEventListener("failed", failed);
  try {
    await wake();
    desk.line = await counts();
  } catch {
    return fail(_("这台机器存不了东西，页面用不了：请叫工作人员。"));
  }
  findCamera();
  navigator.mediaDevices?.addEventListener("devicechange", findCamera);
  show(first());
  sent.addEventListener("moved", moved);
  for (const kind of ["online", "offline"]) window.addEventListener(kind, lineBack);
  watchIdle({ isOver, wipe, rested: renew });
  setInterval(look, FRESH_EVERY);
  setInterval(() => device.key && !device.pack && lineBack(), PACK_EVERY);
  return Promise.all([lineBack(), keepFiles(), navigator.storage?.persist?.()]);
}

/** It tries again by itself, when nobody is at the red button. */
function fail(why) {
  desk.why = why;
  show("failed");
  watchIdle({ isOver, wipe, rested: () => null });
  setInterval(() => isOver() && location.reload(), AGAIN_AFTER);
}

function failedScreen({ why }) {
  const hint = _("急事请打 120 · 110 · 119");
  return { title: _("一门受理"), hint: why, say: hint, body: [element("p", { role: "alert" }, why), element("p", { class: "hint" }, hint)] };
}

/** Without a camera no photographs are asked for. */
async function findCamera() {
  const found = await navigator.mediaDevices?.enumerateDevices().catch(() => []);
  hasCamera = byFile || Boolean(found?.some(({ kind }) => kind === "videoinput"));
  desk.visit.hasCamera = hasCamera;
}

/** Whether nobody's visit is open. */
function isOver() {
  const unpaired = desk.at === "pairing" && !device.pack && !main.querySelector("input").value;
  return desk.at === "start" || desk.at === "failed" || unpaired;
}

/** Newer files run as soon as nobody is in the middle of something and nothing is on its way to the disk. */
function renew() {
  if (isRenewed && isOver() && !keeping && !desk.raising) location.reload();
}

/** Files for the time without a line. The first worker of all brings the files that run already. */
async function keepFiles() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  let isFirst = !workers.controller;
  workers.addEventListener("controllerchange", () => {
    isRenewed ||= !isFirst;
    isFirst = false;
    renew();
  });
  const registered = await workers.register("/kiosk/sw.js", { scope: "/kiosk/" }).catch(() => null);
  setInterval(() => registered?.update().catch(() => null), FRESH_EVERY);
}

open();
