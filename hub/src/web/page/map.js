"use strict";

// The gates on a map without tiles, and the area of a lookup. Uses what page.js defines.

const MAP = { width: 720, height: 440, margin: 48 };
// A view is never narrower: one gate alone, or some at one crossing.
const SPAN_MIN_M = 400;
// A shorter drag was a click.
const DRAG_MIN = 6;
const LABEL = { height: 14, perSymbol: 7.2, gap: 9 };
const SIDES = ["south", "west", "north", "east"];

const map = at("map");
let gates = null;
let view = null;
let drag = null;

// Metres of a degree at a latitude, on the ellipsoid of WGS84.
function metresOfDegree(latitude) {
  const angle = (latitude * Math.PI) / 180;
  return {
    north: 111132.95 - 559.82 * Math.cos(2 * angle) + 1.175 * Math.cos(4 * angle),
    east: 111412.84 * Math.cos(angle) - 93.5 * Math.cos(3 * angle) + 0.118 * Math.cos(5 * angle),
  };
}

// What stands somewhere: gates, and cameras that stand apart from theirs.
function spots() {
  const found = [];
  for (const gate of gates ?? []) {
    if (gate.place) found.push({ name: gate.id, place: gate.place, gate: gate.id });
    for (const camera of gate.cameras) {
      if (!camera.place) continue;
      const name = `${gate.id}, telecamera ${camera.id}`;
      found.push({ name, place: camera.place, gate: gate.id, apart: true });
    }
  }
  return found;
}

// A view with its middle and the metres of a degree there; in each direction as many metres a unit.
function viewOf({ south, west, north, east }) {
  const middle = { latitude: (south + north) / 2, longitude: (west + east) / 2 };
  const metres = metresOfDegree(middle.latitude);
  const wide = Math.max((east - west) * metres.east, SPAN_MIN_M);
  const high = Math.max((north - south) * metres.north, SPAN_MIN_M);
  const room = { width: MAP.width - 2 * MAP.margin, height: MAP.height - 2 * MAP.margin };
  const metresAUnit = Math.max(wide / room.width, high / room.height);
  return { middle, metres, metresAUnit };
}

function viewOfAll() {
  const places = spots().map((spot) => spot.place);
  const latitudes = places.map((place) => place.latitude);
  const longitudes = places.map((place) => place.longitude);
  return viewOf({
    south: Math.min(...latitudes), west: Math.min(...longitudes),
    north: Math.max(...latitudes), east: Math.max(...longitudes),
  });
}

function toUnits({ latitude, longitude }) {
  const { middle, metres, metresAUnit } = view;
  return {
    x: MAP.width / 2 + ((longitude - middle.longitude) * metres.east) / metresAUnit,
    y: MAP.height / 2 - ((latitude - middle.latitude) * metres.north) / metresAUnit,
  };
}

function toPlace({ x, y }) {
  const { middle, metres, metresAUnit } = view;
  return {
    latitude: middle.latitude + ((MAP.height / 2 - y) * metresAUnit) / metres.north,
    longitude: middle.longitude + ((x - MAP.width / 2) * metresAUnit) / metres.east,
  };
}

// The four fields; null when they are empty, and what is not a number yet is left to the form.
function chosenArea() {
  const values = SIDES.map((side) => at(side).value);
  if (values.some((value) => value === "")) return null;
  return Object.fromEntries(SIDES.map((side, index) => [side, Number(values[index])]));
}

function isInside(place, area) {
  return place.latitude >= area.south && place.latitude <= area.north
    && place.longitude >= area.west && place.longitude <= area.east;
}

