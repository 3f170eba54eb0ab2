import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import { createProgress } from '../helpers/progress.ts'
import { largeRun } from '../reports/html/page.testdata.ts'
import { renderHtml } from '../reports/html/page.ts'
import { chromiumFlags, ensureChromium } from '../reports/html/testing/chromium.ts'
import { line, repeat, summary, timed } from './stats.ts'

/** The page of 30 legs with 200 checks each: its size, the time to make it, the time until a reader sees it. */

const run = largeRun(30, 200)
const html = renderHtml(run)
line('30 legs x 200 checks: file', `${(Buffer.byteLength(html) / 1e6).toFixed(2)} MB`, '<= 3 MB')
const rendering = await repeat(5, () => timed(() => Promise.resolve(renderHtml(run))))
line('  rendered by Node.js in', summary(rendering, 'ms'), '-')

const found = await ensureChromium(true, createProgress())
if ('missing' in found) throw new Error(found.missing)
const folder = await mkdtemp(join(tmpdir(), 'bench-page-'))
const file = join(folder, 'report.html')
await writeFile(file, html)
const browser = await chromium.launch({ executablePath: found.path, args: chromiumFlags })
try {
  const painted: number[] = []
  const loaded: number[] = []
  const worked: number[] = []
  for (let turn = 0; turn < 5; turn++) {
    // A context of its own has no cache of the last turn.
    const page = await browser.newPage({ viewport: { width: 1_440, height: 900 } })
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
    await page.goto(pathToFileURL(file).href)
    loaded.push(await page.evaluate<number>('performance.getEntriesByType("navigation")[0].loadEventEnd'))
    // Two frames after load everything in the window has been drawn and the script has run.
    painted.push(
      await page.evaluate<number>(
        'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))',
      ),
    )
    const { metrics } = await devtools.send('Performance.getMetrics')
    worked.push(1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN))
    await page.close()
  }
  line('  opened in Chromium: load event', summary(loaded, 'ms'), '<= 1000 ms')
  line('  opened in Chromium: drawn, script run', summary(painted, 'ms'), '<= 1000 ms')
  // Says something also on a machine that is busy with other things.
  line('  CPU time of the page until then', summary(worked, 'ms'), '-')
} finally {
  await browser.close()
  await rm(folder, { recursive: true })
}
