"use strict";

// The page keeps nothing: a token stays in this tab's session storage, transits only on screen. Who signed
// in has a cookie that no script reads; signing.js sets `session`.

const SURE = 0.9;
const STREAM_MAX = 50;
const MESSAGES = {
  401: "Chiave di accesso mancante o non valida, o sessione finita.",
  423: "La sessione è bloccata.",
  422: "Richiesta non ammessa: controllare targa, intervallo, comune, area, finalità e caso.",
  503: "L'hub non può rispondere ora; senza registrazione non si mostra nulla.",
};

const at = (id) => document.getElementById(id);

// Who is signed in; null for nobody, or who uses a token.
let session = null;
// Grows whenever the page is blanked: what was asked before is not shown any more.
let era = 0;
const rome = new Intl.DateTimeFormat("it-IT", {
  timeZone: "Europe/Rome", dateStyle: "short", timeStyle: "medium",
});
const percent = (part) => `${Math.floor(part * 100)} %`;

// Minutes by which Rome is ahead of UTC at a moment.
function romeOffset(moment) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: "Europe/Rome", hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).formatToParts(moment);
  const of = (type) => Number(parts.find((part) => part.type === type).value);
  const local = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return Math.round((local - Math.floor(moment.getTime() / 1000) * 1000) / 60000);
}

// The field holds Rome's wall clock, wherever the browser is. In the night when summer time ends an hour
// comes twice, and when it begins one is left out: a search then begins at the earlier of the moments that
// may be meant, and ends at the later.
function toUtc(wallClock, isEnd) {
  const asUtc = new Date(`${wallClock}Z`).getTime();
  const day = 24 * 3600 * 1000;
  const may = [asUtc - day, asUtc + day].map((near) => asUtc - romeOffset(new Date(near)) * 60000);
  const are = may.filter((moment) => moment + romeOffset(new Date(moment)) * 60000 === asUtc);
  const among = are.length > 0 ? are : may;
  return new Date(isEnd ? Math.max(...among) : Math.min(...among)).toISOString();
}

function toWallClock(moment) {
  return new Date(moment.getTime() + romeOffset(moment) * 60000).toISOString().slice(0, 19);
}

function grounds() {
  const form = at("grounds");
  if (!form.reportValidity()) return null;
  keepToken();
  return { purpose: at("purpose").value, case_reference: at("case").value.trim() };
}

function keepToken() {
  if (!session) sessionStorage.setItem("token", at("token").value.trim());
}

function mayAsk() {
  return session !== null || at("token").value.trim() !== "";
}

function authorised() {
  if (session) return { "X-Varco-Session": session.mark };
  return { Authorization: `Bearer ${at("token").value.trim()}` };
}

async function explain(response) {
  if (session && [401, 423].includes(response.status)) sessionChanged(response.status);
  const body = await response.json().catch(() => null);
  // The rule against misuse has words of its own.
  if (body?.needs_second_person) return body.needs_second_person.it;
  const what = MESSAGES[response.status] ?? `L'hub ha risposto ${response.status}.`;
  return body ? `${what} (${body.what_to_do})` : what;
}

function tell(id, text, isError = false) {
  at(id).textContent = text;
  at(id).classList.toggle("error", isError);
}

function showPlate(element, transit) {
  [...transit.plate].forEach((symbol, index) => {
    const candidates = transit.candidates[index] ?? [];
    const span = document.createElement("span");
    span.textContent = symbol;
    if (candidates.length > 0) {
      span.title = candidates.map((c) => `${c.symbol} ${percent(c.confidence)}`).join(", ");
      if (candidates[0].confidence < SURE) span.className = "unsure";
    }
    element.append(span);
  });
}

function doubts(transit) {
  const unsure = transit.candidates
    .map((candidates, index) => ({ candidates, place: index + 1 }))
    .filter(({ candidates }) => candidates.length > 0 && candidates[0].confidence < SURE)
    .map(({ candidates, place }) =>
      `${place}ª: ${candidates.map((c) => `${c.symbol} ${percent(c.confidence)}`).join(" o ")}`);
  const reads = `${transit.agreeing_reads} letture concordi su ${transit.reads}`;
  return unsure.length > 0 ? `${reads}; in dubbio ${unsure.join("; ")}` : reads;
}

