// A hub of these tests' own: `varco-stage` runs it, and the hub's commands make what a test needs.
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

export class Stage {
  #process;
  #lines;
  #folder;

  // Starts broker and hub; `signing` are lines of that table of hub.toml.
  static async open(signing = "") {
    const stage = new Stage();
    stage.#folder = mkdtempSync(join(tmpdir(), "varco-browser-"));
    const program = process.env.VARCO_STAGE;
    if (!program) throw new Error("VARCO_STAGE does not name varco-stage: run hub/tests/browser/run");
    stage.#process = spawn(program, ["--folder", stage.#folder, "--signing", signing],
      { stdio: ["pipe", "pipe", "inherit"] });
    stage.#lines = createInterface({ input: stage.#process.stdout })[Symbol.asyncIterator]();
    Object.assign(stage, await stage.#told());
    return stage;
  }

  async #told() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`varco-stage ended: ${this.log ? this.logged() : "see above"}`);
    return JSON.parse(value);
  }

  // What the hub wrote into its log.
  logged() {
    return readFileSync(this.log, "utf8");
  }

  // Sends a transit of a plate, captured now; it is stored when this ends.
  async pass(plate) {
    this.#process.stdin.write(`${plate}\n`);
    await this.#told();
  }

  // A command of the hub's, as its administrator types it; gives its JSON.
  async says(...words) {
    const { stdout } = await run(this.hub, [...words, "--home", this.home, "--json"]);
    return JSON.parse(stdout);
  }

  // The audit's lines of an action, oldest first.
  async lines(action) {
    const { lines } = await this.says("audit", "search", "--action", action);
    return lines.reverse();
  }

  async close() {
    this.#process.stdin.end();
    await new Promise((resolve) => { this.#process.once("exit", resolve); });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
