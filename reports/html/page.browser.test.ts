import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import axe from 'axe-core'
import * as fc from 'fast-check'
import type { Page } from 'playwright-core'
import { expect, test as base } from 'vitest'
import { hostileRun } from '../hostile.testdata.ts'
import type { Run } from '../model.ts'
import { deadRun, outcomesOf, runWith } from '../run.testdata.ts'
import { betweenNodes, largeRun, pullFailure, runOf, threeLegs } from './page.testdata.ts'
import { renderHtml } from './page.ts'
import { fixtures, type Fixtures } from './testing/browser.ts'

/** The page in a real browser: whom it keeps out, what it asks for, how its filter works. */

const test = base.extend<Fixtures>(fixtures)

const red = (): Run =>
  runOf(
    threeLegs.map((leg) => {
      if (leg.cni === 'calico') return { ...leg, broken: betweenNodes }
      return leg.cni === 'cilium' ? { ...leg, failure: pullFailure } : leg
    }),
  )
const runs: Readonly<Record<string, () => Run>> = {
  'one leg': () => runWith(outcomesOf(betweenNodes)),
  'three green legs': () => runOf(threeLegs),
  'three legs, one red, one dead': red,
  'a leg that never came up': deadRun,
  // Every check is a row like every other; more of them make axe slower and no wiser.
  'thirty legs': () => largeRun(30, 40),
}

for (const [name, make] of Object.entries(runs)) {
  test(`axe finds nothing serious, in light and dark: ${name}`, async ({ open }) => {
    const { page } = await open(renderHtml(make()), { colorScheme: 'light' })
    expect(await seriousFindings(page)).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await seriousFindings(page, ['color-contrast'])).toEqual([])
  })
}

test('axe would find it: a text too pale, a picture without words', async ({ open }) => {
  const html = renderHtml(runOf(threeLegs))
    .replace('role="img" aria-label', 'role="img" data-label')
    .replace(/<meta http-equiv=[^>]*>/, '')
    .replace('</style>', '.product { color: #aaa }</style>')
  const { page } = await open(html)
  expect(await seriousFindings(page, ['color-contrast', 'svg-img-alt'])).toEqual([
    expect.stringMatching(/^color-contrast: <p class="product">/),
    expect.stringMatching(/^svg-img-alt: /),
  ])
})

