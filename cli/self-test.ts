import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { UsageError, exitCodes } from '../helpers/errors.ts'
import { dealFaults, type DealtFaults } from './dealt-faults.ts'

/**
 * `npm test`: everything this project asserts about itself, cheapest first, and one closing line that counts it.
 * Nothing is left out when an earlier part fails, so that one run shows all that is wrong. Each fault is made on one of
 * the clusters; `--detection` makes all of them on each, and runs nothing else.
 */

const { values: options } = parseArgs({
  options: { 'no-install': { type: 'boolean' }, detection: { type: 'boolean', default: false } },
})
// What every command of ours reads; the set-up of the tests runs in processes of their own.
if (options['no-install'] === true) process.env['CNI_CONFORMANCE_NO_INSTALL'] = '1'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Counts {
  passed: number
  failed: number
  skipped: number
}

/** Static checks; each counts as one. */
const staticChecks: readonly (readonly [string, ...string[]])[] = [
  ['tsc', '--noEmit'],
  ['oxlint', '--type-aware', '--deny-warnings'],
  ['prettier', '--check', '--log-level', 'warn', '.'],
  ['knip'],
]

/** The clusters of the conformance suites: those that CNI names, with blanks or commas between. */
const clusters = (process.env['CNI'] ?? 'flannel calico cilium').split(/[\s,]+/).filter((name) => name !== '')

const dealt = options.detection || process.env['FAULTS'] !== undefined ? undefined : await dealAll()

const conformance = clusters.map((cluster) => ({ project: 'conformance', cluster }))
/** One process of Vitest each. Some of `docker` work on a node image that `conformance` has brought. */
const runs: readonly { project: string; cluster?: string }[] = options.detection
  ? conformance
  : [{ project: 'unit' }, { project: 'browser' }, ...conformance, { project: 'docker' }]

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const add = (counts: Counts): void => {
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
}

/** What CNI names must hold before anything is run. */
async function dealAll(): Promise<DealtFaults> {
  try {
    const faults = await dealFaults(clusters, root)
    console.error(faults.text)
    return faults
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(error.message)
    return process.exit(exitCodes.usage)
  }
}

let child: ChildProcess | undefined
/** What ended the whole before its time; the part that runs then cleans up behind itself. */
let stoppedBy: 'SIGINT' | 'SIGTERM' | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stoppedBy ??= signal
    child?.kill(signal)
  })
}

async function runChild(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  const [program = '', ...rest] = argv
  child = spawn(join(root, 'node_modules', '.bin', program), rest, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

for (const argv of options.detection ? [] : staticChecks) {
  if (stoppedBy !== undefined) break
  const code = await runChild(argv)
  console.error(`${code === 0 ? '✓' : '✗'} ${argv.join(' ')}`)
  add({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 })
}

const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-test-'))
try {
  for (const each of runs) if (stoppedBy === undefined) add(await runProject(each))
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function runProject({ project, cluster }: (typeof runs)[number]): Promise<Counts> {
  const file = join(folder, `${project}-${cluster ?? ''}.json`)
  const argv = ['vitest', 'run', '--project', project, '--reporter=default', '--reporter=json']
  const env = {
    ...(cluster === undefined ? {} : { CNI: cluster }),
    ...(cluster === undefined || dealt === undefined ? {} : { FAULTS: dealt.byCluster.get(cluster) }),
  }
  const code = await runChild([...argv, `--outputFile.json=${file}`], env)
  const counts = await countsIn(file)
  // A project that dies before its first test, or fails outside one, has no failed test to show for it. Where all are
  // skipped each has said why, and the closing line counts them.
  const unseen = counts.failed === 0 && (code !== 0 || counts.passed + counts.skipped === 0)
  return unseen ? { ...counts, failed: 1 } : counts
}

async function countsIn(file: string): Promise<Counts> {
  try {
    const report = JSON.parse(await readFile(file, 'utf8')) as Record<string, number>
    const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = report
    return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests }
  } catch {
    return { passed: 0, failed: 0, skipped: 0 }
  }
}

const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
if (stoppedBy !== undefined) console.error(`stopped by ${stoppedBy}; what follows is not the whole`)
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
const { sigint, sigterm, failed, passed } = exitCodes
const ended = total.failed > 0 ? failed : passed
process.exitCode = stoppedBy === undefined ? ended : stoppedBy === 'SIGINT' ? sigint : sigterm
