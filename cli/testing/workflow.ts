import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { z } from 'zod'

/** Workflows of GitHub and our composite action as far as ours use them: what is not named here is a mistake. */

const conditions = { id: z.string().optional(), name: z.string().optional(), if: z.string().optional() }
const env = z.record(z.string(), z.string()).default({})

const stepSchema = z.union([
  z.strictObject({ ...conditions, shell: z.literal('bash').optional(), env, run: z.string() }),
  z.strictObject({
    ...conditions,
    uses: z.string(),
    with: z.record(z.string(), z.union([z.string(), z.boolean(), z.number()])).default({}),
  }),
])
export type WorkflowStep = z.infer<typeof stepSchema>

const actionSchema = z.strictObject({
  name: z.string(),
  description: z.string(),
  inputs: z.record(
    z.string(),
    z.union([
      z.strictObject({ description: z.string(), default: z.string() }),
      z.strictObject({ description: z.string(), required: z.literal(true) }),
    ]),
  ),
  outputs: z.record(z.string(), z.strictObject({ description: z.string(), value: z.string() })),
  runs: z.strictObject({ using: z.literal('composite'), steps: z.array(stepSchema) }),
})
export type Action = z.infer<typeof actionSchema>

/** What our rules look at; whether the rest is right is for actionlint to say. */
const workflowSchema = z.looseObject({
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(
    z.string(),
    z.looseObject({
      needs: z.union([z.string(), z.array(z.string())]).optional(),
      if: z.string().optional(),
      'timeout-minutes': z.number(),
      steps: z.array(stepSchema),
    }),
  ),
})
export type Workflow = z.infer<typeof workflowSchema>

export const parseAction = (text: string): Action => actionSchema.parse(load(text))
export const parseWorkflow = (text: string): Workflow => workflowSchema.parse(load(text))

/** What is known while a step runs: `inputs.cluster`, `steps.names.outputs.report`. */
export type Values = Readonly<Record<string, string>>

/** A text with its expressions replaced, as long as they only name something. */
function resolved(text: string, values: Values): string {
  return text.replaceAll(/\$\{\{ *(.*?) *\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`nobody knows ${name}`)
    return value
  })
}

/** What a step left. */
export interface StepEnd {
  code: number | null
  printed: string
  outputs: Values
  summary: string
}

/** Where a step runs. */
interface StepPlace {
  cwd: string
  env?: Values
  /** Told of the shell while it runs. */
  onStart?: (shell: ChildProcess) => void
}

/** Runs the script of a step as a runner does: bash, stopping at the first error, and here also at an unset variable. */
export async function runStep(step: WorkflowStep, values: Values, place: StepPlace): Promise<StepEnd> {
  if (!('run' in step)) throw new Error('not a script')
  const folder = await mkdtemp(join(tmpdir(), 'cnic-step-'))
  const [script, output, summary] = ['script.sh', 'output', 'summary'].map((name) => join(folder, name))
  if (script === undefined || output === undefined || summary === undefined) throw new Error('no files')
  await writeFile(script, step.run)
  for (const file of [output, summary]) await writeFile(file, '')
  const own = Object.fromEntries(
    Object.entries(step.env).map(([name, text]) => [name, resolved(text, values)]),
  )
  const shell = spawn('bash', ['--noprofile', '--norc', '-euo', 'pipefail', script], {
    cwd: place.cwd,
    env: { ...process.env, ...place.env, ...own, GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: summary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  place.onStart?.(shell)
  const [code] = (await once(shell, 'close')) as [number | null]
  const lines = (await readFile(output, 'utf8')).split('\n').filter((line) => line !== '')
  const outputs = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  return { code, printed, outputs, summary: await readFile(summary, 'utf8') }
}
