import * as fc from 'fast-check'
import { mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SetupError, UsageError } from '../helpers/errors.ts'
import { runFromEvents } from './journal-reader.ts'
import { openJournal, type Journal } from './journal.ts'
import { cniFailure, deadLegEvents, legEvents, outcomesOf, planned, runStarted } from './run.testdata.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'cnic-journal-'))

/** A journal of two legs, the second dead, with a message that is not ASCII. */
function fill(journal: Journal): void {
  journal.emit(runStarted('flannel', 'calico'))
  for (const event of legEvents('flannel', outcomesOf())) journal.emit(event)
  for (const event of deadLegEvents('calico', { ...cniFailure, seen: 'Züge 🚂 fallen aus' }))
    journal.emit(event)
  journal.emit({ type: 'run-ended' })
}

test('the run from the file is the run of the writer', async () => {
  const journal = openJournal(join(await folder(), 'events.jsonl'))
  fill(journal)
  journal.close()
  expect(await runFromEvents(journal.path)).toEqual(journal.run())
  expect(journal.run().verdict).toEqual({
    exitCode: 3,
    text: expect.stringMatching(
      /^35 checks passed on flannel; no verdict on calico: set-up failed in phase cni/,
    ),
  })
})

test('a journal cut anywhere makes a run in which every planned check has an outcome, and never a green one', async () => {
  const journal = openJournal(join(await folder(), 'events.jsonl'))
  fill(journal)
  journal.close()
  const whole = await readFile(journal.path)
  const firstLine = whole.indexOf('\n')
  const cut = join(await folder(), 'events.jsonl')
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: firstLine, max: whole.length }), async (at) => {
      await writeFile(cut, whole.subarray(0, at))
      const run = await runFromEvents(cut)
      for (const leg of run.legs) {
        expect(leg.outcomes.map(({ check }) => check)).toEqual(planned.map(({ check }) => check))
        const reasons = leg.outcomes
          .filter(({ outcome }) => outcome === 'not-run')
          .map(({ reason }) => reason)
        for (const reason of reasons) expect(reason).toMatch(/^(the journal ends|set-up failed) /)
      }
      expect(run.verdict.exitCode).toBe(3)
    }),
    { numRuns: 100 },
  )
})

test('what was cut short says by whom and where; a leg that was done stays done', async () => {
  const journal = openJournal(join(await folder(), 'events.jsonl'))
  journal.emit(runStarted('flannel', 'calico'))
  for (const event of legEvents('flannel', outcomesOf())) journal.emit(event)
  journal.emit({ type: 'phase-started', leg: 'calico', name: 'create' })
  journal.emit({ type: 'aborted', by: 'SIGTERM' })
  // What breaks because of the abort is not the cause.
  journal.emit({ type: 'setup-failed', leg: 'calico', failure: cniFailure })
  const run = journal.run()
  expect(run.legs.map(({ abortedBy }) => abortedBy)).toEqual([undefined, 'SIGTERM'])
  expect(run.legs[1]).toMatchObject({ phases: [{ name: 'create', ok: false, detail: 'did not end' }] })
  expect(run.legs[1]?.setupFailure).toBeUndefined()
  expect(run.legs[1]?.outcomes[0]?.reason).toBe('ended by SIGTERM in phase create')
  expect(run.verdict.exitCode).toBe(143)
  journal.close()
})

test('phases are timed, side by side, and fail with their message', async () => {
  const journal = openJournal(join(await folder(), 'events.jsonl'))
  journal.emit(runStarted('flannel'))
  const result = await Promise.allSettled([
    journal.phase('flannel', 'create', async () => 'made'),
    journal.phase('flannel', 'cni', async () => {
      throw new Error('no image')
    }),
  ])
  expect(result.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(journal.run().legs[0]?.phases).toMatchObject([
    { name: 'create', ok: true },
    { name: 'cni', ok: false, detail: 'no image' },
  ])
  journal.close()
  journal.emit({ type: 'run-ended' })
})

test('not a journal', async () => {
  const file = join(await folder(), 'events.jsonl')
  const problem = async (content: string): Promise<string> => {
    await writeFile(file, content)
    const error = await runFromEvents(file).catch((thrown: unknown) => thrown)
    if (!(error instanceof UsageError)) throw error
    return error.message.replaceAll(file, 'events.jsonl')
  }
  expect(await problem('')).toBe('events.jsonl: it does not begin with run-started: nothing to report')
  expect(await problem('{"type":"run-st')).toBe(
    'events.jsonl: it does not begin with run-started: nothing to report',
  )
  expect(await problem('hello\nworld\n')).toBe('events.jsonl:1: not a line of JSON')
  expect(await problem('{"type":"party","at":"2026-11-21T08:00:00Z"}\n')).toMatch(/^events\.jsonl:1: type: /)
  expect(await problem('{"type":"run-started","schemaVersion":2}\n')).toMatch(
    /^events\.jsonl:1: schemaVersion: /,
  )
  await expect(runFromEvents(join(file, 'nowhere'))).rejects.toThrow(UsageError)
})

test('a journal that cannot be written is a failure of the set-up', async () => {
  const file = join(await folder(), 'file')
  await writeFile(file, '')
  expect(() => openJournal(join(file, 'events.jsonl'))).toThrow(SetupError)
})

test('a full disk is told once, and the run goes on in memory: its cluster still has to be deleted', async () => {
  const path = join(await folder(), 'events.jsonl')
  await symlink('/dev/full', path)
  const journal = openJournal(path)
  expect(() => journal.emit(runStarted('flannel'))).toThrow(/cannot be written[^]*ENOSPC[^]*next: free some/)
  for (const event of legEvents('flannel', outcomesOf())) journal.emit(event)
  expect(journal.run().legs[0]?.outcomes).toHaveLength(outcomesOf().length)
  journal.close()
})
