import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownIdentity } from './identity.ts'
import { appendEntry, readJournal } from './journal.ts'
import { keptClusters, readMade } from './kept.ts'
import { adoptLease, leasesDir } from './lease.ts'

let state = ''
beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), 'adoption-'))
  process.env['XDG_STATE_HOME'] = state
})
afterAll(async () => {
  delete process.env['XDG_STATE_HOME']
  await rm(state, { recursive: true })
})

/** A lease whose owner is dead, as a run that was killed leaves it. */
async function leftLease(cluster: string, kept: boolean): Promise<string> {
  const dir = join(leasesDir(), cluster)
  await mkdir(dir, { recursive: true })
  // Nobody has started at the first tick of the clock.
  const owner = { ...(await ownIdentity()), startTicks: 1 }
  const docker = { DOCKER_HOST: 'unix:///elsewhere.sock' }
  await appendEntry(dir, { type: 'owner', owner, purpose: 'test', openedAt: '2026-11-21', docker })
  if (kept) await appendEntry(dir, { type: 'keep' })
  return dir
}

test('a kept cluster has one run at a time, and stays where it was made and kept', async () => {
  const dir = await leftLease('cnic-kept-0001', true)
  expect([...(await keptClusters()).keys()]).toEqual(['cnic-kept-0001'])
  const results = await Promise.allSettled([
    adoptLease('cnic-kept-0001', 'one'),
    adoptLease('cnic-kept-0001', 'the other'),
  ])
  expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  const reasons: unknown[] = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  expect(String(reasons[0])).toContain('cluster cnic-kept-0001 is taken by another run')
  const journal = await readJournal(dir)
  expect(journal).toMatchObject({ kept: true, owner: { docker: { DOCKER_HOST: 'unix:///elsewhere.sock' } } })
  expect(journal.owner?.owner.pid).toBe(process.pid)
})

test('what was not kept, or does not say what it was made of, is refused', async () => {
  const dir = await leftLease('cnic-left-0002', false)
  await expect(adoptLease('cnic-left-0002', 'test')).rejects.toThrow('cluster cnic-left-0002 was not kept')
  await expect(readMade(dir)).rejects.toThrow('what the cluster was made of cannot be read')
})
