// What is asked, in which order, and what an answer has to look like; pure but for the language that is on.
import { age, bornBy, normalised, numberFault } from "/kiosk/identity.js";
import { _, inARow, inLanguage } from "/kiosk/texts.js";
import { relations, situations, whoElse } from "/kiosk/words.js";

const MOST_QUESTIONS = 12;
export const MOST_PHOTOS = 6;
const ELSEWHERE = "elsewhere";
const MOBILE_OR_LANDLINE = /^(1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8}|[0-9]{7,8})$/;
const YUAN = /^[0-9]{1,10}(\.[0-9]{1,2})?$/;
const BOUNDS = { household_size: [1, 100], disability_grade: [1, 4] };

export function newVisit(hasCamera) {
  return {
    ...{ who: null, situations: [], relation: null, helper: null, number: null, birth: null, age: null, name: null, nameFromCard: false },
    ...{ home: null, facts: {}, words: null, phone: null, photos: [], answered: [], alarms: {}, hasCamera, isCameraBroken: false },
  };
}

const chosen = (visit, pack) => pack.situations.filter((each) => visit.situations.includes(each.code));
const each = (lists) => [...new Set(lists.flat())];

export function needs(visit, pack) {
  return each(chosen(visit, pack).map((situation) => situation.needs));
}

/** The papers that these needs ask for: [{code, zh, en}]. */
export function papers(visit, pack) {
  const all = needs(visit, pack).flatMap((code) => pack.needs[code]?.materials ?? []);
  return [...new Map(all.map((paper) => [paper.code, paper])).values()];
}

/** The photographs of papers that are asked for: whoever chose otherwise meanwhile gives no others. */
export function photographs(visit, pack) {
  const wanted = asked(visit, pack).includes("papers") ? papers(visit, pack).map(({ code }) => code) : [];
  return visit.photos.filter(({ paper }) => wanted.includes(paper.code));
}

/** How old whoever needs help is on that day, by the card or by what was said; null where nobody knows it. */
export function ageOf(visit, day) {
  const born = visit.number ? bornBy(visit.number) : visit.birth;
  return born ? age(born, day) : null;
}

/** What a situation asks of somebody of that age, or of somebody whose age nobody knows. */
function asks(situation, years) {
  const known = typeof years === "number" ? situation.asks_by_age?.filter((each) => each.from_age <= years) : [];
  return known?.at(-1)?.asks ?? situation.asks;
}

/** Whoever has no card is asked for the day of birth, where a rule waits for the age. */
function asksForBirth(visit, pack) {
  const noCard = !visit.number && visit.answered.includes("number");
  return noCard && chosen(visit, pack).some((situation) => situation.asks_by_age?.length);
}

/** What the routing table still needs to know: the first question of every situation before the second of any. */
export function facts(visit, pack, most = Infinity) {
  const lists = chosen(visit, pack).map((situation) => asks(situation, visit.age));
  const longest = Math.max(0, ...lists.map((list) => list.length));
  const inTurn = Array.from({ length: longest }, (_nothing, at) => lists.map((list) => list[at])).flat();
  return each(inTurn).filter((fact) => pack.facts[fact]).slice(0, Math.max(0, most));
}

/** The questions of this visit, a dozen at most; what does not fit the township asks. */
export function asked(visit, pack) {
  const before = ["who", "situations"];
  if (visit.who && visit.who !== "self") before.push("relation", "helper");
  before.push("number");
  if (asksForBirth(visit, pack)) before.push("birth");
  if (!visit.nameFromCard) before.push("name");
  before.push("home");
  const after = visit.situations.includes("unknown") ? ["words", "phone"] : ["phone"];
  if ((visit.hasCamera || visit.photos.length) && pack.takes_photographs && papers(visit, pack).length) after.push("papers");
  const room = MOST_QUESTIONS - before.length - after.length;
  return [...before, ...facts(visit, pack, room).map((fact) => `fact:${fact}`), ...after];
}

/** Which comes after `id`; "check" after the last, or as soon as everything else was answered and one was changed. */
export function after(id, visit, pack, changing) {
  const ids = asked(visit, pack);
  if (changing) return ids.find((one) => !visit.answered.includes(one)) ?? "check";
  return ids[ids.indexOf(id) + 1] ?? "check";
}

/** {kind, title, hint?, choices?, skip?, isRecent?, value(visit), set(visit, value)} of a question. */
export function question(id, visit, pack) {
  if (id.startsWith("fact:")) return factQuestion(id.slice(5), pack);
  return QUESTIONS[id](visit, pack);
}

const holding = (name) => ({ value: (visit) => visit[name], set: (visit, value) => void (visit[name] = value) });
const byWho = (visit, own, others, childs) => ({ self: own, helper: others, guardian: childs })[visit.who ?? "self"];

/** What a helper is to somebody says nothing of what a guardian is. */
function setWho(visit, value) {
  if (visit.who !== value) {
    Object.assign(visit, { relation: null, answered: visit.answered.filter((id) => id !== "relation") });
  }
  visit.who = value;
}

