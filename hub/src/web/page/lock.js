"use strict";

// No stranger sees what was shown (C65). The page is blanked first, and the hub told afterwards: a hub that
// does not answer keeps nothing on the screen. Uses what page.js and signing.js define.

// How long the window may be out of sight, or without the keyboard, in milliseconds.
const HIDDEN_MAX_MS = 60000;
const AWAY_MAX_MS = 180000;
// How often the hub is asked whether the session still holds.
const ASK_EVERY_MS = 10000;
const TELL_EVERY_MS = 5000;
// A token has no session that says how long.
const TOKEN_IDLE_MS = 600000;
const LOCK_KEY = "F8";
// Kept by the browser until the session is unlocked: what the hub could not be told is told after a reload.
const LOCK_MARK = "locked";

let lastSeen = Date.now();
let lastTold = Date.now();
let lastAsked = Date.now();
let lastSpread = 0;
let hiddenSince = null;
let awaySince = null;
let resume = { alerts: false };

// The other windows of this browser show the same session.
const windows = new BroadcastChannel("varco");

const isOpen = () => !at("work").hidden;

// Nothing that was shown stays on the page, nor what comes to a question that was asked before.
function blank() {
  era += 1;
  stopLive("Fermo.");
  stopWatching("Non in ascolto.");
  document.querySelectorAll("[data-shown]").forEach((part) => part.replaceChildren());
  document.querySelectorAll("[data-typed]").forEach((field) => { field.value = ""; });
  document.querySelectorAll("#work [role='status']:not(#area-state), #work [data-said]").forEach((part) => {
    part.textContent = "";
    part.classList.remove("error");
  });
  at("more").hidden = true;
  tell("live-state", "Fermo.");
  tell("watch-state", "Non in ascolto.");
  page = null;
  unanswered = 0;
  countOpen(0);
}

function lockMark(isSet) {
  if (isSet) sessionStorage.setItem(LOCK_MARK, "1");
  else sessionStorage.removeItem(LOCK_MARK);
}

function showLock() {
  if (!at("locked").hidden) return;
  resume = { alerts: listening !== null };
  blank();
  lockMark(true);
  at("locked-who").textContent = session.name;
  at("unlocking").reset();
  tell("locked-state", "");
  showOnly("locked");
  at("unlocking-password").focus();
}

// Blanks at once; whoever uses a token has no session to lock, so the token goes.
function lockNow() {
  if (!isOpen()) return;
  if (!session) {
    sessionStorage.removeItem("token");
    at("token").value = "";
    showSignIn();
    return;
  }
  showLock();
  windows.postMessage({ locked: session.session });
  send("/api/v1/session/locking").catch(() => {});
}

function somebodyIsThere() {
  // An event can come before the timer that should have locked.
  look();
  lastSeen = Date.now();
  if (awaySince !== null) awaySince = lastSeen;
  if (session && lastSeen - lastSpread >= TELL_EVERY_MS) {
    lastSpread = lastSeen;
    windows.postMessage({ seen: session.session });
  }
}

windows.onmessage = ({ data }) => {
  if (!session || !isOpen()) return;
  if (data.locked === session.session) showLock();
  if (data.seen === session.session) lastSeen = Date.now();
};

async function askWhetherItHolds() {
  const asked = session;
  const response = await fetch("/api/v1/session").catch(() => null);
  if (!response || session !== asked || !isOpen()) return;
  if (response.status === 401) sessionChanged(401);
  else if (response.ok && (await response.json()).locked && session === asked) sessionChanged(423);
}

function tellPresence(now) {
  lastTold = now;
  send("/api/v1/session/presence").then((response) => {
    if ([401, 423].includes(response.status) && session) sessionChanged(response.status);
  }).catch(() => {});
}

// Locks when nobody is there, and tells the hub when somebody is.
function look() {
  if (!isOpen()) return;
  const now = Date.now();
  const idle = session ? session.idle_s * 1000 : TOKEN_IDLE_MS;
  const isOver = now - lastSeen >= idle
    || (hiddenSince !== null && now - hiddenSince >= Math.min(HIDDEN_MAX_MS, idle))
    || (awaySince !== null && now - awaySince >= Math.min(AWAY_MAX_MS, idle));
  if (isOver) {
    lockNow();
    return;
  }
  if (!session) return;
  if (lastSeen > lastTold && now - lastTold >= Math.min(idle / 5, 60000)) tellPresence(now);
  if (now - lastAsked >= ASK_EVERY_MS) {
    lastAsked = now;
    askWhetherItHolds();
  }
}

["pointerdown", "pointermove", "keydown", "wheel"].forEach((what) =>
  document.addEventListener(what, somebodyIsThere, { passive: true }));
document.addEventListener("keydown", (event) => {
  if (event.key !== LOCK_KEY || !isOpen()) return;
  event.preventDefault();
  lockNow();
});
document.addEventListener("visibilitychange", () => {
  look();
  hiddenSince = document.visibilityState === "hidden" ? Date.now() : null;
});
window.addEventListener("blur", () => { awaySince = Date.now(); });
window.addEventListener("focus", () => {
  look();
  awaySince = null;
});
// A page that the browser keeps for its back button keeps nothing.
window.addEventListener("pagehide", blank);
window.addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
at("lock-now").addEventListener("click", lockNow);
setInterval(look, 1000);
