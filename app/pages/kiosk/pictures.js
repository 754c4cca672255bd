import { drawing } from "/kiosk/element.js";

// Drawn on 48 by 48, as lines.
const FLAME = "M24 3c2 8 11 11 11 21a11 11 0 0 1-22 0c0-5 3-8 5-11 1 3 2 5 4 5 2-5 0-10 2-15z";
const BOWL = "M5 24h38c0 8-4 14-11 16H16C9 38 5 32 5 24zM19 19 31 4M27 19 40 7";
const BUBBLE = "M5 6h38v28H23l-10 9v-9H5zM18 16a6 6 0 1 1 8 6c-2 1-2 2-2 4M24 30v.1";
const HAND =
  "M13 27V13a3 3 0 0 1 6 0v9V8a3 3 0 0 1 6 0v13V9a3 3 0 0 1 6 0v13-8a3 3 0 0 1 6 0v17c0 8-5 13-12 13-6 0-9-3-12-8l-6-9c1-3 5-3 7-1z";
const PATHS = {
  ill: "M4 12v28M4 34h40v6M44 34v-5a7 7 0 0 0-7-7H19v12M15 24a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM32 4v12M26 10h12",
  no_food: BOWL,
  house: "M4 23 24 6l20 17M10 19v23h28V19M26 13l-6 9 7 5-6 7 3 8",
  school: "M24 9 3 18l21 9 21-9zM12 23v11c6 5 18 5 24 0V23M45 18v14",
  disabled: "M22 7a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM18 14v15h13l6 12M18 20h11M14 23a11 11 0 1 0 16 13",
  old: "M24 7a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM19 14c-4 3-5 9-4 15l-3 14M15 29l8 5 1 9M19 17l6 7 7 1M34 23v20",
  lost_work: "M5 16h38v25H5zM17 16V9h14v7M18 23l12 12M30 23 18 35",
  disaster: `${FLAME}M3 41c4-4 7-4 11 0s7 4 11 0 7-4 11 0 6 3 9 1`,
  violence: HAND,
  unknown: BUBBLE,
  fire: FLAME,
  illness: "M24 42C12 33 5 26 5 17A9 9 0 0 1 24 13a9 9 0 0 1 19 4c0 9-7 16-19 25zM9 24h8l4-7 5 13 4-6h9",
  child: "M29 10a5 5 0 1 1-10 0 5 5 0 0 1 10 0zM24 17v13M13 21l11-2 11 2M24 30l-7 13M24 30l7 13",
  homeless: "M33 5a10 10 0 1 0 8 15A12 12 0 0 1 33 5zM4 32h32v4H4zM9 36v7M31 36v7M10 32v-6h20v6M9 8v10M4 13h10",
  hunger: BOWL,
  undetermined: BUBBLE,
  self: "M32 13a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM8 43c0-10 7-16 16-16s16 6 16 16",
  helper: "M21 13a6 6 0 1 1-12 0 6 6 0 0 1 12 0zM39 13a6 6 0 1 1-12 0 6 6 0 0 1 12 0zM3 41c0-9 5-15 12-15 4 0 7 2 9 5 2-3 5-5 9-5 7 0 12 6 12 15",
  guardian: "M23 11a6 6 0 1 1-12 0 6 6 0 0 1 12 0zM5 43c0-12 4-19 12-19 6 0 9 4 11 9M40 25a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM28 43c0-7 3-11 8-11s8 4 8 11",
  card: "M4 9h40v30H4zM20 19a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM10 32c0-4 3-6 6-6s6 2 6 6M28 18h10M28 25h10M28 32h6",
  alarm: "M24 5 3 42h42zM24 18v12M24 36v.1",
  sound: "M5 18v12h8l11 9V9l-11 9zM31 17c3 4 3 10 0 14M37 11c7 8 7 18 0 26",
  size: "M4 40 15 10h2l11 30M8 30h16M30 24h14M37 17v14",
  contrast: "M24 5a19 19 0 1 0 0 38zM24 5a19 19 0 0 1 0 38",
  back: "M28 8 12 24l16 16M12 24h30",
  camera: "M5 14h9l4-6h12l4 6h9v27H5zM32 27a8 8 0 1 1-16 0 8 8 0 0 1 16 0z",
  phone: "M12 5h7l4 11-5 4c2 5 5 8 10 10l4-5 11 4v7c0 4-4 7-8 7C19 43 5 29 5 13c0-4 3-8 7-8z",
  print: "M14 17V5h20v12M14 35H5V17h38v18h-9M14 28h20v15H14z",
  done: "M6 25l12 12L42 11",
};

export function picture(name) {
  return drawing(PATHS[name] ?? PATHS.unknown, "0 0 48 48", { class: `picture ${name}` });
}
