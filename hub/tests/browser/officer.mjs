// What an officer does on the page.
import { expect } from "@playwright/test";
import { Secret, TOTP } from "otpauth";

export const PASSWORD = "cavallo graffetta batteria";
const STEP_MS = 30_000;

export class Officer {
  // Somebody appointed by an act, with a code to open an account.
  static async appointed(stage, user, name, { role = "operator", may = ["lookups", "alerts"] } = {}) {
    const { code } = await stage.says("account", "invite", user, "--person", name);
    await stage.says("person", "appoint", name, "--body", "owner", "--role", role, "--judicial-police",
      "--act", "Determina 7/2026 del Comandante", ...may.flatMap((task) => ["--may", task]));
    const officer = new Officer();
    Object.assign(officer, { stage, user, name, code, taken: 0 });
    return officer;
  }

  // Opens the account on a page, once its workstation is enrolled: the first signing in.
  async open(page) {
    await page.locator("#to-opening").click();
    await page.locator("#opening-code").fill(this.code);
    await page.locator("#opening-look").click();
    await expect(page.locator("#opening-secret")).toHaveText(/^([A-Z2-7]{4} ?){8}$/);
    const secret = await page.locator("#opening-secret").textContent();
    this.secret = secret.replace(/ /g, "");
    await page.locator("#opening-password").fill(PASSWORD);
    await page.locator("#opening-again").fill(PASSWORD);
    await page.locator("#opening-digits").fill(await this.digits());
    await page.locator("#opening-rest button").click();
    await expect(page.locator("#who-name")).toContainText(this.name);
  }

  // Digits that were not used before: each step counts once, and one step ahead of the clock is taken too.
  async digits() {
    const step = Math.max(Math.floor(Date.now() / STEP_MS), this.taken + 1);
    const early = (step - 1) * STEP_MS - Date.now();
    if (early > 0) await new Promise((resolve) => { setTimeout(resolve, early + 50); });
    this.taken = step;
    const totp = new TOTP({ secret: Secret.fromBase32(this.secret), digits: 6, period: 30 });
    return totp.generate({ timestamp: step * STEP_MS });
  }

  async signIn(page, { user = this.user, password = PASSWORD, digits } = {}) {
    await page.locator("#user").fill(user);
    await page.locator("#password").fill(password);
    await page.locator("#digits").fill(digits ?? await this.digits());
    await page.locator("#sign-in button[type=submit]").click();
  }

  async unlock(page, password = PASSWORD) {
    await page.locator("#unlocking-password").fill(password);
    await page.locator("#unlocking button[type=submit]").click();
  }
}

// The workstation gets its key; it stays in the browser of this page's context.
export async function enrol(stage, page, name, body = "owner") {
  const { code } = await stage.says("post", "invite", name, "--body", body);
  await page.goto(stage.url);
  await page.locator("#to-enrolling").click();
  await page.locator("#enrolling-code").fill(code);
  await page.locator("#enrolling button").click();
  await expect(page.locator("#signing-state")).toContainText("Postazione registrata");
}

export async function stateGrounds(page) {
  await page.locator("#purpose").selectOption("urban-security");
  await page.locator("#case").fill("PG 12/2026");
}

export async function lookUp(page, plate) {
  await stateGrounds(page);
  await page.locator("#plate").fill(plate);
  await page.locator("#lookup button[type=submit]").click();
  await expect(page.locator("#results")).toContainText(plate);
}

// Keeps a picture of the page where somebody wants to see it.
export async function picture(page, name) {
  const folder = process.env.VARCO_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}
