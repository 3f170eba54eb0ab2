import * as fc from 'fast-check'
import { appendFile, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RunEvent } from './events.ts'
import { JournalTail } from './journal-tail.ts'
import { openJournal } from './journal.ts'
import { cniFailure, deadLegEvents, runStarted } from './run.testdata.ts'

test('a journal read while it is written, cut anywhere, has each event once and in order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cnic-tail-'))
  const journal = openJournal(join(folder, 'events.jsonl'))
  journal.emit(runStarted('flannel'))
  for (const event of deadLegEvents('flannel', { ...cniFailure, seen: 'Züge 🚂' })) journal.emit(event)
  journal.close()
  const bytes = await readFile(journal.path)
  const whole = bytes
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent)
  let turn = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 6 }), async (cuts) => {
      const path = join(folder, `${turn++}.jsonl`)
      const tail = new JournalTail(path)
      const seen: RunEvent[] = await tail.read()
      const ends = [...cuts.toSorted((a, b) => a - b), bytes.length]
      for (const [at, end] of ends.entries()) {
        await appendFile(path, bytes.subarray(ends[at - 1] ?? 0, end))
        seen.push(...(await tail.read()))
      }
      await tail.close()
      expect(seen).toEqual(whole)
    }),
    { numRuns: 50 },
  )
})
