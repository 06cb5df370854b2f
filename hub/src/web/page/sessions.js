"use strict";

// Who of the office is signed in, and ending one of their sessions. Uses what page.js and requests.js define.

function showSignedIn(one) {
  const item = document.createElement("li");
  const [title, list] = ["h3", "dl"].map((name) => document.createElement(name));
  title.textContent = one.person;
  line(list, "Postazione", one.post ?? "nessuna");
  line(list, "Dal", rome.format(new Date(one.since)));
  line(list, "Ultima attività", rome.format(new Date(one.seen_at)));
  line(list, "Stato", one.locked ? "bloccata" : "aperta");
  line(list, "Fine", rome.format(new Date(one.ends_at)));
  const isOwn = session?.session === one.session;
  item.append(title, list, ...(isOwn ? [] : [button("Termina", () => endSession(one))]));
  if (isOwn) title.textContent += " (questa sessione)";
  return item;
}

async function askSessions(path, method) {
  const asked = era;
  try {
    const response = await fetch(`/api/v1/${path}`, { method, headers: authorised() });
    if (!response.ok) {
      const why = response.status === 404 ? "Questa sessione era già finita." : await explain(response);
      if (asked === era) tell("sessions-state", why, true);
      return null;
    }
    const answer = response.status === 204 ? {} : await response.json();
    return asked === era ? answer : null;
  } catch {
    if (asked === era) tell("sessions-state", "L'hub non è raggiungibile.", true);
    return null;
  }
}

async function loadSessions() {
  const answer = await askSessions("sessions", "GET");
  if (!answer) return false;
  at("sessions").replaceChildren(...answer.sessions.map(showSignedIn));
  tell("sessions-state", `Persone collegate: ${answer.sessions.length}. Aggiornate: ${rome.format(new Date())}.`);
  return true;
}

async function endSession(one) {
  const ended = await askSessions(`sessions/${encodeURIComponent(one.session)}/ending`, "POST");
  if (ended && await loadSessions()) tell("sessions-state", `Sessione di ${one.person} terminata.`);
}

at("sessions-load").addEventListener("click", loadSessions);
