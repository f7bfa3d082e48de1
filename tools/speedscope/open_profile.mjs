// SPDX-License-Identifier: MIT
//
// Opens a profile in speedscope's own page in a headless browser, as `speedscope FILE` would, and has it
// exported again: what it understood, exactly.
//
//   usage:  node open_profile.mjs MODULES BROWSER PROFILE FOLDER
//           MODULES is a node_modules folder with speedscope and puppeteer-core; into FOLDER go the export
//           and page.png. Prints one JSON object: title, rows of the sandwich view, path of the export.
// Fails (exit 1) on anything that the page logs as an error or a warning, throws, or asks.

import fs from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { pathToFileURL } from "node:url"

const PATIENCE = 40_000 // milliseconds

const [modules, browserPath, profile, folder] = process.argv.slice(2).map((word) => path.resolve(word))
const puppeteer = createRequire(path.join(modules, "here.js"))("puppeteer-core")
const page_file = path.join(modules, "speedscope/dist/release/index.html")

/** The script that speedscope's command writes for its page. */
function writeLoader() {
  const loader = path.join(folder, "loader.js")
  const words = [path.basename(profile), fs.readFileSync(profile).toString("base64")]
  fs.writeFileSync(loader, `speedscope.loadFileFromBase64(${words.map((w) => JSON.stringify(w)).join(", ")})`)
  return loader
}

function listen(page, complaints) {
  page.on("console", (message) => {
    if (["error", "warn", "warning", "assert"].includes(message.type())) complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("requestfailed", (request) => complaints.push(`could not load ${request.url()}`))
  page.on("dialog", async (dialog) => {
    complaints.push(dialog.message())
    await dialog.dismiss()
  })
}

/** Until the title names the profile, or something went wrong. */
async function shown(page, complaints) {
  const end = Date.now() + PATIENCE
  while (!(await page.title()).includes(path.basename(profile))) {
    if (complaints.length) throw new Error(complaints.join("\n"))
    if (Date.now() > end) throw new Error(`speedscope does not show it: ${await page.$eval("body", (b) => b.innerText)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** The sandwich view is a table: [total, self, symbol] as shown. */
async function sandwich(page) {
  await page.keyboard.press("3")
  await page.waitForSelector("td", { timeout: PATIENCE })
  return page.$$eval("tr", (rows) =>
    rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.innerText.trim())).filter((row) => row.length),
  )
}

async function exported(page, browser) {
  const session = await browser.target().createCDPSession()
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder, eventsEnabled: true })
  const done = new Promise((resolve, reject) => {
    let name
    session.on("Browser.downloadWillBegin", (event) => (name = event.suggestedFilename))
    session.on("Browser.downloadProgress", (event) => event.state === "completed" && resolve(path.join(folder, name)))
    setTimeout(() => reject(new Error("speedscope exported nothing")), PATIENCE).unref()
  })
  await page.evaluate(() => {
    const all = [...document.querySelectorAll("div")]
    all.findLast((element) => element.innerText.trim().endsWith("Export")).click()
  })
  return done
}

const complaints = []
const browser = await puppeteer.launch({
  executablePath: browserPath,
  args: ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"],
  protocolTimeout: 2 * PATIENCE,
})
try {
  const page = await browser.newPage()
  await page.setViewport({ width: 1400, height: 1000 })
  listen(page, complaints)
  await page.goto(`${pathToFileURL(page_file)}#localProfilePath=${writeLoader()}`)
  await shown(page, complaints)
  const rows = await sandwich(page)
  await page.screenshot({ path: path.join(folder, "page.png") })
  console.log(JSON.stringify({ title: await page.title(), rows, exported: await exported(page, browser) }))
} finally {
  await browser.close()
}
if (complaints.length) {
  console.error(complaints.join("\n"))
  process.exit(1)
}