function draw(name, attributes, text) {
  // The page's own drawing says what elements of a drawing are.
  const element = document.createElementNS(map.namespaceURI, name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  if (text) element.textContent = text;
  return element;
}

function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

// A label where it covers no dot and no other label; none when there is no room, the list has it.
function label(spot, { x, y }, taken) {
  const width = spot.gate.length * LABEL.perSymbol;
  const places = [
    { x: x + LABEL.gap, y: y - LABEL.height / 2 },
    { x: x - LABEL.gap - width, y: y - LABEL.height / 2 },
    { x: x - width / 2, y: y - LABEL.gap - LABEL.height },
    { x: x - width / 2, y: y + LABEL.gap },
  ];
  const fits = (box) => box.x >= 0 && box.x + width <= MAP.width
    && box.y >= 0 && box.y + LABEL.height <= MAP.height - 30 && !taken.some((other) => overlap(box, other));
  const box = places.map((place) => ({ ...place, width, height: LABEL.height })).find(fits);
  if (!box) return null;
  taken.push(box);
  return draw("text", { x: box.x, y: box.y + LABEL.height - 3 }, spot.gate);
}

// A round number of metres that is at most a quarter of the view.
function drawScale() {
  const most = (MAP.width / 4) * view.metresAUnit;
  const power = 10 ** Math.floor(Math.log10(most));
  const metres = [5, 2, 1].map((step) => step * power).find((step) => step <= most);
  const width = metres / view.metresAUnit;
  const text = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
  const [x, y] = [16, MAP.height - 14];
  return [
    draw("path", { class: "scale", d: `M ${x} ${y - 5} v 5 h ${width} v -5` }),
    draw("text", { x: x + width + 8, y: y + 2 }, text),
    draw("text", { x: MAP.width - 34, y: 22 }, "N ↑"),
  ];
}

function drawArea(area) {
  const from = toUnits({ latitude: area.north, longitude: area.west });
  const to = toUnits({ latitude: area.south, longitude: area.east });
  return draw("rect", {
    class: "area", x: from.x, y: from.y,
    width: Math.max(0, to.x - from.x), height: Math.max(0, to.y - from.y),
  });
}

function drawMap() {
  if (!view) return;
  const area = chosenArea();
  const shown = spots().map((spot) => ({ spot, where: toUnits(spot.place) }))
    .filter(({ where }) => where.x >= 0 && where.x <= MAP.width && where.y >= 0 && where.y <= MAP.height);
  const taken = shown.map(({ where }) => ({ x: where.x - 6, y: where.y - 6, width: 12, height: 12 }));
  const marks = shown.flatMap(({ spot, where }) => {
    const inside = area && isInside(spot.place, area) ? " inside" : "";
    const dot = draw("circle", { class: `gate${inside}`, cx: where.x, cy: where.y, r: spot.apart ? 4 : 6 });
    dot.append(draw("title", {}, spot.name));
    const text = spot.apart ? null : label(spot, where, taken);
    return text ? [dot, text] : [dot];
  });
  const children = [...drawScale(), ...marks];
  if (area) children.unshift(drawArea(area));
  map.replaceChildren(at("map-title"), ...children);
}

const count = (number, one, many) => (number === 1 ? `1 ${one}` : `${number} ${many}`);

function tellArea() {
  const values = SIDES.map((side) => at(side).value);
  const begun = values.some((value) => value !== "");
  SIDES.forEach((side) => { at(side).required = begun; });
  if (begun) at("area").open = true;
  // Closed again, it holds all the same.
  at("area-summary").textContent = begun ? "Area sulla mappa: limita la ricerca" : "Area sulla mappa";
  const area = chosenArea();
  if (!gates) return;
  const without = gates.filter((gate) =>
    !gate.place && (gate.cameras.length === 0 || gate.cameras.some((camera) => !camera.place))).length;
  const missing = without > 0
    ? ` ${count(without, "varco è senza posizione e non viene cercato", "varchi sono senza posizione e non vengono cercati")}.`
    : "";
  if (!area) {
    tell("area-state", `Trascinare un rettangolo sulla mappa, o scrivere i quattro lati.${missing}`);
    return;
  }
  if (area.south >= area.north || area.west >= area.east) {
    tell("area-state", "Il lato sud sta sotto il nord, e l'ovest a sinistra dell'est.", true);
    return;
  }
  const inside = new Set(spots().filter((spot) => isInside(spot.place, area)).map((spot) => spot.gate));
  const list = inside.size > 0 ? `Nell'area: ${[...inside].join(", ")}.` : "Nessun varco nell'area.";
  tell("area-state", list + missing);
}

function setArea(area) {
  SIDES.forEach((side) => { at(side).value = area ? area[side] : ""; });
  drawMap();
}

// The names to choose from; whoever knows a name may write it without them.
async function loadMunicipalities() {
  if (gates || !mayAsk()) return;
  try {
    const response = await fetch("/api/v1/gates", { headers: authorised() });
    if (response.ok) takeGates((await response.json()).gates);
  } catch {
    // The lookup itself says that the hub is away.
  }
}

function takeGates(told) {
  gates = told;
  const names = new Set(gates.map((gate) => gate.municipality).filter(Boolean));
  at("municipalities").replaceChildren(...[...names].sort().map((name) => new Option(name, name)));
}

async function loadGates() {
  if (!at("area").open) return;
  if (gates) {
    showGates();
    return;
  }
  if (!mayAsk()) {
    tell("area-state", "Per vedere i varchi serve la chiave di accesso.", true);
    return;
  }
  try {
    const response = await fetch("/api/v1/gates", { headers: authorised() });
    if (!response.ok) {
      tell("area-state", await explain(response), true);
      return;
    }
    takeGates((await response.json()).gates);
  } catch {
    tell("area-state", "L'hub non è raggiungibile.", true);
    return;
  }
  showGates();
}

function showGates() {
  if (!map.hasAttribute("hidden")) return;
  tellArea();
  if (spots().length === 0) {
    tell("area-state", "Di nessun varco è nota la posizione: la dice chi gestisce il centro.", true);
    return;
  }
  view = viewOfAll();
  at("map-tools").hidden = false;
  map.removeAttribute("hidden");
  drawMap();
}

function unitsOf(event) {
  const box = map.getBoundingClientRect();
  const within = (part, whole) => Math.min(Math.max(part, 0), whole);
  return {
    x: within(((event.clientX - box.left) / box.width) * MAP.width, MAP.width),
    y: within(((event.clientY - box.top) / box.height) * MAP.height, MAP.height),
  };
}

// Five decimals of a degree are a metre.
function areaBetween(a, b) {
  const [one, other] = [toPlace(a), toPlace(b)];
  const round = (degrees) => Number(degrees.toFixed(5));
  return {
    south: round(Math.min(one.latitude, other.latitude)),
    west: round(Math.min(one.longitude, other.longitude)),
    north: round(Math.max(one.latitude, other.latitude)),
    east: round(Math.max(one.longitude, other.longitude)),
  };
}

map.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  event.preventDefault();
  map.setPointerCapture(event.pointerId);
  drag = unitsOf(event);
});

map.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const here = unitsOf(event);
  if (Math.hypot(here.x - drag.x, here.y - drag.y) >= DRAG_MIN) setArea(areaBetween(drag, here));
});

// Told at the end alone: a text that grows or shrinks would move the map under the pointer.
["pointerup", "pointercancel"].forEach((end) => map.addEventListener(end, () => {
  drag = null;
  tellArea();
}));

SIDES.forEach((side) => {
  at(side).addEventListener("input", () => {
    tellArea();
    drawMap();
  });
  // The browser points only at a field that can be seen.
  at(side).addEventListener("invalid", () => { at("area").open = true; });
});

at("area").addEventListener("toggle", loadGates);
at("municipality").addEventListener("focus", loadMunicipalities);
at("token").addEventListener("change", loadGates);
at("area-clear").addEventListener("click", () => {
  setArea(null);
  tellArea();
});
at("map-all").addEventListener("click", () => {
  view = viewOfAll();
  drawMap();
});
at("map-closer").addEventListener("click", () => {
  const area = chosenArea();
  if (area && area.south < area.north && area.west < area.east) view = viewOf(area);
  drawMap();
});
