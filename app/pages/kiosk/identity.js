// Identity numbers of GB 11643-1999, and what card readers that act as keyboards type; pure.
const SHAPE = /^[0-9]{17}[0-9X]$/;
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK = "10X98765432";

export function normalised(number) {
  return number.replace(/[\s-]/g, "").toUpperCase();
}

/** What is wrong with a normalised number: "shape", "birth_date", "check_digit", or null. Whether somebody is born yet is
 * for the service to say: a device's clock may stand in the past. */
export function numberFault(number) {
  if (!SHAPE.test(number)) return "shape";
  const written = number.slice(6, 14);
  const born = new Date(Date.UTC(+written.slice(0, 4), +written.slice(4, 6) - 1, +written.slice(6)));
  if (born.toISOString().slice(0, 10).replaceAll("-", "") !== written) return "birth_date";
  const sum = WEIGHTS.reduce((total, weight, at) => total + weight * +number[at], 0);
  return CHECK[sum % 11] === number[17] ? null : "check_digit";
}

/** The day of birth that a right number says, YYYY-MM-DD. */
export function bornBy(number) {
  return number.replace(/^.{6}(.{4})(.{2})(.{2}).*$/, "$1-$2-$3");
}

/** Whole years from one day to another, both YYYY-MM-DD; null before the first. */
export function age(born, day) {
  const [years, rest] = [+day.slice(0, 4) - +born.slice(0, 4), day.slice(5) < born.slice(5) ? 1 : 0];
  return years >= rest ? years - rest : null;
}

/** What a reader typed, `number` or `name,number` in any order: {number, name}, or null if no card number is in it. */
export function readCard(typed) {
  const parts = typed.split(/[,;|\t^]/).map((part) => part.trim()).filter(Boolean);
  const number = parts.map(normalised).find((part) => SHAPE.test(part));
  if (!number) return null;
  const name = parts.find((part) => /^[\u4e00-\u9fff·]{2,20}$/.test(part));
  return { number, name: name ?? null };
}

/** Collects keys; a reader types faster than a hand and ends with Enter. `milliseconds` is the event's time. */
export class Burst {
  constructor(longestGap = 60, least = 15) {
    Object.assign(this, { longestGap, least, typed: "", last: -Infinity });
  }

  /** The burst that this key ends, or null. */
  key(key, milliseconds) {
    const slow = milliseconds - this.last > this.longestGap;
    this.last = milliseconds;
    if (key === "Enter") {
      const whole = !slow && this.typed.length >= this.least ? this.typed : null;
      this.typed = "";
      return whole;
    }
    if (slow) this.typed = "";
    if (key.length === 1) this.typed += key;
    else if (key === "Tab" && this.typed) this.typed += "\t";
    return null;
  }
}
