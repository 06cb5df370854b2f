"use strict";

// Passkeys: signing in and unlocking with one, making and revoking one's own. Uses what page.js, post.js and
// signing.js define.

const canPasskeys = () => window.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined;

// Shows the buttons where the hub and the browser have passkeys.
async function offerPasskeys() {
  const response = await fetch("/api/v1/session/challenge").catch(() => null);
  hasPasskeys = response?.ok === true && canPasskeys() && (await response.json()).passkeys;
  document.querySelectorAll("[data-passkeys]").forEach((part) => { part.hidden = !hasPasskeys; });
  at("passkeys-section").hidden = !(session && hasPasskeys);
}

// What the hub asks for, or null where it does not answer.
async function ceremony(path, method) {
  const headers = session ? { "X-Varco-Session": session.mark } : {};
  const response = await fetch(path, { method, headers });
  if (!response.ok) throw new Error(await whyNot(response));
  return response.json();
}

function proofOf(asked, credential) {
  return { challenge: asked.challenge, state: asked.state, answer: JSON.stringify(credential.toJSON()) };
}

// Asks the device for a passkey; null where its person did not want to, or has none.
async function shownPasskey() {
  const asked = await ceremony("/api/v1/session/passkey", "GET");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(asked.options));
  const credential = await navigator.credentials.get({ publicKey }).catch(() => null);
  return credential ? proofOf(asked, credential) : null;
}

// Does something with a passkey and says in `state` what came of it.
async function withPasskey(state, act) {
  try {
    await act();
  } catch (error) {
    tell(state, error instanceof TypeError ? say("away") : error.message, true);
  }
}

at("sign-in-passkey").addEventListener("click", () => withPasskey("signing-state", async () => {
  const passkey = await shownPasskey();
  if (!passkey) throw new Error(say("cancelled"));
  const response = await send("/api/v1/session/passkey", { passkey, post: await postProof("passkey") });
  if (!response.ok) {
    const why = await whyNot(response);
    throw new Error(why === say("wrong") ? say("passkey") : why);
  }
  at("sign-in").reset();
  tell("signing-state", "");
  signedInAs(await response.json());
}));

at("unlock-passkey").addEventListener("click", () => withPasskey("locked-state", async () => {
  const passkey = await shownPasskey();
  if (!passkey) throw new Error(say("cancelled"));
  const response = await send("/api/v1/session/passkey/unlocking", passkey);
  if (response.ok) {
    unlockedAs(await response.json());
    return;
  }
  const { error = "" } = await response.json().catch(() => ({}));
  if (response.status === 401 && !error.includes("passkey")) showSignIn(say("over"), true);
  else tell("locked-state", say("passkey"), true);
}));

function showPasskey(one) {
  const item = document.createElement("li");
  const [title, list] = ["h3", "dl"].map((name) => document.createElement(name));
  title.textContent = one.name;
  line(list, "Creata", rome.format(new Date(one.made_at)));
  line(list, "Ultimo uso", one.used_at ? rome.format(new Date(one.used_at)) : "mai");
  item.append(title, list, button("Revoca", () => revokePasskey(one)));
  return item;
}

async function loadPasskeys() {
  const asked = era;
  const response = await fetch("/api/v1/passkeys", { headers: authorised() });
  if (!response.ok) throw new Error(await explain(response));
  const { passkeys } = await response.json();
  if (asked !== era) return;
  at("passkeys").replaceChildren(...passkeys.map(showPasskey));
  tell("passkeys-state", passkeys.length > 0 ? "" : "Nessuna passkey.");
}

function revokePasskey(one) {
  withPasskey("passkeys-state", async () => {
    const response = await send(`/api/v1/passkeys/${encodeURIComponent(one.passkey)}/revocation`);
    if (!response.ok) throw new Error(await explain(response));
    await loadPasskeys();
    tell("passkeys-state", `Passkey revocata: ${one.name}.`);
  });
}

at("passkeys-load").addEventListener("click", () => withPasskey("passkeys-state", loadPasskeys));

at("passkey-make").addEventListener("submit", (event) => {
  event.preventDefault();
  withPasskey("passkeys-state", async () => {
    const asked = await ceremony("/api/v1/passkeys/challenge", "POST");
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(asked.options));
    const credential = await navigator.credentials.create({ publicKey }).catch(() => null);
    if (!credential) throw new Error(say("cancelled"));
    const response = await send("/api/v1/passkeys", {
      name: at("passkey-name").value.trim(),
      password: at("passkey-password").value,
      passkey: proofOf(asked, credential),
    });
    at("passkey-password").value = "";
    if (!response.ok) {
      if (response.status === 401) {
        const { error = "" } = await response.json().catch(() => ({}));
        if (error.includes("session")) sessionChanged(401);
        throw new Error(error.includes("password") ? "Password non corretta." : say("passkey"));
      }
      throw new Error(await explain(response));
    }
    at("passkey-name").value = "";
    await loadPasskeys();
    tell("passkeys-state", "Passkey creata: vale come password e codice insieme.");
  });
});

offerPasskeys();
