"use strict";

// What waits for somebody to decide, what is unlocked, and asking. Uses what page.js defines.

const REQUESTS_AGAIN_MS = 30000;
const FOR = {
  admission: "Accesso di secondo livello",
  maintenance: "Manutenzione in presenza",
  extraction: "Estrazione",
  "case-closing": "Chiusura di un fascicolo",
  "early-deletion": "Cancellazione anticipata",
  "policy-widening": "Ampliamento delle regole",
  "second-look": "Ricerca fermata: serve una seconda persona",
  "block-lifting": "Rimozione di un blocco",
};
const REQUEST_STATE = {
  waiting: "in attesa", approved: "concessa", refused: "respinta", used: "usata", expired: "scaduta",
  withdrawn: "ritirata", "taken-back": "revocata", over: "finita",
};

// What a request is about, in words.
function aboutOf({ subject }) {
  const transits = (all) => `${all.length} transiti`;
  switch (subject.for) {
    case "admission": return `${subject.body} nei varchi di ${subject.municipality}, accordo ${subject.agreement}`;
    case "maintenance":
      return `varchi ${subject.gates.join(", ")}; dichiarazione di segretezza: ${subject.secrecy}`;
    case "extraction": return `${subject.reference}, per ${subject.recipient}: ${transits(subject.transits)}`;
    case "case-closing": return `fascicolo ${subject.case}`;
    case "early-deletion": return `${subject.request}, ${subject.municipality}: ${transits(subject.transits)}`;
    case "second-look": return `${subject.plate ?? "targa riservata"}, ${subject.case_reference}`;
    case "block-lifting": return `${subject.order}: ${transits(subject.transits)}`;
    default: return subject.policy ?? "";
  }
}

