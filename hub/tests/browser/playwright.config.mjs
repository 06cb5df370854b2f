// Debian's Chromium, without a word to the outside, and one hub for all tests.
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  outputDir: "results",
  fullyParallel: false,
  workers: 1,
  retries: 0,
  forbidOnly: true,
  timeout: 40_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 900 },
    locale: "it-IT",
    timezoneId: "Europe/Rome",
    ignoreHTTPSErrors: true,
    trace: "off",
    launchOptions: {
      executablePath: process.env.VARCO_CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync",
        "--disable-background-networking", "--disable-dev-shm-usage",
      ],
    },
  },
});
