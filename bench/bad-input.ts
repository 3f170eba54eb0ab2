import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from 'simple-statistics'
import { bombs } from '../clusters/testdata/broken-yaml.ts'
import { brokenDefinitions } from '../clusters/testdata/broken.ts'
import { line, repeat, timed } from './stats.ts'

/** How long a user waits for a refusal: the whole command, from its start to its end, for every broken definition. */

const door = fileURLToPath(new URL('../cli/cni-conformance.mjs', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'bad-input-'))

/** Wall time in ms of the median of five; a refusal without exit code 2 ends the benchmark. */
async function refusalMs(name: string, argv: readonly string[]): Promise<number> {
  const times = await repeat(5, () =>
    timed(async () => {
      const { status, stderr } = spawnSync(process.execPath, [door, ...argv], { encoding: 'utf8' })
      if (status !== 2) throw new Error(`${name}: exit ${status}\n${stderr}`)
    }),
  )
  return median(times)
}

try {
  const files = [...brokenDefinitions, ...Object.entries(bombs).map(([name, yaml]) => ({ name, yaml }))]
  const results: { name: string; ms: number }[] = []
  for (const [index, { name, yaml }] of files.entries()) {
    const file = join(folder, `${index}.yaml`)
    await writeFile(file, yaml)
    results.push({ name, ms: await refusalMs(name, ['validate', file]) })
  }
  for (const flags of [
    ['tset'],
    ['test', '--chekc'],
    ['test', '--check', 'dns/none', '--timeout', '0', '--profile', 'x'],
  ]) {
    results.push({ name: flags.join(' '), ms: await refusalMs(flags.join(' '), flags) })
  }
  results.sort((a, b) => a.ms - b.ms)
  const slowest = results.at(-1)
  line(
    `${results.length} refusals, exit 2: median`,
    `${median(results.map(({ ms }) => ms)).toFixed(0)} ms`,
    '300 ms',
  )
  line(`  slowest, ${slowest?.name ?? ''}`, `${slowest?.ms.toFixed(0)} ms`, '300 ms')
} finally {
  await rm(folder, { recursive: true })
}
