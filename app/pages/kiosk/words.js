// What is called how on the device: situations, emergencies, who somebody is. Never a department's name.
import { _, inChinese } from "/kiosk/texts.js";

const SITUATIONS = {
  ill: () => _("生病了，看不起病"),
  no_food: () => _("没钱吃饭"),
  house: () => _("房子坏了"),
  school: () => _("孩子上学难"),
  disabled: () => _("残疾"),
  old: () => _("年老没人照顾"),
  lost_work: () => _("没了工作"),
  disaster: () => _("火灾、水灾"),
  violence: () => _("挨打、受欺负"),
  unknown: () => _("不知道找谁"),
};
const EMERGENCIES = {
  fire: () => _("着火了"),
  illness: () => _("有人病危、重伤"),
  violence: () => _("有人打人、伤人"),
  child: () => _("孩子没人管、有危险"),
  disaster: () => _("水灾、塌房、被困"),
  homeless: () => _("天冷没地方住"),
  hunger: () => _("断粮了，没饭吃"),
  undetermined: () => _("说不清"),
};
const RELATIONS = {
  child: () => _("儿子、女儿"),
  spouse: () => _("丈夫、妻子"),
  relative: () => _("亲戚"),
  neighbour: () => _("邻居、朋友"),
  village_worker: () => _("村（社区）干部"),
  other: () => _("其他人"),
};
const GUARDIANS = {
  mother: () => _("妈妈"),
  father: () => _("爸爸"),
  grandparent: () => _("爷爷奶奶、外公外婆"),
  guardian: () => _("其他监护人"),
};
const HOTLINES = { 120: () => _("急救"), 110: () => _("报警"), 119: () => _("火警") };

const listed = (words) => Object.entries(words).map(([value, label]) => ({ value, label: label(), picture: value }));
const plain = (words) => listed(words).map(({ value, label }) => ({ value, label }));

/** `chinese`: as it is sent; who is to help reads Chinese. */
export const emergencies = () => listed(EMERGENCIES).map((each) => ({ ...each, chinese: inChinese(EMERGENCIES[each.value]) }));
export const relations = (who) => plain(who === "guardian" ? GUARDIANS : RELATIONS);
export const hotlines = () => Object.entries(HOTLINES).reverse().map(([number, label]) => ({ number, label: label() }));
export const whoElse = () => [
  { value: "self", label: _("我自己"), picture: "self" },
  { value: "helper", label: _("我替别人"), picture: "helper" },
  { value: "guardian", label: _("我替孩子"), picture: "guardian" },
];

/** Those that the service knows, in its order. */
export function situations(pack) {
  const known = pack.situations.map((each) => each.code).filter((code) => SITUATIONS[code]);
  return known.map((value) => ({ value, label: SITUATIONS[value](), picture: value }));
}
