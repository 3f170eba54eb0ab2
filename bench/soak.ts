import { spawn, type ChildProcess } from 'node:child_process'
import { parseArgs } from 'node:util'
import { startHeldRun } from '../helpers/held-run.ts'
import { attach, readLegHandle } from '../helpers/leg-handle.ts'
import type { Outcome } from '../helpers/observation.ts'
import { checks as catalogue } from '../suites/catalogue.ts'
import { line, repeat, summary, timed } from './stats.ts'

/**
 * Does a healthy cluster stay green? The checks again and again on one cluster of each kind, no retries; with `--hogs`
 * beside programs that keep processors busy. `node bench/soak.ts [--runs 10] [--level core] [--hogs 0] [clusters...]`
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '10' },
    level: { type: 'string', default: 'all' },
    hogs: { type: 'string', default: '0' },
  },
})
const checks = catalogue.filter(({ level }) => values.level === 'all' || level === values.level)
const clusters = positionals.length > 0 ? positionals : ['flannel', 'calico', 'cilium']

for (const cluster of clusters) {
  const held = await startHeldRun(cluster)
  try {
    if (held.leg.state === 'failed') throw new Error(held.leg.reason)
    const { session, close } = await attach(await readLegHandle(held.leg.handleFile))
    const hogs = startHogs(Number(values.hogs))
    try {
      await soak(cluster, (turn) => session.run(checks).then((outcomes) => notGreen(turn, outcomes)))
    } finally {
      for (const hog of hogs) hog.kill()
      close()
    }
  } finally {
    await held.stop()
  }
}

async function soak(cluster: string, runOnce: (turn: number) => Promise<number>): Promise<void> {
  let off = 0
  const times = await repeat(Number(values.runs), async (turn) =>
    timed(async () => {
      off += await runOnce(turn)
    }),
  )
  const what = `${cluster}: ${values.runs} runs of ${checks.length} checks, ${values.hogs} hogs`
  line(what, `${off} not green`, '0')
  line('  one run', summary(times, 'ms'), '-')
}

function notGreen(turn: number, outcomes: readonly Outcome[]): number {
  const off = outcomes.filter(({ outcome }) => outcome === 'failed' || outcome === 'not-run')
  for (const { check, outcome, reason } of off)
    console.error(`run ${turn + 1}: ${outcome}: ${check}: ${reason}`)
  return off.length
}

/** Programs that do nothing but take processor time. */
function startHogs(count: number): ChildProcess[] {
  return Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  )
}
