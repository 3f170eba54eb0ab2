import { expect, test } from 'vitest'
import { detailsIn } from './detail.ts'
import { failuresOf } from './html/failures.ts'
import { viewOf } from './html/view.ts'
import { diagnose } from './ladder.ts'
import { crossNodeDown, outcomesOf, runWith } from './run.testdata.ts'

test('where packets were seen last is told after what was seen, and before the evidence, on the page as well', () => {
  const packets = 'the packet to b left worker by eth0, and never arrived at worker2: lost between the nodes'
  const outcomes = outcomesOf(crossNodeDown).map((each) =>
    each.outcome === 'failed' ? { ...each, packets } : each,
  )
  const [failed] = outcomes.filter(({ outcome }) => outcome === 'failed')
  if (failed === undefined) throw new Error('nothing failed')
  const labels = detailsIn(outcomes)(failed).map(({ label }) => label)
  const at = labels.indexOf('packets')
  expect(at).toBeGreaterThan(labels.indexOf('seen'))
  expect(at).toBeLessThan(labels.indexOf('evidence'))
  expect(diagnose(outcomes)?.because).toContain(packets)
  expect(failuresOf(viewOf(runWith(outcomes))).section.toString()).toContain(packets)
})