function showReader(element, onboard) {
  if (!onboard) {
    element.textContent = "Varco";
    return;
  }
  element.textContent = `a bordo ${onboard.maker} ${onboard.device}`.trim();
  element.title = onboard.confidence_said === null
    ? "La telecamera non dichiara una certezza"
    : `Certezza dichiarata: ${onboard.confidence_said} su ${onboard.confidence_top}`;
  if (onboard.plate_said) {
    element.textContent += `; ha scritto ${onboard.plate_said}`;
  }
  if (onboard.unread.length > 0) {
    element.textContent += `; non letto: ${onboard.unread.map((at) => `${at}ª`).join(", ")}`;
  }
}

function show(transit) {
  const item = at("transit").content.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  // The guard corps gets no picture.
  if (transit.crop?.startsWith("data:image/jpeg;base64,")) part("img").src = transit.crop;
  else part("img").remove();
  showPlate(part(".plate"), transit);
  part(".doubt").textContent = doubts(transit);
  const time = part(".time");
  time.textContent = rome.format(new Date(transit.captured_at));
  time.title = `${transit.captured_at} (UTC), ± ${Math.ceil(transit.uncertainty_ms)} ms`;
  part(".gate").textContent = transit.gate;
  part(".gate").title = `Telecamera ${transit.camera}`;
  part(".sure").textContent = percent(transit.confidence);
  part(".country").textContent =
    transit.countries.map((c) => `${c.country} ${percent(c.confidence)}`).join(", ") || "non noto";
  if (transit.onboard === undefined) part(".reader").parentElement.remove();
  else showReader(part(".reader"), transit.onboard);
  if (transit.misread?.length > 0) {
    part(".misread").hidden = false;
    part(".misread").textContent = `Forse letta male: ${transit.misread.map(inItalian).join("; ")}`;
  }
  const correction = transit.corrections?.at(-1);
  if (correction) {
    part(".corrected").hidden = false;
    part(".corrected").textContent = `Corretta in ${correction.plate} da ${correction.by}: ${correction.reason}`;
    part(".corrected").title = `${correction.at} (UTC); letta ${transit.plate}`;
  }
  return item;
}

// One difference between what was read and what was searched.
function inItalian({ kind, position, searched, read, confidence }) {
  if (kind === "missed") return `${position}ª: ${searched} non letto`;
  if (kind === "too-many") return `${position}ª: ${read} letto in più`;
  const held = confidence === null ? ""
    : `; la telecamera riteneva possibile ${searched} (${Math.round(100 * confidence)} %)`;
  return `${position}ª: letto ${read}, cercato ${searched}${held}`;
}

// Which gates an area came to, and which it cannot say anything of.
function searched(area) {
  if (!area) return "";
  const gates = area.gates.length > 0
    ? ` Cercati i varchi ${area.gates.join(", ")}.`
    : " Nell'area non c'è nessun varco, quindi niente da trovare.";
  const without = area.gates_without_place;
  return without > 0 ? `${gates} Senza posizione, e non cercati: ${without}.` : gates;
}

// Whose transits go back less far than was asked.
function shorter(terms) {
  return (terms ?? []).map((one) =>
    ` ${one.municipality} conserva i transiti per ${one.term_hours} ore: cercati dal ${rome.format(new Date(one.searched_from))}.`).join("");
}

// Which gates were left out because the first level uses them.
function leftInUse(gates) {
  return gates?.length > 0 ? ` In uso al primo livello, non cercati: ${gates.join(", ")}.` : "";
}

// How near a search came to the rules against misuse.
function nearTo(near) {
  return (near ?? []).map((one) => ` ${one.it}`).join("");
}

let page = null;

