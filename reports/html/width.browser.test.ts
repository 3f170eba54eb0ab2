import { expect, test as base } from 'vitest'
import type { Outcome } from '../../helpers/observation.ts'
import { checks } from '../../suites/catalogue.ts'
import type { Run } from '../model.ts'
import { outcomesOf } from '../run.testdata.ts'
import { largeRun, runOf, threeLegs } from './page.testdata.ts'
import { renderHtml } from './page.ts'
import { fixtures, type Fixtures } from './testing/browser.ts'

/** How wide the page is in windows of different widths. */

const test = base.extend<Fixtures>(fixtures)

/** The widest that legs get: the real checks, the longest names, every outcome, each slow and sent again. */
function widest(legs: number): Run {
  const kinds = ['passed', 'failed', 'expected', 'not-run', 'unsupported'] as const
  const sample = outcomesOf()[0]
  if (sample === undefined) throw new Error('no outcomes')
  return runOf(
    Array.from({ length: legs }, (_, leg) => ({
      ...(threeLegs[leg % 3] ?? { cni: 'flannel' as const }),
      name: `a-cluster-with-a-very-long-na${leg}`,
      change: () =>
        checks.map(({ id, requirement, level }, at): Outcome => ({
          ...sample,
          check: id,
          requirement,
          level,
          outcome: kinds[(leg + at) % kinds.length] ?? 'passed',
          reason: 'so that it has one',
          observations: sample.observations.map((each) => ({ ...each, latencyMs: 88_888, attempts: 99 })),
        })),
    })),
  )
}

for (const legs of [1, 3, 6, 30]) {
  test(`a window of 1,280 pixels has the matrix of so many legs whole: ${legs}`, async ({ open }) => {
    const { page } = await open(renderHtml(widest(legs)))
    const widths = await page.evaluate<{ page: number; shown: number; table: number; requirement: number }>(
      `(() => {
        const box = document.querySelector('.scroll:has(.matrix)')
        const [must] = document.querySelectorAll('.matrix td.must')
        const rect = document.querySelector('.matrix').getBoundingClientRect()
        return { page: document.documentElement.scrollWidth, shown: box.clientWidth, table: rect.width, requirement: must.getBoundingClientRect().width }
      })()`,
    )
    expect(widths.page).toBeLessThanOrEqual(1_280)
    // Thirty legs: their marks are on the screen, and the requirements behind them.
    const needed = legs <= 6 ? widths.table : widths.table - widths.requirement
    expect(needed).toBeLessThanOrEqual(widths.shown + 1)
    expect(legs > 6 || widths.requirement >= 200).toBe(true)
  })
}

test('a narrow window scrolls down only', async ({ open }) => {
  for (const run of [runOf(threeLegs), widest(3), widest(6), largeRun(30, 40)]) {
    const { page } = await open(renderHtml(run), { viewport: { width: 380, height: 700 } })
    const widths = await page.evaluate<number>('document.documentElement.scrollWidth')
    expect(widths).toBeLessThanOrEqual(380)
  }
})
