import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from 'simple-statistics'
import { parseRun } from '../reports/model.ts'
import { line, summary, timed } from './stats.ts'

/**
 * A matrix of some clusters beside the same legs one after the other, in turn, with warm images; and the memory that it
 * took beside what it had planned. `node bench/matrix.ts [rounds] [clusters...]`
 */

const [rounds = '3', ...named] = process.argv.slice(2)
const clusters = named.length > 0 ? named : ['flannel', 'calico', 'cilium']
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-bench-'))

/** Runs the program; a leg that is not green makes its time worthless. */
function green(...argv: string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...argv, '-q'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${argv.join(' ')}: exit ${status}\n${stdout}${stderr}`)
}

const [together, inTurn, peaks]: [number[], number[], number[]] = [[], [], []]
let budgetMiB = 0
try {
  // Once without the clock: whoever comes first would pay for the images.
  for (const cluster of clusters)
    green('test', cluster, '--report-dir', join(folder, 'warm', basename(cluster)))
  for (let round = 0; round < Number(rounds); round++) {
    const reports = join(folder, `${round}`)
    together.push((await timed(async () => green('matrix', ...clusters, '--report-dir', reports))) / 1000)
    const { parallel } = parseRun(reports, JSON.parse(await readFile(join(reports, 'run.json'), 'utf8')))
    budgetMiB = parallel?.budgetMiB ?? 0
    peaks.push(parallel?.peakMiB ?? 0)
    const sequence = await timed(async () => {
      for (const cluster of clusters)
        green('test', cluster, '--report-dir', join(reports, 'alone', basename(cluster)))
    })
    inTurn.push(sequence / 1000)
    console.error(
      `round ${round + 1}: matrix ${together.at(-1)?.toFixed(1)} s, in sequence ${inTurn.at(-1)?.toFixed(1)} s`,
    )
  }
} finally {
  await rm(folder, { recursive: true })
}
line(`matrix of ${clusters.join(', ')}`, summary(together, 's', 1), '-')
line('the same legs in sequence', summary(inTurn, 's', 1), '-')
line('ratio of the medians', (median(together) / median(inTurn)).toFixed(2), '<= 0.75 on 2 cores')
line('memory at most', summary(peaks, 'MiB'), `never above the ${budgetMiB} MiB planned`)
