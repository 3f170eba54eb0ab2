import { expect, test } from 'vitest'
import { sleep } from '../await.ts'
import { Trial } from './trial.ts'
import { watchStalls } from './stalls.ts'

/** Keeps this process from whatever else it has to do. */
function busyFor(ms: number): void {
  const untilMs = performance.now() + ms
  while (performance.now() < untilMs);
}

test('an answer says how much of its time the agent could not run', async () => {
  watchStalls()
  const [late, prompt] = [new Trial(1_000, () => 0), new Trial(1_000, () => 0)]
  late.sent()
  // Nobody looks at what has come meanwhile.
  busyFor(300)
  late.end('answered')
  await sleep(100)
  prompt.sent()
  prompt.end('answered')
  const { ms, lostMs = 0 } = await late.ending
  expect(ms).toBeGreaterThanOrEqual(300)
  expect(lostMs).toBeGreaterThanOrEqual(200)
  expect(lostMs).toBeLessThanOrEqual(ms)
  expect((await prompt.ending).lostMs ?? 0).toBeLessThan(100)
})
