// Prompts: a recording where there is one in the voice that is on, else the browser's own voice of the language.
import { _, languageOn } from "/kiosk/texts.js";

let recorded = {};
let voice = "own"; // "own": of the language that is on; "off"; or the folder of a dialect
let playing;
let unspoken = null; // there is no voice for it yet: a browser finds its voices after the page is there
// What voices are called, from the best on: espeak-ng has Mandarin as "cmn", and "zh" may be Cantonese.
const CALLED = { zh: ["zh-cn", "cmn", "zh"], en: ["en"] };
window.speechSynthesis?.addEventListener?.("voiceschanged", () => unspoken && synthesise(unspoken));

/** Which recordings there are; where nobody says, as before. */
export async function findVoices() {
  const answer = await fetch("/kiosk/voices.json").catch(() => null);
  if (answer?.ok) recorded = await answer.json().catch(() => recorded);
  if (voice !== "off" && !recorded[voice]) voice = "own";
}

const dialects = () => Object.keys(recorded).filter((name) => !["zh", "en"].includes(name));

/** The next voice in turn: the language's own, each dialect, none. */
export function turnVoice() {
  const all = ["own", ...dialects(), "off"];
  voice = all[(all.indexOf(voice) + 1) % all.length];
}

export function voiceName() {
  if (voice === "off") return _("不念");
  return voice === "own" ? _("普通话") : recorded[voice].name;
}

export function voiceAsAtFirst() {
  voice = "own";
}

export const isOwnVoice = () => voice === "own";

/** Whether there was something to silence. */
export function hush() {
  const spoke = Boolean((playing && !playing.paused) || window.speechSynthesis?.speaking);
  playing?.pause();
  playing = unspoken = null;
  window.speechSynthesis?.cancel();
  return spoke;
}

/** `screen` names the recording; `text` is what is said where there is none. */
export function say(screen, text) {
  hush();
  if (voice === "off") return;
  const folder = voice === "own" ? languageOn() : voice;
  if (recorded[folder]?.screens.includes(screen)) {
    const sound = new Audio(`/kiosk/voices/${folder}/${screen}.mp3`);
    playing = sound;
    sound.play().catch(() => playing === sound && synthesise(text)); // one that was hushed says nothing more
  } else synthesise(text);
}

function synthesise(text) {
  const synthesis = window.speechSynthesis;
  const voices = synthesis?.getVoices() ?? [];
  const code = ({ lang }) => lang.toLowerCase().replace("_", "-");
  const called = (name) => voices.find((each) => code(each) === name) ?? voices.find((each) => code(each).startsWith(name));
  const found = CALLED[languageOn()].map(called).find(Boolean);
  unspoken = found ? null : text;
  if (!found || !text) return;
  const saying = new SpeechSynthesisUtterance(text);
  Object.assign(saying, { voice: found, lang: found.lang, rate: 0.9 });
  synthesis.speak(saying);
}
