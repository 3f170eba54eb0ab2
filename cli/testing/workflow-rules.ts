import type { Action, Workflow, WorkflowStep } from './workflow.ts'

/** Set by the runner, or by every shell. */
const givenVariables = /^(GITHUB_\w+|RUNNER_\w+|HOME|XDG_CACHE_HOME)$/

/** The rules that a workflow of ours breaks, beyond what actionlint looks at; `local` is what `uses: ./` means. */
export function workflowProblems(text: string, workflow: Workflow, local: Action): string[] {
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps)
  return [
    ...unpinned(text),
    ...steps.flatMap(scriptProblems),
    ...steps.flatMap((step) => inputProblems(step, local)),
    ...jobProblems(workflow),
  ]
}

/** The rules that our action breaks: actionlint does not look at actions. */
export function actionProblems(text: string, action: Action): string[] {
  const { steps } = action.runs
  return [
    ...unpinned(text),
    ...steps.flatMap(scriptProblems),
    ...nameProblems(text, action),
    ...steps.flatMap((step) =>
      'run' in step && step.shell !== 'bash' ? [`${step.id}: a script of an action names its shell`] : [],
    ),
  ]
}

/** An action of somebody else is named by its commit, and for people by its version. */
function unpinned(text: string): string[] {
  const uses = [...text.matchAll(/^ *(?:- )?uses: (\S+)(.*)$/gm)].filter(([, ref]) => ref !== './')
  return uses.flatMap(([, ref = '', comment = '']) => [
    ...(/^[\w./-]+@[0-9a-f]{40}$/.test(ref) ? [] : [`uses: ${ref} is not pinned to a commit`]),
    ...(/^ # (v\d+\.\d+\.\d+|main)$/.test(comment) ? [] : [`uses: ${ref} names no version`]),
  ])
}

function scriptProblems(step: WorkflowStep): string[] {
  if (!('run' in step)) return []
  const { run, env } = step
  const named = step.id ?? step.name ?? run
  const problems = run.includes('${{') ? [`${named}: an expression becomes a part of the script`] : []
  const set = new Set([
    ...Object.keys(env),
    ...[...run.matchAll(/^\s*(\w+)=|; do|read .*?(\w+);|for (\w+) in/gm)].flatMap((match) => match.slice(1)),
  ])
  const used = [...run.matchAll(/\$\{?#?([A-Z_]{2,})/g)].map(([, name = '']) => name)
  for (const name of new Set(used))
    if (!set.has(name) && !givenVariables.test(name)) problems.push(`${named}: nobody sets $${name}`)
  if (run.includes('|') && run.includes(' | ') && step.shell === undefined)
    problems.push(`${named}: a pipe ends with the exit code of its last command, unless shell says bash`)
  return problems
}

function inputProblems(step: WorkflowStep, local: Action): string[] {
  if (!('uses' in step) || step.uses !== './') return []
  return Object.keys(step.with)
    .filter((name) => local.inputs[name] === undefined)
    .map((name) => `uses: ./ has no input ${name}`)
}

/** What GitHub reads as empty text when it is misspelt. */
function nameProblems(text: string, { inputs, runs: { steps } }: Action): string[] {
  const used = new Set([...text.matchAll(/inputs\.([\w-]+)/g)].map(([, name = '']) => name))
  const outputs = [...text.matchAll(/steps\.([\w-]+)\.outputs\.([\w-]+)/g)]
  return [
    ...[...used].filter((name) => inputs[name] === undefined).map((name) => `inputs.${name} is not declared`),
    ...Object.keys(inputs)
      .filter((name) => !used.has(name))
      .map((name) => `nothing uses the input ${name}`),
    ...outputs.flatMap(([, id = '', output = '']) => {
      const step = steps.find((each) => each.id === id)
      if (step === undefined) return [`steps.${id}: there is no such step`]
      return 'run' in step && !new RegExp(`(printf '|echo ")${output}=`).test(step.run)
        ? [`steps.${id}.outputs.${output}: the step does not set it`]
        : []
    }),
  ]
}

/** The last job is the one status: it waits for all others, and runs whatever became of them. */
function jobProblems({ jobs, permissions }: Workflow): string[] {
  const names = Object.keys(jobs)
  const last = names.at(-1) ?? ''
  const { needs = [], if: condition } = jobs[last] ?? {}
  const missing = names.filter((name) => name !== last && ![needs].flat().includes(name))
  return [
    ...(permissions['contents'] === 'read' && Object.keys(permissions).length === 1
      ? []
      : ['permissions: more than to read']),
    ...missing.map((name) => `${last}: does not need ${name}`),
    ...(names.length > 1 && condition !== 'always()'
      ? [`${last}: does not run when another job failed`]
      : []),
  ]
}