const QUESTIONS = {
  who: () => ({ kind: "choice", title: _("您替谁求助？"), choices: whoElse(), ...holding("who"), set: setWho }),
  situations: (_visit, pack) => ({
    kind: "choices",
    title: _("遇到了什么难处？"),
    hint: _("可以选几样。选好了按“继续”。"),
    missing: _("请至少选一样；说不清就选“不知道找谁”。"),
    choices: situations(pack),
    ...holding("situations"),
  }),
  relation: (visit) => ({
    kind: "choice",
    title: byWho(visit, "", _("您是他（她）的什么人？"), _("您是孩子的什么人？")),
    choices: relations(visit.who),
    ...holding("relation"),
  }),
  helper: () => ({ kind: "text", title: _("您叫什么名字？"), hint: _("写您自己的名字。"), skip: _("不写"), ...holding("helper") }),
  number: (visit) => ({
    kind: "card",
    title: byWho(visit, _("请刷您的身份证"), _("请刷他（她）的身份证"), _("请刷孩子的身份证")),
    skip: _("没有身份证"),
    ...holding("number"),
  }),
  birth: (visit) => ({
    kind: "date",
    title: byWho(visit, _("您是哪一天出生的？"), _("他（她）是哪一天出生的？"), _("孩子是哪一天出生的？")),
    hint: _("写公历的年、月、日。不知道可以不写。"),
    skip: _("不知道"),
    ...holding("birth"),
  }),
  name: (visit) => ({
    kind: "text",
    title: byWho(visit, _("您叫什么名字？"), _("他（她）叫什么名字？"), _("孩子叫什么名字？")),
    hint: _("不会写，可以不写。"),
    skip: _("不写"),
    ...holding("name"),
  }),
  home: (visit, pack) => ({
    kind: "choice",
    title: byWho(visit, _("您家在哪里？"), _("他（她）家在哪里？"), _("孩子家在哪里？")),
    choices: [
      ...pack.divisions.map((each) => ({ value: each.code, label: each.name })),
      { value: ELSEWHERE, label: _("在别的地方") },
    ],
    ...holding("home"),
  }),
  words: () => ({
    kind: "words",
    title: _("您有什么难处？"),
    hint: _("用自己的话写几句。不会写，可以不写。"),
    skip: _("不写"),
    ...holding("words"),
  }),
  phone: (visit) => ({
    kind: "phone",
    title: visit.who === "self" ? _("打哪个电话找您？") : _("打哪个电话找您？（您自己的）"),
    skip: _("没有电话"),
    ...holding("phone"),
  }),
  papers: (_visit, pack) => ({
    kind: "papers",
    title: _("要拍照交材料吗？"),
    hint: _("没带没关系，以后再交。"),
    value: (visit) => photographs(visit, pack),
    set: () => null, // each is kept when it is taken
  }),
};

function factQuestion(name, pack) {
  const fact = pack.facts[name];
  const bounds = BOUNDS[name];
  const few = fact.kind === "number" && bounds && bounds[1] <= 4;
  const grades = few ? [1, 2, 3, 4].map((value) => ({ value, label: _("{grade} 级", { grade: value }) })) : undefined;
  const choices = fact.choices?.map((each) => ({ value: each.value, label: inLanguage(each) }));
  return {
    kind: few ? "choice" : fact.kind,
    title: inLanguage(fact, "question"),
    choices: grades ?? choices,
    hint: { money: _("写多少元。不知道可以不写。"), choices: _("可以选几样。选好了按“继续”。") }[fact.kind],
    skip: _("不知道"),
    bounds,
    isRecent: fact.kind === "date",
    value: (visit) => visit.facts[name],
    set: (visit, value) => (value === null ? delete visit.facts[name] : (visit.facts[name] = value)),
  };
}

/** As the calendar on the wall says it. */
export function localDay(at) {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai" }).format(at);
}

/** What is wrong with what was written, as a sentence, or null. `today` is a Date. */
export function fault(kind, written, today, bounds = [0, 9999]) {
  if (kind === "card") {
    const wrong = numberFault(normalised(written));
    if (wrong === "shape") return _("身份证号是 18 位，请再看一遍。");
    return wrong && _("身份证号有一位不对，请对着身份证再看一遍。");
  }
  if (kind === "phone") return MOBILE_OR_LANDLINE.test(written) ? null : _("电话号码不对：手机是 11 位，请再看一遍。");
  if (kind === "money") return YUAN.test(written) ? null : _("请写数字，比如 1200 或 1200.50。");
  if (kind === "number") {
    const right = /^[0-9]{1,4}$/.test(written) && +written >= bounds[0] && +written <= bounds[1];
    return right ? null : _("请写 {least} 到 {most} 之间的数字。", { least: bounds[0], most: bounds[1] });
  }
  if (kind === "date") {
    const day = new Date(`${written}T00:00:00Z`);
    const real = !Number.isNaN(+day) && day.toISOString().slice(0, 10) === written && day.getUTCFullYear() >= 1900;
    if (!real) return _("没有这一天，请再看一遍年、月、日。");
    return written > localDay(today) ? _("这一天还没有到，请再看一遍。") : null;
  }
  return written.trim() ? null : _("请写几个字，或者按下面的“不写”。");
}

/** As the check of answers shows it. */
export function shown(id, visit, pack) {
  const { kind, choices, value } = question(id, visit, pack);
  const given = value(visit);
  if (kind === "papers") return given.length ? _("已拍 {number} 张", { number: given.length }) : _("以后再交");
  if (given === null || given === undefined || given.length === 0) return _("没有写");
  if (kind === "choice") return choices.find((each) => each.value === given)?.label ?? _("没有写");
  if (kind === "choices") return inARow(choices.filter((each) => given.includes(each.value)).map((each) => each.label));
  if (kind === "card") return given.replace(/^(.{6})(.{8})/, "$1 $2 ");
  return kind === "money" ? _("{sum} 元", { sum: given }) : String(given);
}
