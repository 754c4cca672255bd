// Prompts: a recording where there is one in the voice that is on, else the browser's own voice of the language.
import { _, languageOn } from "/kiosk/texts.js";

let recorded = {};
let voice = "own"; // "own": of the language that is on; "off"; or the folder of a dialect
let playing;

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
  playing = null;
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
  const tongue = languageOn();
  const found = synthesis?.getVoices().find((each) => each.lang.toLowerCase().startsWith(tongue));
  if (!found || !text) return;
  const saying = new SpeechSynthesisUtterance(text);
  Object.assign(saying, { voice: found, lang: found.lang, rate: 0.9 });
  synthesis.speak(saying);
}
