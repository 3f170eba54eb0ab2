import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openCache } from '../clusters/images/cache.ts'
import { defaultCacheDir } from '../clusters/images/prepare.ts'
import { runStep } from '../clusters/images/tools.ts'
import { budgets } from '../helpers/budgets.ts'
import { SetupError, exitCodes } from '../helpers/errors.ts'
import { run } from '../helpers/exec.ts'
import { createProgress } from '../helpers/progress.ts'
import { yamlBlocks } from './testing/yaml-blocks.ts'

/**
 * A static check of `npm test`: actionlint on the workflows, and on those that the documentation shows. It comes as a Go
 * module; go.sum beside its go.mod says byte for byte what it is built from. Ends with 1 on a finding, and with 3 where
 * it could not be built: then nobody has looked.
 */

const root = fileURLToPath(new URL('..', import.meta.url))
const moduleFolder = join(import.meta.dirname, 'testing', 'actionlint')

async function build(): Promise<string> {
  const inputs = await Promise.all(
    ['go.mod', 'go.sum'].map((file) => readFile(join(moduleFolder, file), 'utf8')),
  )
  const next = 'install Go (https://go.dev/dl) and check `go env GOPROXY`'
  const step = { what: 'build actionlint', next, env: { CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' } }
  const version = await runStep(['go', 'env', 'GOVERSION', 'GOARCH'], {
    ...step,
    budget: budgets.toolVersionMs,
  })
  const progress = createProgress()
  try {
    const cache = await openCache(defaultCacheDir(), progress)
    const { dir } = await cache.entry({
      name: 'actionlint',
      inputs: [...inputs, version.stdout],
      title: 'build actionlint',
      make: async (into) => {
        const argv = ['go', 'build', '-trimpath', '-buildvcs=false', '-o', join(into, 'actionlint')]
        const main = 'github.com/rhysd/actionlint/cmd/actionlint'
        await runStep([...argv, main], { ...step, cwd: moduleFolder, budget: budgets.goBuildMs })
        return undefined
      },
    })
    return join(dir, 'actionlint')
  } finally {
    progress.close()
  }
}

/** What actionlint has to say, nothing when it is content. Without its helpers, which not every machine has. */
async function lint(program: string, files: readonly string[], input?: string): Promise<string> {
  const argv = [program, '-no-color', '-shellcheck=', '-pyflakes=', ...files]
  const { exitCode, stdout, stderr } = await run(argv, {
    cwd: root,
    allowFailure: true,
    timeoutMs: budgets.toolVersionMs.ms,
    ...(input === undefined ? {} : { input }),
  })
  return exitCode === 0 ? '' : `${stdout}${stderr}`
}

/** A job that needs another one that is not there, and an expression that names nothing. */
const broken = `on: push
jobs:
  one:
    needs: two
    runs-on: ubuntu-24.04
    steps:
      - run: echo \${{ matrix.side }}
`

async function main(): Promise<number> {
  const program = await build()
  const workflows = join('.github', 'workflows')
  const files = (await readdir(join(root, workflows))).map((file) => join(workflows, file))
  const blocks = await yamlBlocks(join(root, 'docs', 'ci.md'))
  const findings = [
    await lint(program, files),
    ...(await Promise.all(
      blocks.map(({ name, text }) => lint(program, ['-stdin-filename', `docs/${name}`, '-'], text)),
    )),
  ].filter((text) => text !== '')
  for (const text of findings) process.stderr.write(text)
  // Green only from a linter that can be red.
  const proof = await lint(program, ['-'], broken)
  for (const rule of ['[job-needs]', '[expression]']) {
    if (proof.includes(rule)) continue
    process.stderr.write(`actionlint does not find ${rule} in a workflow that breaks it\n`)
    return exitCodes.failed
  }
  return findings.length === 0 ? exitCodes.passed : exitCodes.failed
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = exitCodes.inconclusive
}
