// From answers to the bodies that the service takes; pure.
import { asked, needs } from "/kiosk/questions.js";

/** The body of POST /v1/requests. `number` is one in stock or null; `at` a Date. */
export function requestBody(visit, pack, number, at) {
  const helped = visit.who !== "self";
  return {
    ...begun(pack, number, at),
    division_code: place(visit, pack),
    applicant: applicant(visit, pack),
    helper: helped ? present({ name: visit.helper, relation: visit.relation ?? "other", phone: visit.phone }) : null,
    facts: declared(visit, pack),
    needs: needs(visit, pack).map((code) => ({ code })),
    ...present({ narrative: asked(visit, pack).includes("words") ? visit.words : null }),
  };
}

/** The body of POST /v1/emergencies: what is known by now goes with it, and nothing is asked for. `what` is Chinese. */
export function emergencyBody(visit, pack, number, at, kind, what) {
  const person = applicant(visit, pack);
  return {
    ...begun(pack, number, at),
    what: `${what}（${pack.name}）`,
    where: `${pack.county_name}${pack.division_name} ${pack.name}`.slice(0, 200),
    division_code: pack.division_code,
    kind,
    ...(Object.keys(person).length > 1 ? { applicant: person } : {}),
    ...present({ caller_phone: visit.phone }),
  };
}

const begun = (pack, number, at) => ({
  channel: "kiosk",
  taken_at: at.toISOString(),
  ...(number ? { receipt_number: number.receipt_number } : {}),
});

function applicant(visit, pack) {
  const phone = visit.who === "self" ? visit.phone : null;
  const birth_date = asked(visit, pack).includes("birth") ? visit.birth : null;
  return { id_type: "resident_id", ...present({ name: visit.name, id_number: visit.number, birth_date, phone }) };
}

function declared(visit, pack) {
  const names = asked(visit, pack).filter((id) => id.startsWith("fact:")).map((id) => id.slice(5));
  return present(Object.fromEntries(names.map((name) => [name, visit.facts[name]])));
}

/** Where the home is; who lives in another county is helped from where the device stands. */
function place(visit, pack) {
  return pack.divisions.some((each) => each.code === visit.home) ? visit.home : pack.division_code;
}

function present(values) {
  const given = ([, value]) => value !== null && value !== undefined && value.length !== 0;
  return Object.fromEntries(Object.entries(values).filter(given));
}
