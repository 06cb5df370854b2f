// Signing in, as an officer does it.
import { expect, test } from "@playwright/test";
import { Officer, PASSWORD, enrol, lookUp, picture } from "./officer.mjs";
import { Stage } from "./stage.mjs";

let stage;
test.beforeAll(async () => { stage = await Stage.open(); });
test.afterAll(async () => { await stage?.close(); });

test("c26 access is by user name, password and code, and by none without the others", async ({ page }) => {
  await stage.pass("CZ908WT");
  await page.goto(stage.url);
  await expect(page.locator("#sign-in")).toBeVisible();
  await picture(page, "sign-in");
  // Without them there is nothing to see and nothing to ask.
  await expect(page.locator("#work")).toBeHidden();
  const refused = await page.request.post(`${stage.url}/api/v1/lookups`, { data: {} });
  expect(refused.status()).toBe(401);

  await enrol(stage, page, "Sala operativa 1");
  const anna = await Officer.appointed(stage, "a.rossi", "Anna Rossi");
  await anna.open(page);
  await lookUp(page, "CZ908WT");
  await picture(page, "lookups");
  await page.locator("#sign-out").click();
  await expect(page.locator("#sign-in")).toBeVisible();
  await expect(page.locator("body")).not.toContainText("CZ908WT");

  // Each is wrong in one thing alone; digits that opened nothing are not used up.
  const digits = await anna.digits();
  for (const typed of [
    { password: "another long password", digits }, { user: "b.verdi", digits }, { digits: "000000" },
  ]) {
    const answer = page.waitForResponse((response) => response.request().method() === "POST"
      && response.url().endsWith("/api/v1/session"));
    await anna.signIn(page, typed);
    expect((await answer).status()).toBe(401);
    await expect(page.locator("#signing-state")).toContainText("non corretti");
    await expect(page.locator("#work")).toBeHidden();
  }
  await anna.signIn(page, { digits });
  await expect(page.locator("#who-name")).toHaveText("Anna Rossi · Sala operativa 1");
  await lookUp(page, "CZ908WT");

  await page.locator("#sign-out").click();
  await expect(page.locator("#sign-in")).toBeVisible();
  const made = (await stage.lines("signed-in")).length;
  expect(made).toBe(2);
  expect((await stage.lines("sign-in-refused")).length).toBe(3);
  expect(JSON.stringify(await stage.lines("sign-in-refused"))).not.toContain(PASSWORD);
});
