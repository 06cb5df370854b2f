"use strict";

// Signing in and out, opening an account, and unlocking. Uses what page.js, post.js and lock.js define.

const SAYS = {
  it: {
    away: "L'hub non è raggiungibile.",
    other: "Le due password non sono uguali.",
    over: "La sessione è finita: accedere di nuovo.",
    many: "Troppi tentativi: attendere qualche minuto.",
    wrong: "Nome utente, password o cifre non corretti. Ogni codice dell'app vale una volta sola.",
    passkey: "La passkey non è stata accettata.",
    cancelled: "Operazione annullata, o nessuna passkey per questo hub su questo dispositivo.",
    noPost: "Questa postazione non è registrata, o è stata revocata.",
    disabled: "L'account è disabilitato: rivolgersi al responsabile.",
    code: "Questo codice non vale: chiederne un altro.",
    digits: "Le cifre non sono quelle che l'app mostra ora. Controllare l'ora del telefono.",
    password: "Questa password non si può usare: almeno 12 caratteri, non il nome utente, non tra le più comuni.",
    noOffice: "Nessun incarico è in corso per questa persona.",
    unlock: "Password non corretta. Alla quinta la sessione finisce.",
    enrolled: (name) => `Postazione registrata: ${name}.`,
    post: (name) => `Postazione: ${name}`,
    plain: "Questa postazione non è registrata.",
    key: "La chiave non è stata accettata.",
    failed: (status) => `L'hub ha risposto ${status}.`,
    title: { "sign-in": "Accesso", opening: "Primo accesso", enrolling: "Postazione" },
    another: "English",
  },
  en: {
    away: "The hub cannot be reached.",
    other: "The two passwords differ.",
    over: "The session has ended: sign in again.",
    many: "Too many tries: wait some minutes.",
    wrong: "User name, password or digits are wrong. Each code of the app counts once.",
    passkey: "The passkey was not accepted.",
    cancelled: "Cancelled, or this device has no passkey for this hub.",
    noPost: "This workstation is not enrolled, or was revoked.",
    disabled: "The account is disabled: ask who is responsible.",
    code: "This code does not hold: ask for another.",
    digits: "The digits are not those that the app shows now. Check the telephone's clock.",
    password: "This password cannot be taken: 12 characters at least, not the user name, not a common one.",
    noOffice: "No appointment of this person holds.",
    unlock: "The password is wrong. The fifth ends the session.",
    enrolled: (name) => `Workstation enrolled: ${name}.`,
    post: (name) => `Workstation: ${name}`,
    plain: "This workstation is not enrolled.",
    key: "The key was not accepted.",
    failed: (status) => `The hub answered ${status}.`,
    title: { "sign-in": "Sign in", opening: "First sign-in", enrolling: "Workstation" },
    another: "Italiano",
  },
};
const FORMS = ["sign-in", "opening", "enrolling"];

let tongue = "it";
let form = "sign-in";
// Whether hub and browser have passkeys.
let hasPasskeys = false;

const say = (key, value) => {
  const said = SAYS[tongue][key];
  return typeof said === "function" ? said(value) : said;
};

document.querySelectorAll("[data-en]").forEach((element) => {
  element.dataset.it = element.textContent;
});

async function showPost() {
  const known = await knownPost();
  at("post-state").textContent = known ? say("post", known.name) : say("plain");
}

function speak(language) {
  tongue = language;
  document.querySelectorAll("[data-en]").forEach((element) => {
    element.textContent = element.dataset[language];
  });
  at("tongue").textContent = say("another");
  at("tongue").lang = language === "it" ? "en" : "it";
  [at("signing"), at("locked")].forEach((part) => { part.lang = language; });
  at("signing-title").textContent = SAYS[tongue].title[form];
  tell("signing-state", "");
  showPost();
}

function showForm(which, said = "", isError = false) {
  form = which;
  FORMS.forEach((one) => { at(one).hidden = one !== which; });
  at("to-sign-in").hidden = which === "sign-in";
  at("signing-title").textContent = SAYS[tongue].title[which];
  at("opening-rest").hidden = true;
  at("opening-look").hidden = false;
  at("opening-code").readOnly = false;
  at(which).reset();
  tell("signing-state", said, isError);
  showPost();
  at(which).querySelector("input").focus();
}

function showOnly(which) {
  ["signing", "locked", "work"].forEach((part) => { at(part).hidden = part !== which; });
  at("who").hidden = which !== "work" || session === null;
}

function showSignIn(said = "", isError = false) {
  session = null;
  lockMark(false);
  blank();
  // Whoever comes next finds nothing of what the one before typed.
  document.querySelectorAll("#work form").forEach((form) => form.reset());
  setTimes();
  showAskFields();
  offered = false;
  gates = null;
  setArea(null);
  tellArea();
  at("area").open = false;
  showOnly("signing");
  showForm("sign-in", said, isError);
}

function showWork() {
  // What only some may do is shown to them.
  document.querySelectorAll("[data-may]").forEach((part) => {
    part.hidden = !session?.may.includes(part.dataset.may);
  });
  at("passkeys-section").hidden = !(session && hasPasskeys);
  at("token-label").hidden = session !== null;
  at("token").disabled = session !== null;
  showOnly("work");
  at(mayAsk() ? "plate" : "token").focus();
}

// What page.js calls when the hub does not take the session.
function sessionChanged(status) {
  if (status === 423) showLock();
  else showSignIn(say("over"), true);
}

function signedInAs(answer) {
  session = answer;
  sessionStorage.removeItem("token");
  at("token").value = "";
  at("who-name").textContent = answer.post ? `${answer.name} · ${answer.post}` : answer.name;
  lastSeen = Date.now();
  lastTold = Date.now();
  lastAsked = Date.now();
  if (answer.locked) {
    showLock();
  } else {
    lockMark(false);
    showWork();
  }
}

