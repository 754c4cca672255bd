/** A new element: `element("button", {type: "button", onclick: act}, "words", another)`. Words are only ever text. */
export function element(name, given = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...inside.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

/** A button that does something here and sends no form. */
export function button(given, ...inside) {
  return element("button", { type: "button", ...given }, ...inside);
}

const SVG = "http://www.w3.org/2000/svg";

/** A drawing of one path; it says nothing by itself, the words beside it do. */
export function drawing(path, box, given = {}) {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  const all = { viewBox: box, "aria-hidden": "true", focusable: "false", ...given };
  for (const [key, value] of Object.entries(all)) svg.setAttribute(key, value);
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