// Gives null too where the page was blanked meanwhile.
async function sendRequest(path, body) {
  const asked = era;
  try {
    const response = await fetch(`/api/v1/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { ...authorised(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) {
      const why = await explain(response);
      if (asked === era) tell("requests-state", why, true);
      return null;
    }
    const answer = response.status === 204 ? {} : await response.json();
    return asked === era ? answer : null;
  } catch {
    if (asked === era) tell("requests-state", "L'hub non è raggiungibile.", true);
    return null;
  }
}

async function doAndShow(path, body, done) {
  if (await sendRequest(path, body) === null) return;
  await loadRequests();
  tell("requests-state", done);
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function showRequest(request, acts) {
  const item = at("request").content.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  part(".what").textContent = FOR[request.subject.for] ?? request.subject.for;
  part(".about").textContent = aboutOf(request);
  part(".why").textContent = request.reason;
  part(".by").textContent = `${request.asked_by} (${request.body})`;
  part(".time").textContent = rome.format(new Date(request.asked_at));
  part(".lasts").textContent = `${request.minutes} min`;
  const ends = request.state === "waiting" ? request.waits_until : request.until;
  const until = ends ? `, fino al ${rome.format(new Date(ends))}` : "";
  part(".state").textContent = `${REQUEST_STATE[request.state] ?? request.state}${until}`;
  const said = request.decisions.map((one) =>
    `${one.approves ? "Concede" : "Respinge"} ${one.by} (${one.body})${one.note ? `: ${one.note}` : ""}`);
  part(".said").textContent = said.join("; ");
  part(".acts").append(...acts);
  return item;
}

function decisionsOf(request) {
  const say = (approve, done) => () => {
    const note = at("request-note").value.trim();
    doAndShow(`approvals/${request.id}/decision`, { approve, note }, done);
  };
  return [button("Concedi", say(true, "Concessa.")), button("Respingi", say(false, "Respinta."))];
}

function endingOf(request) {
  return button("Revoca", () => doAndShow(`approvals/${request.id}/ending`, {}, "Revocata."));
}

function withdrawalOf(request) {
  return button("Ritira", () => doAndShow(`approvals/${request.id}/withdrawal`, {}, "Ritirata."));
}

function fill(id, items, none) {
  at(id).replaceChildren(...items);
  at(`${id}-none`).textContent = items.length > 0 ? "" : none;
}

async function loadRequests() {
  const answer = await sendRequest("approvals");
  if (!answer) return;
  await addPlates(answer.to_decide);
  fill("to-decide", answer.to_decide.map((one) => showRequest(one, decisionsOf(one))), "Niente da decidere.");
  fill("unlocked", answer.unlocked.map((one) => showRequest(one, [endingOf(one)])), "Niente di concesso ora.");
  fill("asked", answer.asked.map((one) => showRequest(one, one.state === "waiting" ? [withdrawalOf(one)] : [])),
    "Nessuna richiesta propria.");
  tell("requests-state", `Da decidere: ${answer.to_decide.length}. Aggiornate: ${rome.format(new Date())}.`);
  await loadNotices();
}

// The plates of searches that were stopped, for whoever decides about them; the hub notes that they were shown.
async function addPlates(requests) {
  if (!requests.some(({ subject }) => subject.for === "second-look")) return;
  const response = await fetch("/api/v1/second-looks", { headers: authorised() }).catch(() => null);
  if (!response?.ok) return;
  const { second_looks: looks } = await response.json();
  for (const { id, subject } of requests) subject.plate = looks.find(({ approval }) => approval === id)?.plate;
}

// Only whoever answers for a body is told; to the others the hub says no.
async function loadNotices() {
  const asked = era;
  const response = await fetch("/api/v1/notices", { headers: authorised() }).catch(() => null);
  if (!response?.ok) {
    at("notices").replaceChildren();
    return;
  }
  const { notices } = await response.json();
  if (asked !== era) return;
  at("notices").replaceChildren(...notices.map(({ approval }) => showRequest(approval, [
    button("Letto", () => doAndShow(`notices/${approval.id}/reading`, {}, "Avviso letto.")),
  ])));
}

function askedSubject() {
  const text = (id) => at(id).value.trim();
  if (at("ask-for").value === "maintenance") {
    const gates = text("ask-gates").split(/[\s,]+/).filter((gate) => gate !== "");
    const subject = { for: "maintenance", gates, secrecy: text("ask-secrecy") };
    return text("ask-municipality") ? { ...subject, municipality: text("ask-municipality") } : subject;
  }
  return { for: "admission", agreement: text("ask-agreement"), municipality: text("ask-municipality") };
}

function showAskFields() {
  const isMaintenance = at("ask-for").value === "maintenance";
  document.querySelectorAll("#ask [data-for]").forEach((label) => {
    label.hidden = (label.dataset.for === "maintenance") !== isMaintenance;
  });
  at("ask-minutes").max = isMaintenance ? 240 : 720;
}

at("ask-for").addEventListener("change", showAskFields);
showAskFields();

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken();
  const body = {
    subject: askedSubject(), reason: at("ask-reason").value.trim(), minutes: Number(at("ask-minutes").value),
  };
  doAndShow("approvals", body, "Richiesta inviata: un'altra persona deve decidere.");
});

at("use-gates").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken();
  const gates = at("used-gates").value.split(/[\s,]+/).filter((gate) => gate !== "");
  const free = event.submitter?.value === "free";
  const minutes = Number(at("used-minutes").value);
  if (free) doAndShow("gate-claims/ending", { gates }, "Varchi liberati.");
  else doAndShow("gate-claims", { gates, minutes }, `In uso per ${minutes} minuti: il secondo livello non li vede.`);
});

at("requests-load").addEventListener("click", () => {
  keepToken();
  loadRequests();
});

// While the section is open it stays up to date.
setInterval(() => {
  if (at("requests-section").open && mayAsk() && !at("work").hidden) loadRequests();
}, REQUESTS_AGAIN_MS);
at("requests-section").addEventListener("toggle", () => {
  if (at("requests-section").open && mayAsk()) loadRequests();
});
