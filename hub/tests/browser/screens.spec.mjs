// No stranger sees what an officer was shown (C65).
import { expect, test } from "@playwright/test";
import { Officer, enrol, lookUp, picture, stateGrounds } from "./officer.mjs";
import { Stage } from "./stage.mjs";

const PLATES = ["CZ908WT", "EF456GH"];
let stage;
let anna;
test.beforeAll(async () => { stage = await Stage.open(); });
test.afterAll(async () => { await stage?.close(); });

// Which of the plates are on the page, before the eyes or not: in its text, its attributes or its fields.
async function left(page) {
  const all = await page.evaluate(() => [
    document.title, document.documentElement.textContent, document.documentElement.outerHTML,
    ...[...document.querySelectorAll("input, select, textarea")].map((field) => field.value),
  ].join("\n"));
  // Each sign of a plate has an element of its own, and a picture tells as much as a text.
  return [...PLATES, "data:image/jpeg"].filter((what) => all.includes(what));
}

async function expectNothing(page) {
  await expect(page.locator("#unlocking")).toBeVisible();
  await expect(page.locator("#work")).toBeHidden();
  expect(await left(page)).toEqual([]);
}

async function lines(action) {
  return (await stage.lines(action)).length;
}

async function expectLines(action, count) {
  await expect.poll(() => lines(action), { timeout: 8000 }).toBe(count);
}

function turnAway(page, state) {
  return page.evaluate((to) => {
    Object.defineProperty(document, "visibilityState", { value: to, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

test("c65 no screen is left for strangers: idle, hidden, left, locked, reloaded or gone back to", async ({ page, context }) => {
  await page.clock.install();
  await stage.pass(PLATES[0]);
  await enrol(stage, page, "Sala operativa 1");
  anna = await Officer.appointed(stage, "a.rossi", "Anna Rossi");
  await anna.open(page);

  // What is on the screen: a search, the live view with a transit that came, and alerts.
  await lookUp(page, PLATES[0]);
  await page.locator("#live").click();
  await expectLines("live-opened", 1);
  await stage.pass(PLATES[1]);
  await expect(page.locator("#stream")).toContainText(PLATES[1]);
  await page.locator("#watch").click();
  await expect(page.locator("#watch-state")).toContainText("Ogni allarme");

  expect(await left(page)).toEqual([...PLATES, "data:image/jpeg"]);
  // Whoever is there is not shut out; whoever is idle is, at the minute that hub.toml says, and the streams end.
  await page.clock.fastForward("09:55");
  await page.mouse.move(300, 300);
  await page.clock.fastForward("09:55");
  await expect(page.locator("#results")).toContainText(PLATES[0]);
  await page.clock.fastForward("00:06");
  await expectNothing(page);
  await picture(page, "locked");
  await expectLines("session-locked", 1);
  await expectLines("live-closed", 1);
  await stage.pass(PLATES[1]);
  await expectNothing(page);

  // Neither a reload, nor the way back, nor another window shows more; only the password does.
  await page.reload();
  await expectNothing(page);
  await page.goto("about:blank");
  await page.goBack();
  await expectNothing(page);
  const other = await context.newPage();
  await other.goto(stage.url);
  await expectNothing(other);
  await other.close();
  await anna.unlock(page, "another long password");
  await expect(page.locator("#locked-state")).toContainText("Password non corretta");
  await expectNothing(page);
  await anna.unlock(page);
  await expect(page.locator("#work")).toBeVisible();
  expect(await left(page)).toEqual([]);

  // The lock key, also while the hub cannot be told: it is told later, and the page stays blank.
  await lookUp(page, PLATES[0]);
  await context.route("**/session/locking", (route) => route.abort());
  await page.keyboard.press("F8");
  await expectNothing(page);
  expect(await lines("session-locked")).toBe(1);
  await context.unroute("**/session/locking");
  await page.reload();
  await expectNothing(page);
  await expectLines("session-locked", 2);
  await anna.unlock(page);

  // Out of sight for a minute.
  await lookUp(page, PLATES[0]);
  await turnAway(page, "hidden");
  await page.clock.fastForward(50_000);
  await turnAway(page, "visible");
  await page.clock.fastForward(50_000);
  await expect(page.locator("#results")).toContainText(PLATES[0]);
  await turnAway(page, "hidden");
  await page.clock.fastForward(61_000);
  await expectNothing(page);
  await turnAway(page, "visible");
  await expectNothing(page);
  await anna.unlock(page);

  // Another window has the keyboard for three minutes.
  await lookUp(page, PLATES[0]);
  await page.evaluate(() => window.dispatchEvent(new Event("blur")));
  await page.clock.fastForward("02:50");
  await expect(page.locator("#results")).toContainText(PLATES[0]);
  await page.clock.fastForward("00:11");
  await expectNothing(page);
  await anna.unlock(page);
  await expect(page.locator("#work")).toBeVisible();
});

test("c65 part every window of the browser is blanked at once, and what comes to an earlier question is not shown", async ({ page, context }) => {
  await page.clock.install();
  const bruno = await Officer.appointed(stage, "b.verdi", "Bruno Verdi");
  await stage.pass(PLATES[0]);
  await enrol(stage, page, "Sala operativa 2");
  await bruno.open(page);
  const other = await context.newPage();
  await other.goto(stage.url);
  await lookUp(other, PLATES[0]);

  let answer;
  const answered = new Promise((resolve) => { answer = resolve; });
  await page.route("**/api/v1/lookups", async (route) => {
    const response = await route.fetch();
    await answered;
    await route.fulfill({ response });
  });
  await stateGrounds(page);
  await page.locator("#plate").fill(PLATES[0]);
  const comes = page.waitForResponse("**/api/v1/lookups");
  await page.locator("#lookup button[type=submit]").click();
  await expect(page.locator("#lookup-state")).toContainText("in corso");
  await page.locator("#lock-now").click();
  await expectNothing(page);
  await expectNothing(other);
  answer();
  await (await comes).finished();
  await page.waitForTimeout(300);
  await expectNothing(page);

  // A session that ended elsewhere is not left on the screen either.
  await bruno.unlock(page);
  await page.unroute("**/api/v1/lookups");
  await lookUp(page, PLATES[0]);
  const { sessions } = await stage.says("session", "list");
  const mine = sessions.find((one) => one.person === bruno.name);
  await stage.says("session", "end", mine.session);
  await page.clock.fastForward("00:11");
  await expect(page.locator("#signing-state")).toContainText("La sessione è finita");
  expect(await left(page)).toEqual([]);
});
