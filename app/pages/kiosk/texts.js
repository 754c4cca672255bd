// What is said stands here in Chinese; the English of each sentence comes from the catalogue `kiosk.po`.
let english = {};
let language = "zh";

export async function loadTexts() {
  english = await (await fetch("/kiosk/texts.en.json")).json();
}

/** The sentence in the language that is on; `{name}` in it is replaced by what is called so in `values`. */
export function _(chinese, values) {
  const text = (language === "en" && english[chinese]) || chinese;
  return values ? text.replace(/\{(\w+)\}/g, (gap, name) => values[name] ?? gap) : text;
}

/** What `label()` says in Chinese, whichever language is on: for whoever reads it at the county. */
export function inChinese(label) {
  const on = language;
  language = "zh";
  try {
    return label();
  } finally {
    language = on;
  }
}

/** Of what the service tells in both: `inLanguage(need, "name")` is `need.name_zh` or `need.name_en`. */
export function inLanguage(told, name) {
  const [chosen, other] = language === "en" ? ["en", "zh"] : ["zh", "en"];
  const key = (tongue) => (name ? `${name}_${tongue}` : tongue);
  return told[key(chosen)] || told[key(other)] || "";
}

/** Several things, one after the other. */
export function inARow(texts) {
  return texts.join(language === "en" ? ", " : "，");
}

/** Sentences, one after the other, as they are read aloud. */
export function inSentences(texts) {
  const [stop, space] = language === "en" ? [".", " "] : ["。", ""];
  return texts.filter(Boolean).map((text) => (/[.?!。？！]$/.test(text) ? text : text + stop)).join(space);
}

export function languageOn() {
  return language;
}

export function turnTo(chosen) {
  language = chosen;
  document.documentElement.lang = chosen === "en" ? "en" : "zh-CN";
}
