import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pLimit from 'p-limit'
import { loadDefinitions, type LoadedDefinition } from '../clusters/definition.ts'
import { capacityFor, readCapacityMachine } from '../clusters/host/capacity.ts'
import { sizeOf } from '../clusters/runnable.ts'
import { UsageError, exitCodes } from '../helpers/errors.ts'
import { run } from '../helpers/exec.ts'
import { measuredFolder } from '../suites/faults/measured.ts'
import { dealFaults } from './dealt-faults.ts'

/**
 * `npm test`: everything this project asserts about itself, cheapest first, and one closing line that counts it.
 * Nothing is left out when an earlier part fails, so that one run shows all that is wrong. A share of the
 * faults is made, each on one of the clusters; `--detection` makes all of them on each, and runs nothing else.
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

/** Static checks; each counts as one. One of ours that could not be made says why, and is counted as skipped. */
const staticChecks: readonly (readonly [string, ...string[]])[] = [
  ['tsc', '--noEmit'],
  ['oxlint', '--type-aware', '--deny-warnings'],
  ['prettier', '--check', '--log-level', 'warn', '.'],
  ['knip'],
  ['node', 'cli/actionlint.ts'],
]

/** One process of Vitest. */
interface Part {
  project: 'unit' | 'package' | 'browser' | 'conformance' | 'docker'
  /** In front of each of its lines. */
  label: string
  /** Test files that it leaves out; none unless said. */
  without?: readonly string[]
  env?: Readonly<Record<string, string>>
}

/** The clusters of the conformance suites: those that CNI names, with blanks or commas between. */
const clusters = (process.env['CNI'] ?? 'flannel calico cilium').split(/[\s,]+/).filter((name) => name !== '')
const definitions = await readDefinitions()
const dealt =
  options.detection || process.env['FAULTS'] !== undefined ? undefined : await dealFaults(definitions, root)
if (dealt !== undefined) console.error(dealt.text)

/** Five runs side by side on one cluster. What they show has nothing to do with its CNI: the first cluster has them. */
const guests = 'suites/existing-cluster.test.ts'
const detection = 'suites/faults/detection.test.ts'
const conformance = clusters.map((cluster, at): Part => {
  const faults = dealt?.hands[at]
  return {
    project: 'conformance',
    label: definitions[at]?.definition.name ?? cluster,
    env: {
      CNI: cluster,
      ...(faults === undefined ? {} : { FAULTS: faults }),
      ...(options.detection ? { DETECTION_RECORD: join(root, measuredFolder) } : {}),
    },
    // The commit may deal it no fault: then there is no test of them.
    without: [at > 0 ? guests : [], faults === '' ? detection : []].flat(),
  }
})

let stoppedBy: 'SIGINT' | 'SIGTERM' | undefined
/** Process groups of the parts that run; each cleans up behind itself. */
const running = new Set<number>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stoppedBy ??= signal
    for (const pid of running) process.kill(-pid, signal)
  })
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
/** Its own, and for what tests leave in the folder for temporary files; not for those with Docker, whose daemon outlives them. */
const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-test-'))
try {
  if (!options.detection) {
    // Most of them use one processor.
    const side = pLimit(availableParallelism())
    await Promise.all(staticChecks.map((argv) => side(() => runStatic(argv))))
    // Docker's tests beside the others are no faster on two processors, and on slow ones both then wait in vain.
    for (const project of ['unit', 'package', 'browser'] as const)
      await runPart({ project, label: project, env: { TMPDIR: folder } })
    const [cluster = ''] = clusters
    await runPart({ project: 'docker', label: 'docker', env: { CNI: cluster } })
  }
  // The first cluster brings what the others share, so it comes alone.
  const [first, ...others] = conformance
  if (first !== undefined) await runPart(first)
  const sizes = definitions.map(({ definition }) => sizeOf(definition))
  const machine = await readCapacityMachine()
  // Two clusters at once on two processors: their checks took four times as long, and all of it no less time.
  const limited = pLimit(capacityFor(sizes, machine, Math.max(1, Math.floor(machine.cpus / 2))).jobs)
  await Promise.all(others.map((part) => limited(() => runPart(part))))
} finally {
  await rm(folder, { recursive: true, force: true })
}

const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
if (stoppedBy !== undefined) console.error(`stopped by ${stoppedBy}; what follows is not the whole`)
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
const { sigint, sigterm, failed, passed } = exitCodes
const ended = total.failed > 0 ? failed : passed
process.exitCode = stoppedBy === undefined ? ended : stoppedBy === 'SIGINT' ? sigint : sigterm

/** What CNI names must hold before anything is run. */
async function readDefinitions(): Promise<LoadedDefinition[]> {
  try {
    return await loadDefinitions(clusters)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(error.message)
    return process.exit(exitCodes.usage)
  }
}

/** A program of ours from node_modules; returns its exit code. */
async function runProgram(
  [program = '', ...rest]: readonly string[],
  label: string,
  env: Part['env'] = {},
): Promise<number> {
  let group: number | undefined
  const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
  const { exitCode } = await run([join(root, 'node_modules', '.bin', program), ...rest], {
    cwd: root,
    env: { ...(colour ? { FORCE_COLOR: '1' } : {}), ...env },
    allowFailure: true,
    onSpawn: (pid) => running.add((group = pid)),
    onLine: (line, stream) => process[stream].write(`${label} │ ${line}\n`),
  })
  if (group !== undefined) running.delete(group)
  return exitCode ?? 1
}

async function runStatic(argv: readonly string[]): Promise<void> {
  if (stoppedBy !== undefined) return
  const [program = '', script = ''] = argv
  const ours = program === 'node'
  const code = await runProgram(argv, ours ? basename(script, '.ts') : program)
  const kind = code === 0 ? 'passed' : ours && code === exitCodes.inconclusive ? 'skipped' : 'failed'
  console.error(`${{ passed: '✓', skipped: '-', failed: '✗' }[kind]} ${argv.join(' ')}`)
  add({ passed: 0, failed: 0, skipped: 0, [kind]: 1 })
}

async function runPart({ project, label, env, without = [] }: Part): Promise<void> {
  if (stoppedBy !== undefined) return
  const file = join(folder, `${randomUUID()}.json`)
  const left = without.flatMap((file) => ['--exclude', file])
  const argv = ['vitest', 'run', '--project', project, ...left, '--reporter=default', '--reporter=json']
  const code = await runProgram([...argv, `--outputFile.json=${file}`], label, env)
  const counts = await countsIn(file)
  // A project that dies before its first test, or fails outside one, has no failed test to show for it. Where all are
  // skipped each has said why, and the closing line counts them.
  const unseen = counts.failed === 0 && (code !== 0 || counts.passed + counts.skipped === 0)
  add(unseen ? { ...counts, failed: 1 } : counts)
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

function add(counts: Counts): void {
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
}
