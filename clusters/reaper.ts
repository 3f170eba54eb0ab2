/**
 * The reaper: a process of its own that outlives the run. It holds one end of a pipe; when the run dies in whatever
 * way, the pipe closes and the reaper deletes what the journals of that run name. It trusts the journals alone:
 * a released lease has none, a kept one says so.
 *
 * Arguments: directory of the leases, pid of the run.
 */
import { once } from 'node:events'
import { sleep } from '../helpers/await.ts'
import { end, listLeases } from './sweep.ts'

/** Deletion is tried again this often; what is left then is for the next run's sweep. */
const attempts = 3

/** @returns whether nothing is left to do */
async function reap(root: string, ownerPid: string): Promise<boolean> {
  for (;;) {
    const leases = (await listLeases(root)).filter(
      ({ journal, owner }) =>
        String(journal.owner?.owner.pid) === ownerPid && !journal.kept && owner !== 'elsewhere',
    )
    if (leases.every(({ owner }) => owner === 'dead'))
      return (await end(leases, () => true)).left.length === 0
    // The pipe closes a moment before the kernel has ended the process.
    await sleep(250)
  }
}

const [root = '', ownerPid = ''] = process.argv.slice(2)
// A closing terminal is no reason to leave clusters behind.
process.on('SIGHUP', () => undefined)
process.stdin.resume()
process.stdin.on('error', () => undefined)
await once(process.stdin, 'close')
for (let attempt = 1; attempt <= attempts; attempt += 1) if (await reap(root, ownerPid)) break
