// Plays one scenario in a Chromium of its own and prints what happened, as one JSON object:
//
//   node drive.mjs SCENARIO.mjs URL SCREENSHOT.png [MANNER]
//
// A scenario's default export is `async ({ page, url, told, screenshot, look }) => answer`. MANNER is a JSON object: its
// `browser` holds options of playwright's for the whole visit, and the rest is for the scenario, as `told`. `look(name)`
// takes a picture beside SCREENSHOT.png and says what is wrong with the page. Everything else is the same for all of
// them: a fresh profile, no way out to the network, and a record of every attempt to find one.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import audit from "./audit.mjs";

// WCAG 2: contrast of text, 1.4.3; size of what is pressed, 2.5.5.
const NEEDED = { contrast: 4.5, target: 44 };

const { chromium } = createRequire(path.join(setting("COUNTERSIGN_NPM"), "package.json"))("playwright-core");
const [scenario, url, picture, manner] = process.argv.slice(2);
const { browser: options, ...told } = JSON.parse(manner ?? "{}");
const { default: play } = await import(pathToFileURL(path.resolve(scenario)));

const profile = await mkdtemp(path.join(tmpdir(), "countersign-browser-"));
try {
  console.log(JSON.stringify(await visit()));
} finally {
  await rm(profile, { recursive: true, force: true, maxRetries: 3 });
}

async function visit() {
  const log = path.join(profile, "net.json");
  const browser = await chromium.launchPersistentContext(path.join(profile, "profile"), {
    executablePath: setting("COUNTERSIGN_CHROMIUM"),
    headless: true,
    chromiumSandbox: false,
    ...options,
    timeout: 60_000,
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // What asks the network all the same is told that there is no such host.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
      `--log-net-log=${log}`,
    ],
  });
  const requests = [];
  const complaints = [];
  const looks = [];
  browser.on("request", (request) => requests.push(request.url()));
  browser.on("weberror", (error) => complaints.push(String(error.error())));
  browser.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  // The console tells these too, where a page has one.
  await browser.addInitScript(() => {
    addEventListener("securitypolicyviolation", (it) => console.error(`the policy forbids ${it.effectiveDirective}`));
  });
  let answer;
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    page.setDefaultTimeout(20_000);
    const screenshot = () => page.screenshot({ path: picture, fullPage: true });
    const look = async (name) => {
      await page.screenshot({ path: picture.replace(/\.png$/, `-${name}.png`), fullPage: true });
      looks.push({ name, url: page.url(), wrong: await page.evaluate(audit, NEEDED) });
    };
    answer = await play({ page, url, told, screenshot, look });
  } finally {
    // The log is whole only once the browser has ended.
    await browser.close();
  }
  return { answer: answer ?? null, requests, complaints, looks, ...contacts(await readFile(log, "utf8")) };
}

// What the browser as a whole looked up and connected to, its own services included: pages are not all it loads.
function contacts(log) {
  const { constants, events } = JSON.parse(log);
  const kind = (name) => constants.logEventTypes[name] ?? fail(`this Chromium's log knows no ${name}`);
  const values = (name, field) =>
    [...new Set(events.filter((event) => event.type === kind(name)).map((event) => event.params?.[field]))].filter(Boolean);
  return {
    connections: values("TCP_CONNECT_ATTEMPT", "address"),
    lookups: values("HOST_RESOLVER_MANAGER_JOB", "host"),
  };
}

function setting(name) {
  return process.env[name] ?? fail(`${name} is not set: the browser suite runs through ./tests/run --only browser`);
}

function fail(why) {
  throw new Error(why);
}