/** Findings of axe that keep people out, with the elements; of all rules or of some. */
async function seriousFindings(page: Page, rules?: string[]): Promise<string[]> {
  await page.evaluate(axe.source)
  const options = { resultTypes: ['violations'], ...(rules === undefined ? {} : { runOnly: rules }) }
  const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(${JSON.stringify(options)})`)
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ html }) => `${id}: ${html.slice(0, 200)}`))
}

test('the page asks for itself and nothing else, and has nothing to complain about', async ({ open }) => {
  const { page, url, requests, complaints } = await open(renderHtml(red()))
  await page.getByRole('searchbox').fill('dns')
  await page.emulateMedia({ media: 'print' })
  expect(requests).toEqual([url])
  expect(complaints).toEqual([])
})

test('were something not escaped, it could neither run nor load', async ({ open }) => {
  let asked = 0
  const server = createServer((_, response) => {
    asked += 1
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const escaped = `<script>document.title = 'run'</script><img src="http://127.0.0.1:${port}/x" onerror="document.title = 'run'"><p style="color: red">`
  const html = renderHtml(runOf(threeLegs)).replace('<main>', `<main>${escaped}`)
  const guarded = await open(html)
  expect(await guarded.page.title()).not.toBe('run')
  expect(guarded.complaints.join('\n')).toMatch(/violates the following Content Security Policy/)
  expect(asked).toBe(0)
  // The same without our policy, to see that it was the policy.
  const bare = await open(html.replace(/<meta http-equiv=[^>]*>/, ''))
  expect(await bare.page.title()).toBe('run')
  expect(asked).toBe(1)
  server.close()
})

test('whatever the strings: no script of theirs runs, no element of theirs is there', async ({ open }) => {
  for (const run of fc.sample(hostileRun, { numRuns: 12, seed: 1 })) {
    const { page, url, requests, complaints } = await open(renderHtml(run))
    expect(complaints).toEqual([])
    expect(requests).toEqual([url])
    expect(await page.locator('script').count()).toBe(1)
    expect(await page.locator('img, iframe, object, embed, link, base').count()).toBe(0)
    await page.context().close()
  }
})

test('the filter by keyboard alone: search, choose, clear', async ({ open }) => {
  const { page } = await open(renderHtml(red()))
  const rows = page.locator('.matrix tbody tr:not(.topic):visible')
  const status = page.getByRole('status')
  const all = await rows.count()
  await page.keyboard.press('Tab')
  expect(await focused(page)).toBe('Skip to the matrix')
  await tabTo(page, 'filter-text')
  await page.keyboard.type('cross-node tcp')
  await expect.poll(() => rows.count()).toBe(1)
  expect(await status.textContent()).toBe(`1 of ${all} checks, 2 of 9 findings`)
  await page.keyboard.press('Tab')
  await page.keyboard.type('failed')
  await expect.poll(() => rows.count()).toBe(1)
  await tabTo(page, 'filter-leg')
  await page.keyboard.type('flannel')
  await expect.poll(() => rows.count()).toBe(0)
  expect(await status.textContent()).toBe(`0 of ${all} checks, 0 of 9 findings`)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await expect.poll(() => rows.count()).toBe(all)
  expect(await page.locator('article.leg:visible').count()).toBe(3)
})

test('the filter by topic and leg leaves their part of everything', async ({ open }) => {
  const { page } = await open(renderHtml(red()))
  await page.locator('#filter-leg').selectOption('calico')
  await page.locator('#filter-topic').selectOption('service')
  await expect.poll(() => page.locator('.matrix tbody:visible').count()).toBe(1)
  expect(await page.locator('.matrix thead th.leg:visible').allTextContents()).toEqual([
    expect.stringContaining('calico'),
  ])
  expect(await page.locator('.finding:visible').count()).toBe(3)
  expect(await page.locator('article.leg:visible').count()).toBe(1)
})

async function tabTo(page: Page, id: string): Promise<void> {
  for (let step = 0; step < 40; step++) {
    if ((await page.evaluate<string>('document.activeElement.id')) === id) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`${id} was not reached with the Tab key`)
}

const focused = (page: Page): Promise<string> => page.evaluate<string>('document.activeElement.textContent')

test('words for those who listen, also where a cell shows only its mark', async ({ open }) => {
  const { page } = await open(renderHtml(largeRun(30, 40)))
  const devtools = await page.context().newCDPSession(page)
  const { nodes } = await devtools.send('Accessibility.getFullAXTree')
  const cells = nodes.filter(({ role }) => role?.value === 'gridcell' || role?.value === 'cell')
  const names = new Set(cells.map(({ name }) => String(name?.value)))
  expect(names).toContain('passed')
  expect(names).toContain('failed')
  expect(names).toContain('not run')
  expect(names).toContain('unsupported')
})

test('a red cell leads to its finding, which opens', async ({ open }) => {
  const { page } = await open(renderHtml(largeRun(30, 40)))
  const cell = page.locator('.matrix td.f a').last()
  const target = (await cell.getAttribute('href')) ?? ''
  const opened = page.locator(`.finding[open] > ${target}`)
  expect(await opened.count()).toBe(0)
  await cell.focus()
  await page.keyboard.press('Enter')
  await expect.poll(() => opened.count()).toBe(1)
  await expect
    .poll(() => page.locator(target).evaluate((each) => each.getBoundingClientRect().top))
    .toBeLessThan(900)
})

test('without script: no filter, everything to read', async ({ open }) => {
  const { page } = await open(renderHtml(red()), { javaScriptEnabled: false })
  expect(await page.getByRole('searchbox').isVisible()).toBe(false)
  expect(await page.locator('.matrix tbody tr:not(.topic):visible').count()).toBe(39)
  const closed = page.locator('details:not([open]) > summary').first()
  await closed.click()
  expect(await page.locator('details[open]').count()).toBeGreaterThan(0)
})

test('on paper all findings are open and nothing is cut off', async ({ open }) => {
  const { page } = await open(renderHtml(largeRun(30, 40)), { javaScriptEnabled: false })
  await page.emulateMedia({ media: 'print' })
  expect(await page.getByRole('navigation').isVisible()).toBe(false)
  const heights = await page
    .locator('.finding:not([open]) > .inside')
    .evaluateAll((all) => all.map((each) => each.getBoundingClientRect().height))
  expect(heights.length).toBeGreaterThan(10)
  expect(Math.min(...heights)).toBeGreaterThan(100)
})
