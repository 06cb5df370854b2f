"use strict";

// Alerts as they are raised. Uses what page.js defines.

const ALERTS_MAX = 40;
const AGAIN_MS = 3000;
const OUTCOMES = {
  confirmed: "Confermato",
  misread: "Letta male",
  "other-vehicle": "Altro veicolo",
  "no-longer-wanted": "Non più ricercato",
};
const TRAVEL = { in: "in entrata", out: "in uscita" };
const DIRECTION = { towards: "verso la telecamera", away: "in allontanamento" };

let listening = null;
let newest = 0;
let unanswered = 0;

function countOpen(change) {
  unanswered = Math.max(0, unanswered + change);
  document.title = unanswered > 0 ? `(${unanswered}) Varco` : "Varco";
}

function beep(priority) {
  if (!at("sound").checked) return;
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = priority >= 80 ? 880 : 587;
  volume.gain.setValueAtTime(0.2, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.6);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.6);
  tone.onended = () => audio.close();
}

function marked(element, text, places) {
  [...text].forEach((symbol, index) => {
    const span = document.createElement("span");
    span.textContent = symbol;
    if (places.includes(index + 1)) span.className = "unsure";
    element.append(span);
  });
}

function delayed(seconds) {
  if (seconds < 60) return "";
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return `; arrivato dopo ${hours > 0 ? `${hours} h ` : ""}${minutes} min`;
}

function showOutcome(item, alert) {
  if (!alert.acknowledged) return;
  item.classList.add("done");
  item.querySelectorAll("button").forEach((button) => { button.hidden = true; });
  const { by, at: when, outcome } = alert.acknowledged;
  item.querySelector(".came").textContent =
    `${OUTCOMES[outcome] ?? outcome}, ${by}, ${rome.format(new Date(when))}`;
}

function alertItem(alert) {
  const item = at("alert").content.cloneNode(true).firstElementChild;
  const part = (selector) => item.querySelector(selector);
  const places = alert.differences.map((difference) => difference.place);
  if (alert.priority >= 80) item.classList.add("urgent");
  part(".what").textContent = `${alert.list_name} · ${alert.reason} · priorità ${alert.priority}`;
  marked(part(".listed"), alert.listed, places);
  marked(part(".read"), alert.read, places);
  part(".doubt").textContent = alert.kind === "near"
    ? `Forse letta male: ${percent(alert.share)} che sia quella ricercata. Confrontare l'immagine.`
    : `Lettura certa al ${percent(alert.share)}.`;
  part(".note").textContent = alert.note ?? "";
  part(".time").textContent = rome.format(new Date(alert.captured_at)) + delayed(alert.delay_s);
  part(".owner").textContent = alert.owner;
  const transit = alert.transit ?? alert.passed;
  if (transit) {
    if (transit.crop?.startsWith("data:image/jpeg;base64,")) part("img").src = transit.crop;
    else part("img").remove();
    part(".gate").textContent = transit.gate;
    part(".gate").title = `Telecamera ${transit.camera}`;
    part(".way").textContent =
      TRAVEL[transit.travel] ?? DIRECTION[transit.direction] ?? "non nota";
  } else {
    part(".doubt").textContent = "L'originale sigillato non si apre: non agire senza verifica.";
    item.classList.add("broken");
  }
  item.querySelectorAll("button").forEach((button) => {
    button.addEventListener("click", () => acknowledge(item, alert, button.value));
  });
  showOutcome(item, alert);
  return item;
}

function addAlert(alert) {
  newest = Math.max(newest, alert.id);
  at("alerts").prepend(alertItem(alert));
  if (!alert.acknowledged) countOpen(1);
  while (at("alerts").children.length > ALERTS_MAX) at("alerts").lastElementChild.remove();
}

async function acknowledge(item, alert, outcome) {
  const came = item.querySelector(".came");
  try {
    const response = await fetch(`/api/v1/alerts/${alert.id}/acknowledgement`, {
      method: "POST",
      headers: { ...authorised(), "Content-Type": "application/json" },
      body: JSON.stringify({ outcome }),
    });
    if (!response.ok) {
      came.textContent = await explain(response);
      came.classList.add("error");
      return;
    }
    came.classList.remove("error");
    countOpen(-1);
    showOutcome(item, {
      acknowledged: { by: "registrato", at: new Date().toISOString(), outcome },
    });
  } catch {
    came.textContent = "L'hub non è raggiungibile: l'esito non è registrato.";
    came.classList.add("error");
  }
}

function stopWatching(text, isError = false) {
  listening?.abort();
  listening = null;
  at("watch").textContent = "Ascolta";
  at("watch").setAttribute("aria-pressed", "false");
  tell("watch-state", text, isError);
}

async function showOpen(signal) {
  const response = await fetch(`/api/v1/alerts?open=true&limit=${ALERTS_MAX}`, {
    headers: authorised(), signal,
  });
  if (!response.ok) throw new Error(await explain(response));
  const answer = await response.json();
  if (signal.aborted) return;
  at("alerts").replaceChildren();
  unanswered = 0;
  countOpen(0);
  answer.alerts.reverse().forEach(addAlert);
  // The stream begins after the list, so it does not show acknowledged alerts again.
  newest = Math.max(newest, answer.newest);
}

async function listen(signal) {
  const response = await fetch(`/api/v1/alerts/live?after=${newest}`, {
    headers: authorised(), signal,
  });
  if (!response.ok) throw new Error(await explain(response));
  tell("watch-state", "In ascolto. Ogni allarme mostrato è registrato.");
  await readEvents(response, (field) => {
    if (signal.aborted || field("event") !== "alert") return;
    const alert = JSON.parse(field("data"));
    addAlert(alert);
    beep(alert.priority);
  });
}

at("watch").addEventListener("click", async () => {
  if (listening) {
    stopWatching("Non in ascolto.");
    return;
  }
  if (!at("token").reportValidity()) return;
  keepToken();
  const mine = new AbortController();
  listening = mine;
  at("watch").textContent = "Smetti";
  at("watch").setAttribute("aria-pressed", "true");
  try {
    await showOpen(mine.signal);
  } catch (error) {
    if (listening === mine) stopWatching(error.message || "L'hub non è raggiungibile.", true);
    return;
  }
  // A stream that breaks goes on after the last alert shown.
  while (listening === mine) {
    try {
      await listen(mine.signal);
    } catch (error) {
      if (listening !== mine) return;
      tell("watch-state", `Ascolto interrotto, si riprova. ${error.message}`, true);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
});
