import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * `npm test`: everything this project asserts about itself, cheapest first, and one closing line that counts it.
 * Nothing is left out when an earlier part fails, so that one run shows all that is wrong.
 */

// What every command of ours reads; the set-up of the tests runs in processes of their own.
if (process.argv.includes('--no-install')) process.env['CNI_CONFORMANCE_NO_INSTALL'] = '1'

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

/** One process of Vitest each. Some of `docker` work on a node image that `conformance` has brought. */
const runs: readonly { project: string; cluster?: string }[] = [
  { project: 'unit' },
  { project: 'browser' },
  ...clusters.map((cluster) => ({ project: 'conformance', cluster })),
  { project: 'docker' },
]

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const add = (counts: Counts): void => {
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
}

async function runChild(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  const [program = '', ...rest] = argv
  const child = spawn(join(root, 'node_modules', '.bin', program), rest, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

for (const argv of staticChecks) {
  const code = await runChild(argv)
  console.error(`${code === 0 ? '✓' : '✗'} ${argv.join(' ')}`)
  add({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 })
}

const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-test-'))
try {
  for (const each of runs) add(await runProject(each))
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function runProject({ project, cluster }: (typeof runs)[number]): Promise<Counts> {
  const file = join(folder, `${project}-${cluster ?? ''}.json`)
  const argv = ['vitest', 'run', '--project', project, '--reporter=default', '--reporter=json']
  const env = cluster === undefined ? {} : { CNI: cluster }
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
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
process.exitCode = total.failed > 0 ? 1 : 0
