import { spawn, type ChildProcess } from 'node:child_process'
import { parseArgs } from 'node:util'
import { runPhases, type Phased } from '../cli/phases.ts'
import { startHeldRun } from '../helpers/held-run.ts'
import { attach, readLegHandle } from '../helpers/leg-handle.ts'
import type { Outcome } from '../helpers/observation.ts'
import { silentProgress } from '../helpers/progress.ts'
import { profileSchema } from '../helpers/profiles.ts'
import { checks as catalogue } from '../suites/catalogue.ts'
import { isInProfile } from '../suites/profiles.ts'
import { line, repeat, summary, timed } from './stats.ts'

/**
 * Does a healthy cluster stay green? The checks again and again on one cluster of each kind, no retries; then beside
 * programs that keep both processors of a small machine busy.
 * `node bench/soak.ts [--runs 10] [--busy-runs 0] [--hogs 2] [--profile extended] [clusters...]`
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '10' },
    'busy-runs': { type: 'string', default: '0' },
    hogs: { type: 'string', default: '2' },
    profile: { type: 'string', default: 'extended' },
  },
})
const profile = profileSchema.parse(values.profile)
const checks = catalogue.filter((check) => isInProfile(profile, check))
const clusters = positionals.length > 0 ? positionals : ['flannel', 'calico', 'cilium']

const { signal } = new AbortController()
/** Milliseconds that each phase took, run by run. */
const spent = new Map<string, number[]>()
const phaseTimes: Phased['log'] = {
  async phase(name, title, work) {
    const startedMs = performance.now()
    try {
      return await silentProgress.step(title, work)
    } finally {
      spent.set(name, [...(spent.get(name) ?? []), performance.now() - startedMs])
    }
  },
  outcomes: () => undefined,
}

for (const cluster of clusters) {
  const held = await startHeldRun(cluster)
  try {
    if (held.leg.state === 'failed') throw new Error(held.leg.reason)
    const { session, close } = await attach(await readLegHandle(held.leg.handleFile))
    const once = (): Promise<Outcome[]> => runPhases({ checks, signal, log: phaseTimes }, session, false)
    try {
      await soak(cluster, Number(values.runs), once)
      const hogs = startHogs(Number(values['busy-runs']) > 0 ? Number(values.hogs) : 0)
      try {
        await soak(`${cluster} beside ${hogs.length} hogs`, Number(values['busy-runs']), once)
      } finally {
        for (const hog of hogs) hog.kill()
      }
    } finally {
      close()
    }
  } finally {
    await held.stop()
  }
}

async function soak(where: string, runs: number, runOnce: () => Promise<Outcome[]>): Promise<void> {
  if (runs === 0) return
  spent.clear()
  const counts = new Map<string, number>()
  const offNow = (): number => (counts.get('failed') ?? 0) + (counts.get('not-run') ?? 0)
  const times = await repeat(runs, async (turn) => {
    const ms = await timed(async () => {
      for (const { check, outcome, reason } of await runOnce()) {
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
        if (outcome === 'failed' || outcome === 'not-run')
          console.error(`${where}, run ${turn + 1}: ${outcome}: ${check}: ${reason}`)
      }
    })
    const seconds = (ms / 1_000).toFixed(1)
    console.error(`${where}: run ${turn + 1} of ${runs} in ${seconds} s, ${offNow()} not green so far`)
    return ms
  })
  line(`${where}: ${runs} runs of ${checks.length} checks (${profile})`, `${offNow()} not green`, '0')
  line('  outcomes', [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', '), '-')
  line('  one run', summary(times, 'ms'), '-')
  for (const [name, each] of spent) line(`    ${name}`, summary(each, 'ms'), '-')
}

/** Programs that do nothing but take processor time. */
function startHogs(count: number): ChildProcess[] {
  return Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  )
}