async function lookUp(after) {
  tell("lookup-state", "Ricerca in corso…");
  const asked = era;
  const body = after ? { ...page.body, after } : page.body;
  try {
    const response = await fetch("/api/v1/lookups", {
      method: "POST",
      headers: { ...authorised(), "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) {
      const why = await explain(response);
      if (asked === era) tell("lookup-state", why, true);
      return;
    }
    const answer = await response.json();
    if (asked !== era) return;
    at("results").append(...answer.results.map(show));
    page.shown += answer.results.length;
    page.next = answer.next;
    at("more").hidden = !answer.next;
    const broken = answer.broken > 0 ? ` ${answer.broken} con sigillo guasto, non mostrati.` : "";
    tell("lookup-state",
      `${page.shown} di ${answer.total} transiti. Registrata alla riga ${answer.audit_line}.${searched(answer.area)}${shorter(answer.shorter_terms)}${leftInUse(answer.in_use)}${leftOut(answer.left_out)}${broken}${nearTo(answer.near)}`,
      answer.broken > 0);
  } catch {
    if (asked === era) tell("lookup-state", "L'hub non è raggiungibile.", true);
  }
}

at("lookup").addEventListener("submit", (event) => {
  event.preventDefault();
  const why = grounds();
  if (!why) return;
  const rectangle = chosenArea();
  at("results").replaceChildren();
  at("more").hidden = true;
  page = {
    shown: 0,
    next: null,
    body: {
      ...why, plate: at("plate").value, from: toUtc(at("from").value, false),
      to: toUtc(at("to").value, true),
      fold: at("fold").checked, misread: at("misread").checked,
      oldest_first: at("route").checked, limit: 50,
      area: rectangle ? { rectangle } : null,
      municipalities: at("municipality").value.trim() ? [at("municipality").value.trim()] : [],
    },
  };
  lookUp(null);
});

at("more").addEventListener("click", () => lookUp(page.next));

let watching = null;

function stopLive(text, isError = false) {
  watching?.abort();
  watching = null;
  at("live").textContent = "Avvia";
  at("live").setAttribute("aria-pressed", "false");
  tell("live-state", text, isError);
}

// One server-sent event, field by field.
function fieldsOf(text) {
  const lines = text.split("\n");
  return (name) => lines.filter((line) => line.startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trimStart()).join("\n");
}

function takeEvent(field) {
  if (field("event") === "lagged") tell("live-state", `In ascolto; ${field("data")} saltati.`);
  if (field("event") === "in-use") {
    const { gates } = JSON.parse(field("data"));
    tell("live-state", gates.length > 0 ? `In ascolto; in uso al primo livello, non mostrati: ${gates.join(", ")}.` : "In ascolto.");
  }
  if (field("event") !== "transit") return;
  at("stream").prepend(show(JSON.parse(field("data"))));
  while (at("stream").children.length > STREAM_MAX) at("stream").lastElementChild.remove();
}

// EventSource cannot send the token, so the stream is read by hand.
async function readEvents(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    events.forEach((event) => take(fieldsOf(event)));
  }
}

at("live").addEventListener("click", async () => {
  if (watching) {
    stopLive("Fermo.");
    return;
  }
  const why = grounds();
  if (!why) return;
  const mine = new AbortController();
  watching = mine;
  at("live").textContent = "Ferma";
  at("live").setAttribute("aria-pressed", "true");
  tell("live-state", "In ascolto. L'apertura e la chiusura sono registrate.");
  try {
    const response = await fetch(`/api/v1/transits/live?${new URLSearchParams(why)}`, {
      headers: authorised(), signal: mine.signal,
    });
    if (!response.ok) {
      const why = await explain(response);
      if (watching === mine) stopLive(why, true);
      return;
    }
    await readEvents(response, (field) => { if (watching === mine) takeEvent(field); });
    if (watching === mine) stopLive("La diretta è finita.", true);
  } catch {
    if (watching === mine) stopLive("La diretta si è interrotta.", true);
  }
});

// The last six hours.
function setTimes() {
  const now = Date.now();
  at("to").value = toWallClock(new Date(now + 3600 * 1000));
  at("from").value = toWallClock(new Date(now - 6 * 3600 * 1000));
}

setTimes();
