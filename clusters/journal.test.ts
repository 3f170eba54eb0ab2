import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ownIdentity } from './identity.ts'
import { appendEntry, clusterNamePattern, parseJournal, readJournal, stateOf } from './journal.ts'
import type { JournalEntry } from './journal.ts'
import { newClusterName } from './lease.ts'

const names = fc.stringMatching(/^[a-z0-9-]{0,12}$/).map((leg) => newClusterName(leg))

const owners = fc.record({
  type: fc.constant('owner' as const),
  owner: fc.record({
    pid: fc.nat(),
    startTicks: fc.nat(),
    bootId: fc.string(),
    pidNamespace: fc.string(),
    host: fc.string(),
  }),
  purpose: fc.string(),
  openedAt: fc.string(),
  docker: fc.dictionary(fc.string(), fc.string()),
})

const entries: fc.Arbitrary<JournalEntry> = fc.oneof(
  owners,
  names.map((name) => ({ type: 'cluster' as const, name })),
  fc.constantFrom<JournalEntry>({ type: 'settled' }, { type: 'keep' }, { type: 'left', why: 'because' }),
)

const text = (list: readonly JournalEntry[]): string =>
  list.map((entry) => `\n${JSON.stringify(entry)}\n`).join('')

test('a journal that was cut anywhere gives the entries before the cut, and those written after it', () => {
  fc.assert(
    fc.property(fc.array(entries), fc.nat(), fc.array(entries), (before, where, after) => {
      const whole = text(before)
      const cut = whole.slice(0, whole.length === 0 ? 0 : where % whole.length)
      // An entry survives when its last bracket does; the line break behind it is made good by the next one.
      const survivors = before.filter((_, index) => cut.length >= text(before.slice(0, index + 1)).length - 1)
      expect(plain(parseJournal(cut + text(after)))).toEqual(plain([...survivors, ...after]))
    }),
  )
})

test('no text whatever throws, or names a cluster that can not be ours', () => {
  const lines = fc.oneof(
    fc.string(),
    fc.json(),
    fc.string().map((name) => JSON.stringify({ type: 'cluster', name })),
  )
  fc.assert(
    fc.property(fc.array(lines), (list) => {
      for (const name of stateOf(parseJournal(list.join('\n'))).clusters)
        expect(name).toMatch(clusterNamePattern)
    }),
  )
})

test.each([
  'kind',
  'x',
  'cnic-',
  'cnic-a b',
  'cnic-a-',
  '../cnic-x',
  'CNIC-x',
  `cnic-${'x'.repeat(50)}`,
  'cnic-x\n',
])('a cluster named %j is never deleted', (name) => {
  expect(parseJournal(JSON.stringify({ type: 'cluster', name }))).toEqual([])
})

test('a leg of any name gives a cluster name of ours that kind accepts', () => {
  fc.assert(
    fc.property(fc.string(), (leg) => {
      const name = newClusterName(leg)
      expect(name).toMatch(clusterNamePattern)
      expect(name.length).toBeLessThanOrEqual(50)
    }),
  )
})

test('a cluster is unsettled from its announcement until kind has ended', () => {
  const cluster: JournalEntry = { type: 'cluster', name: 'cnic-a' }
  expect(stateOf([]).settled).toBe(true)
  expect(stateOf([cluster]).settled).toBe(false)
  expect(stateOf([cluster, { type: 'settled' }, { type: 'keep' }])).toMatchObject({
    settled: true,
    kept: true,
  })
  expect(stateOf([cluster, { type: 'settled' }, cluster])).toMatchObject({
    settled: false,
    clusters: ['cnic-a'],
  })
})

test('what was appended is read again; a missing journal is empty', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cnic-journal-'))
  const owner = await ownIdentity()
  await appendEntry(dir, { type: 'owner', owner, purpose: 'a test', openedAt: '2026-11-21', docker: {} })
  await appendEntry(dir, { type: 'cluster', name: 'cnic-a-1234' })
  expect(await readJournal(dir)).toMatchObject({
    owner: { owner },
    clusters: ['cnic-a-1234'],
    settled: false,
  })
  await rm(dir, { recursive: true })
  expect(await readJournal(dir)).toMatchObject({ owner: undefined, clusters: [], kept: false })
})

/** As JSON makes them: without prototypes and the difference between 0 and -0. */
function plain(list: readonly JournalEntry[]): unknown {
  return JSON.parse(JSON.stringify(list))
}
