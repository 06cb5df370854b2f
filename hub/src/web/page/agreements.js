"use strict";

// What the office's gates are for, and under which agreements it gives and gets. Uses what page.js defines.

const PURPOSE_WORDS = Object.fromEntries([...at("purpose").options].map((option) => [option.value, option.text]));
const WHY_LEFT_OUT = {
  admission: "l'ufficiale di turno non ha ancora ammesso il vostro ufficio",
  purpose: "non servono a questa finalità",
  agreement: "nessun accordo li condivide, o non ci sono",
};

// Which gates a search left out, and why.
function leftOut(views) {
  // What the first level uses is told apart.
  return (views ?? []).filter((one) => one.why !== "in-use").map((one) => {
    const whose = one.municipality ? ` di ${one.municipality}` : "";
    const which = one.gates.length > 0 ? one.gates.join(", ") : "tutti i varchi";
    return ` Non cercati: ${which}${whose} (${WHY_LEFT_OUT[one.why] ?? one.why}).`;
  }).join("");
}

let offered = false;

// Only what the office may state can be chosen; the form of its references stands in the field.
async function offerPurposes() {
  if (offered || !mayAsk()) return;
  try {
    const response = await fetch("/api/v1/purposes", { headers: authorised() });
    if (!response.ok) return;
    const { purposes, reference_form: form } = await response.json();
    offered = true;
    [...at("purpose").options].forEach((option) => {
      const may = option.value === "" || purposes.includes(option.value);
      option.disabled = !may;
      option.hidden = !may;
    });
    if (form) at("case").placeholder = form;
  } catch {
    // The lookup itself says that the hub is away.
  }
}

function line(list, title, text) {
  const [term, said, pair] = ["dt", "dd", "div"].map((name) => document.createElement(name));
  term.textContent = title;
  said.textContent = text;
  pair.append(term, said);
  list.append(pair);
}

function showAgreement(one) {
  const item = document.createElement("li");
  const [title, list] = ["h3", "dl"].map((name) => document.createElement(name));
  title.textContent = one.title;
  const until = rome.format(new Date(one.ended_at ?? one.until));
  const ways = [one.gives ? "condividiamo" : "", one.gets ? "accediamo" : ""].filter(Boolean).join(" e ");
  line(list, "Stato", one.holds ? `in vigore fino al ${until}` : `non in vigore; fine ${until}`);
  line(list, "Noi", ways || "non vi prendiamo parte ora");
  line(list, "Condivide", one.givers.join(", ") || "nessuno");
  line(list, "Accede", one.receivers.join(", ") || "nessuno");
  line(list, "Capofila", one.lead);
  line(list, "Finalità", one.common_purposes.map((word) => PURPOSE_WORDS[word] ?? word).join("; ") || "nessuna in comune");
  line(list, "Varchi", one.gates.join(", ") || "tutti");
  line(list, "Base giuridica", one.legal_basis);
  if (one.admission) line(list, "Ammissione", "serve quella dell'ufficiale di turno di chi condivide");
  item.append(title, list);
  return item;
}

async function loadAgreements() {
  if (!mayAsk()) {
    tell("agreements-state", "Per vedere gli accordi serve la chiave di accesso.", true);
    return;
  }
  const asked = era;
  try {
    const response = await fetch("/api/v1/agreements", { headers: authorised() });
    if (!response.ok) {
      const why = await explain(response);
      if (asked === era) tell("agreements-state", why, true);
      return;
    }
    const { agreements } = await response.json();
    if (asked !== era) return;
    at("agreements").replaceChildren(...agreements.map(showAgreement));
    tell("agreements-state", agreements.length > 0
      ? "Si stipulano e si chiudono dalla console del centro."
      : "Nessun accordo: si vedono solo i varchi del proprio comune.");
  } catch {
    tell("agreements-state", "L'hub non è raggiungibile.", true);
  }
}

at("purpose").addEventListener("focus", offerPurposes);
at("token").addEventListener("change", () => { offered = false; });
at("agreements-show").addEventListener("click", loadAgreements);
