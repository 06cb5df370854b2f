// Passkeys, with the authenticator that Chromium simulates.
import { expect, test } from "@playwright/test";
import { Officer, PASSWORD, enrol, lookUp, picture } from "./officer.mjs";
import { Stage } from "./stage.mjs";

const PLATE = "CZ908WT";
let stage;
test.beforeAll(async () => {
  stage = await Stage.open("passkey_host = \"localhost\"\n");
  // Browsers bind passkeys to names, and to no address.
  stage.url = stage.url.replace("127.0.0.1", "localhost");
});
test.afterAll(async () => { await stage?.close(); });

// A device that recognises its person, or not.
async function device(page, context) {
  const session = await context.newCDPSession(page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  return {
    recognises: (isUserVerified) => session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
    keys: async () => (await session.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
    goBack: async (credential) => {
      await session.send("WebAuthn.removeCredential", { authenticatorId, credentialId: credential.credentialId });
      await session.send("WebAuthn.addCredential", { authenticatorId, credential });
    },
  };
}

async function make(page, name, password = PASSWORD) {
  await page.locator("#passkey-name").fill(name);
  await page.locator("#passkey-password").fill(password);
  await page.locator("#passkey-make button").click();
}

test("an officer makes a passkey, signs in and unlocks with it, and no more once it is revoked", async ({ page, context }) => {
  await stage.pass(PLATE);
  const key = await device(page, context);
  await enrol(stage, page, "Sala operativa 1");
  const anna = await Officer.appointed(stage, "a.rossi", "Anna Rossi");
  await anna.open(page);
  // Only with the password: a session alone adds none.
  await page.locator("#passkeys-section summary").click();
  await make(page, "Chiave blu", "another long password");
  await expect(page.locator("#passkeys-state")).toContainText("Password non corretta");
  expect((await stage.lines("passkey-made")).length).toBe(0);
  await make(page, "Chiave blu");
  await expect(page.locator("#passkeys-state")).toContainText("Passkey creata");
  await expect(page.locator("#passkeys")).toContainText("Chiave blu");
  await picture(page, "passkeys");
  const [made] = await stage.lines("passkey-made");
  expect(JSON.stringify(made)).toContain("Anna Rossi");

  // No screen that is locked is shown without the person; with them it is.
  await lookUp(page, PLATE);
  await page.keyboard.press("F8");
  await expect(page.locator("#unlocking")).toBeVisible();
  await key.recognises(false);
  await page.locator("#unlock-passkey").click();
  await expect(page.locator("#locked-state")).toContainText("annullata");
  await key.recognises(true);
  await page.locator("#unlock-passkey").click();
  await expect(page.locator("#work")).toBeVisible();

  await page.locator("#sign-out").click();
  await page.locator("#sign-in-passkey").click();
  await expect(page.locator("#who-name")).toHaveText("Anna Rossi · Sala operativa 1");
  await lookUp(page, PLATE);

  // A copy of the device, whose counter is behind, lets nobody in.
  const [older] = await key.keys();
  await page.locator("#sign-out").click();
  await page.locator("#sign-in-passkey").click();
  await expect(page.locator("#who-name")).toContainText("Anna Rossi");
  await page.locator("#sign-out").click();
  await key.goBack({ ...older, signCount: 1 });
  await page.locator("#sign-in-passkey").click();
  await expect(page.locator("#signing-state")).toContainText("non è stata accettata");
  await key.goBack({ ...older, signCount: 100 });
  await page.locator("#sign-in-passkey").click();
  await expect(page.locator("#who-name")).toContainText("Anna Rossi");

  await page.locator("#passkeys-load").click();
  await page.locator("#passkeys button").click();
  await expect(page.locator("#passkeys-state")).toContainText("revocata");
  await page.locator("#sign-out").click();
  await page.locator("#sign-in-passkey").click();
  await expect(page.locator("#signing-state")).toContainText("non è stata accettata");
  expect((await stage.lines("passkey-revoked")).length).toBe(1);
  await stage.says("audit", "verify");
});
