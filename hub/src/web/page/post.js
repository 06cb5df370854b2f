"use strict";

// This workstation as a post: a key of P-256 that no script can read, kept by the browser.

const POST = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };

const hexOf = (buffer) =>
  [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// Does something with the browser's own store, and gives what came of it.
function inStore(mode, act) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("varco", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("post");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const done = opening.result.transaction("post", mode);
      const asked = act(done.objectStore("post"));
      done.oncomplete = () => {
        opening.result.close();
        resolve(asked.result);
      };
      done.onerror = () => reject(done.error);
      done.onabort = () => reject(done.error);
    };
  });
}

function knownPost() {
  return inStore("readonly", (store) => store.get("post")).catch(() => undefined);
}

async function signed(keys, text) {
  const bytes = new TextEncoder().encode(text);
  return hexOf(await crypto.subtle.sign(SIGNING, keys.privateKey, bytes));
}

// Makes a key and has the hub know it; gives the hub's answer.
async function enrolPost(code) {
  const keys = await crypto.subtle.generateKey(POST, false, ["sign", "verify"]);
  const response = await fetch("/api/v1/posts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      code,
      public_key: hexOf(await crypto.subtle.exportKey("raw", keys.publicKey)),
      signature: await signed(keys, `varco post 1\n${code}`),
    }),
  });
  if (response.ok) {
    const { post, name } = await response.clone().json();
    await inStore("readwrite", (store) => store.put({ post, name, keys }, "post"));
  }
  return response;
}

// What shows the hub that somebody signs in from here now; null where this is no post.
async function postProof(who) {
  const known = await knownPost();
  if (!known) return null;
  const response = await fetch("/api/v1/session/challenge");
  if (!response.ok) throw new Error(String(response.status));
  const { challenge } = await response.json();
  const signature = await signed(known.keys, `varco sign-in 1\n${challenge}\n${known.post}\n${who}`);
  return { post: known.post, challenge, signature };
}