function send(path, body = null) {
  const headers = session ? { "X-Varco-Session": session.mark } : {};
  if (body) headers["Content-Type"] = "application/json";
  return fetch(path, { method: "POST", headers, body: body ? JSON.stringify(body) : null });
}

// In words, by the hub's own: the status says which group, the text which of it.
async function whyNot(response) {
  const { error = "" } = await response.json().catch(() => ({}));
  if (response.status === 429) return say("many");
  const words = [
    ["passkey is not", "passkey"], ["workstation", "noPost"], ["challenge", "noPost"], ["user name", "wrong"], ["disabled", "disabled"],
    ["appointment", "noOffice"], ["digits", "digits"], ["`password`", "password"], ["code", "code"],
    ["key", "key"],
  ];
  const found = words.find(([part]) => error.includes(part));
  return found ? say(found[1]) : say("failed", response.status);
}

// Sends what a form has, and never leaves somebody without a word.
function whenSent(which, state, act) {
  at(which).addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = at(which).querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await act();
    } catch {
      tell(state, say("away"), true);
    }
    buttons.forEach((button) => { button.disabled = false; });
  });
}

whenSent("sign-in", "signing-state", async () => {
  const user_name = at("user").value.trim();
  const response = await send("/api/v1/session", {
    user_name,
    password: at("password").value,
    code: at("digits").value,
    post: await postProof(user_name),
  });
  at("digits").value = "";
  if (response.ok) {
    at("sign-in").reset();
    signedInAs(await response.json());
    return;
  }
  tell("signing-state", await whyNot(response), true);
});

function drawQr(rows) {
  const qr = at("opening-qr");
  qr.setAttribute("viewBox", `-4 -4 ${rows.length + 8} ${rows.length + 8}`);
  const squares = rows.flatMap((row, y) =>
    [...row].map((square, x) => (square === "1" ? `M${x} ${y}h1v1h-1z` : "")));
  const path = document.createElementNS(qr.namespaceURI, "path");
  path.setAttribute("d", squares.join(""));
  qr.replaceChildren(path);
}

async function lookAtCode() {
  const response = await send("/api/v1/openings/invitation", { code: at("opening-code").value.trim() });
  if (!response.ok) {
    tell("signing-state", await whyNot(response), true);
    return;
  }
  const answer = await response.json();
  tell("signing-state", "");
  at("opening-user").textContent = answer.user_name;
  at("opening-secret").textContent = answer.secret.replace(/(.{4})/g, "$1 ").trim();
  drawQr(answer.qr);
  at("opening-rest").hidden = false;
  at("opening-look").hidden = true;
  at("opening-code").readOnly = true;
  at("opening-password").focus();
}

whenSent("opening", "signing-state", async () => {
  if (at("opening-rest").hidden) {
    await lookAtCode();
    return;
  }
  if (at("opening-password").value !== at("opening-again").value) {
    tell("signing-state", say("other"), true);
    return;
  }
  const code = at("opening-code").value.trim();
  const response = await send("/api/v1/openings", {
    code,
    password: at("opening-password").value,
    digits: at("opening-digits").value,
    post: await postProof(code),
  });
  if (response.ok) {
    showForm("sign-in");
    at("opening").reset();
    at("opening-secret").textContent = "";
    at("opening-qr").replaceChildren();
    signedInAs(await response.json());
    return;
  }
  tell("signing-state", await whyNot(response), true);
});

whenSent("enrolling", "signing-state", async () => {
  const response = await enrolPost(at("enrolling-code").value.trim());
  if (response.ok) {
    const { name } = await response.json();
    showForm("sign-in", say("enrolled", name));
    return;
  }
  tell("signing-state", await whyNot(response), true);
});

function unlockedAs(answer) {
  signedInAs(answer);
  if (resume.alerts) at("watch").click();
}

whenSent("unlocking", "locked-state", async () => {
  const response = await send("/api/v1/session/unlocking", { password: at("unlocking-password").value });
  at("unlocking-password").value = "";
  if (response.ok) {
    unlockedAs(await response.json());
    return;
  }
  const { error = "" } = await response.json().catch(() => ({}));
  if (response.status === 401 && !error.includes("password")) {
    showSignIn(say("over"), true);
    return;
  }
  tell("locked-state", response.status === 429 ? say("many") : say("unlock"), true);
});

async function signOut() {
  try {
    await send("/api/v1/session/ending");
  } catch {
    tell("signing-state", say("away"), true);
  }
  showSignIn();
}

at("sign-out").addEventListener("click", signOut);
at("locked-out").addEventListener("click", signOut);
at("to-sign-in").addEventListener("click", () => showForm("sign-in"));
at("to-opening").addEventListener("click", () => showForm("opening"));
at("to-enrolling").addEventListener("click", () => showForm("enrolling"));
at("tongue").addEventListener("click", () => speak(tongue === "it" ? "en" : "it"));
at("with-token").addEventListener("click", () => {
  session = null;
  showWork();
});

async function begin() {
  showOnly(null);
  const token = sessionStorage.getItem("token") ?? "";
  at("token").value = token;
  if (token) {
    showWork();
    return;
  }
  const response = await fetch("/api/v1/session").catch(() => null);
  if (!response?.ok) {
    showSignIn();
    return;
  }
  const answer = await response.json();
  const wasLocked = sessionStorage.getItem(LOCK_MARK) !== null;
  signedInAs(wasLocked ? { ...answer, locked: true } : answer);
  // The hub may not have heard of it.
  if (wasLocked && !answer.locked) send("/api/v1/session/locking").catch(() => {});
}

begin();
