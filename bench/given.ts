import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { budgets } from '../helpers/budgets.ts'
import { profileSchema } from '../helpers/profiles.ts'
import { run } from '../helpers/exec.ts'
import { spentOf } from '../reports/scope.ts'
import { readRun } from '../reports/model.ts'
import { line, repeat, summary, timed } from './stats.ts'

/**
 * Runs on a cluster that stands already, such as one that `test --keep` left: how long they take from the command to its
 * end, what of that is checking, and what they ask of the API server.
 */

const [kubeconfig = '', context = '', rounds = '3'] = process.argv.slice(2)
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
const counter = fileURLToPath(new URL('count-requests.ts', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'bench-given-'))
const counted = join(folder, 'requests')
try {
  for (const profile of profileSchema.options) {
    const checking: number[] = []
    const requests: number[] = []
    let byKind: Record<string, number> = {}
    let pods = 0
    const walls = await repeat(Number(rounds), () =>
      timed(async () => {
        const flags = [`--kubeconfig=${kubeconfig}`, `--context=${context}`, `--profile=${profile}`, '-q']
        await run([process.execPath, '--import', counter, main, 'test', ...flags, `--report-dir=${folder}`], {
          env: { COUNT_REQUESTS_IN: counted },
        })
        const found = await readRun(join(folder, 'run.json'))
        const [leg] = found.legs
        if (leg === undefined) throw new Error('no leg')
        checking.push(
          spentOf({ ...leg, cluster: { ...leg.cluster, given: undefined } }, found)?.ms ?? Number.NaN,
        )
        byKind = JSON.parse(await readFile(counted, 'utf8')) as Record<string, number>
        requests.push(Object.values(byKind).reduce((sum, count) => sum + count, 0))
        pods = byKind['patch pods'] ?? 0
      }),
    )
    const seconds = (list: readonly number[]): string =>
      summary(
        list.map((ms) => ms / 1_000),
        's',
        1,
      )
    const { smokeRunMs, coreMs, extendedMs } = budgets
    const bar = { smoke: smokeRunMs, core: coreMs, extended: extendedMs }[profile].ms / 1_000
    line(`${profile}: from the command to its end`, seconds(walls), profile === 'smoke' ? `<= ${bar} s` : '-')
    line('  fixtures Ready -> last outcome', seconds(checking), profile === 'smoke' ? '-' : `<= ${bar} s`)
    line(`  requests to the API, ${pods} pods`, summary(requests, ''), `<= ${6 * pods + 20}`)
    for (const [kind, count] of Object.entries(byKind).toSorted(([, one], [, other]) => other - one))
      line(`    ${kind}`, String(count), '-')
  }
} finally {
  await rm(folder, { recursive: true })
}
