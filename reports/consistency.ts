import { shown } from '../helpers/shown.ts'
import type { Leg, Run } from './model.ts'
import { verdictOf } from './verdict.ts'

/**
 * What in a run contradicts itself, one line each: `file: path: message`. A report that was changed by hand still
 * fits the schema; what is decided on it must not rest on a verdict that its own outcomes do not bear out.
 *
 * @param file as messages name it
 * @param toolVersion our own: another version may word its verdicts in another way
 */
export function contradictionsIn(run: Run, file: string, toolVersion: string): string[] {
  const lines = [
    ...repeated(run.legs.map(({ cluster }) => cluster.name)).map(
      (name) => `legs: ${shown(name)} is there twice`,
    ),
    ...run.legs.flatMap((leg, index) => inLeg(leg).map((line) => `legs[${index}].${line}`)),
    ...inVerdict(run, toolVersion),
  ]
  return lines.map((line) => `${file}: ${line}`)
}

function inLeg({ outcomes }: Leg): string[] {
  const vain = outcomes.flatMap(({ outcome, observations }, index) => {
    const off = observations.findIndex(({ verdict, expected }) => verdict !== expected)
    const seen = observations[off]
    if (outcome === 'passed' && observations.length === 0)
      return [`outcomes[${index}].outcome: passed, although there is no observation`]
    if (outcome !== 'passed' || seen === undefined) return []
    return [
      `outcomes[${index}].outcome: passed, although observations[${off}] saw ${seen.verdict} and expected ${seen.expected}`,
    ]
  })
  const incomplete = outcomes.flatMap(({ outcome, steps = [] }, index) => {
    const off = steps.findIndex(({ probes, asExpected }) => asExpected !== probes)
    const step = steps[off]
    if (outcome !== 'passed' || step === undefined) return []
    return [
      `outcomes[${index}].outcome: passed, although in steps[${off}] ${step.asExpected} of ${step.probes} probes were as expected`,
    ]
  })
  return [
    ...repeated(outcomes.map(({ check }) => check)).map(
      (check) => `outcomes: check ${shown(check)} is there twice`,
    ),
    ...vain,
    ...incomplete,
  ]
}

function inVerdict({ legs, verdict, tool }: Run, toolVersion: string): string[] {
  const follows = verdictOf(legs)
  if (verdict.exitCode !== follows.exitCode)
    return [
      `verdict.exitCode: it is ${verdict.exitCode}, but ${follows.exitCode} follows from the outcomes (${shown(follows.text)})`,
    ]
  if (tool.version === toolVersion && verdict.text !== follows.text)
    return [
      `verdict.text: it is ${shown(verdict.text)}, but ${shown(follows.text)} follows from the outcomes`,
    ]
  return []
}

function repeated(names: readonly string[]): string[] {
  const [seen, twice] = [new Set<string>(), new Set<string>()]
  for (const name of names) (seen.has(name) ? twice : seen).add(name)
  return [...twice]
}
