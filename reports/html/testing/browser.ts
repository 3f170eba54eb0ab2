import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, beforeAll, type TestContext } from 'vitest'
import { budgets } from '../../../helpers/budgets.ts'
import { createProgress } from '../../../helpers/progress.ts'
import { chromiumFlags, ensureChromium, type FoundChromium } from './chromium.ts'

let found: FoundChromium = { missing: 'nobody has looked' }
let browser: Browser | undefined
let folder = ''

beforeAll(async () => {
  const forbidden = process.env['CNI_CONFORMANCE_NO_INSTALL'] ?? ''
  found = await ensureChromium(['', '0', 'false'].includes(forbidden), createProgress())
  if ('path' in found) browser = await chromium.launch({ executablePath: found.path, args: chromiumFlags })
  folder = await mkdtemp(join(tmpdir(), 'cnic-page-'))
}, budgets.packageInstallMs.ms * 2)

afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

/** A page that is open, and what it asked for and complained about meanwhile. */
interface Opened {
  page: Page
  url: string
  requests: string[]
  complaints: string[]
}

/** What a test of the page gets. */
export interface Fixtures {
  /** Opens HTML from disk, as a user does who has downloaded it. */
  open: (html: string, options?: BrowserContextOptions) => Promise<Opened>
}

/** The page in a real browser, for `test.extend`. Without one every test is skipped and says why. */
export const fixtures = {
  open: async ({ skip }: TestContext, use: (open: Fixtures['open']) => Promise<void>): Promise<void> => {
    if ('missing' in found) skip(found.missing)
    const opened: Page[] = []
    await use(async (html, options = {}) => {
      if (browser === undefined) throw new Error('no browser')
      const file = join(folder, `${opened.length}-${process.hrtime.bigint()}.html`)
      await writeFile(file, html)
      const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options })
      const page = await context.newPage()
      opened.push(page)
      const requests: string[] = []
      const complaints: string[] = []
      page.on('request', (request) => requests.push(request.url()))
      page.on('console', (message) => complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(error.message))
      page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`))
      const url = pathToFileURL(file).href
      await page.goto(url)
      return { page, url, requests, complaints }
    })
    for (const page of opened) await page.context().close()
  },
}
