import { needsNodes, podFieldsOf, type Probe, type TargetProbe } from './check-probes.ts'
import type { OwnService, Policy, Step } from './check-steps.ts'
import { assignPods, fixtureSpecs, type WantedPod } from './fixture-objects.ts'
import { stepProblems } from './steps/step-names.ts'
import { suggestion } from './suggest.ts'

/** What the schema of a check cannot say: how its parts fit each other. */

/** A need that no cluster declares: a run has access to its nodes or not. */
export const nodeAccess = 'node-access'

/** One thing that does not fit, and where in the check. */
export interface CheckProblem {
  path: readonly (string | number)[]
  message: string
}

/** What the rules look at: a check, or as much of one as is well formed, with undefined in the place of what is not. */
export interface CheckPart {
  features?: readonly string[] | undefined
  pods: Readonly<Record<string, WantedPod | undefined>>
  targets?: Readonly<Record<string, unknown>> | undefined
  probes: readonly (Probe | undefined)[]
  policies?: Readonly<Record<string, Policy>> | undefined
  services?: Readonly<Record<string, OwnService>> | undefined
  steps?: readonly Step[] | undefined
}

/** Everything in a check that does not fit together. */
export function checkProblems(check: CheckPart): CheckProblem[] {
  return [
    ...kindProblems(check),
    ...podProblems(check),
    ...check.probes.flatMap((probe, index) =>
      probe === undefined
        ? []
        : probeProblems(probe, check).map(({ path, message }) => ({
            path: ['probes', index, ...path],
            message,
          })),
    ),
    ...(check.steps === undefined ? [] : stepsProblems(check, check.steps)),
  ]
}

function kindProblems({ probes, steps, targets, features = [] }: CheckPart): CheckProblem[] {
  const fromNodes =
    probes.some((probe) => probe !== undefined && needsNodes(probe)) ||
    steps?.some(({ traces }) => traces.length > 0) === true
  return [
    ...(probes.length > 0 === (steps !== undefined)
      ? [{ path: ['probes'], message: 'a check has probes, or steps that have flows' }]
      : []),
    ...(fromNodes && !features.includes(nodeAccess)
      ? [{ path: ['features'], message: `what is seen from a node needs ${nodeAccess}` }]
      : []),
    ...(steps !== undefined && targets !== undefined
      ? [
          {
            path: ['targets'],
            message: 'targets are asked by probes; flows of steps go to pods and Services of the check',
          },
        ]
      : []),
  ]
}

function podProblems({ pods, probes }: CheckPart): CheckProblem[] {
  const wanted = Object.fromEntries(
    Object.entries(pods).flatMap(([role, pod]) => (pod === undefined ? [] : [[role, pod]])),
  )
  const left = [...assignPods(wanted, fixtureSpecs)].flatMap(([role, pod]) => {
    const { node, namespace } = wanted[role] ?? {}
    const there = fixtureSpecs.filter((each) => each.node === node && each.namespace === namespace).length
    const message = `no fixture pod is left for it: there are ${there} on ${node} in the namespace "${namespace}"`
    return pod === undefined ? [{ path: ['pods', role], message }] : []
  })
  const own = Object.keys(wanted).filter((role) => wanted[role]?.own === true && probes.length > 0)
  return [
    ...left,
    ...own.map((role) => ({
      path: ['pods', role],
      message: "a pod of the check's own needs steps that start it",
    })),
  ]
}

function probeProblems(probe: Probe, check: CheckPart): CheckProblem[] {
  const unknown = podFieldsOf(probe)
    .filter(([, pod]) => !Object.hasOwn(check.pods, pod))
    .map(([field, pod]) => ({
      path: [field],
      message: `unknown pods ${pod}; ${suggestion(pod, Object.keys(check.pods))}`,
    }))
  if ('target' in probe) return [...unknown, ...targetProblems(probe, check)]
  if ('to' in probe && probe.via === 'loopback' && probe.from !== probe.to)
    return [
      ...unknown,
      { path: ['to'], message: 'loopback leads to no other pod; from and to must be the same' },
    ]
  if ('resolve' in probe && probe.of !== undefined && !probe.resolve.startsWith('pod'))
    return [...unknown, { path: ['of'], message: 'only where the record of a pod is asked for' }]
  return unknown
}

function targetProblems(
  { from, target, expect }: TargetProbe,
  { targets = {}, probes }: CheckPart,
): CheckProblem[] {
  const declared = Object.keys(targets)
  if (!declared.includes(target)) {
    const hint = declared.length === 0 ? 'the check declares none' : suggestion(target, declared)
    return [{ path: ['target'], message: `unknown target ${target}; ${hint}` }]
  }
  const same = probes.filter((other) => other !== undefined && 'target' in other && other.target === target)
  const controlled = (same as TargetProbe[]).some(
    (other) => other.expect === 'reached' && other.from !== from,
  )
  if (expect !== 'timed-out' || controlled) return []
  const message = `silence proves nothing by itself: add a probe from another pod to ${target} that expects reached`
  return [{ path: ['expect'], message }]
}

function stepsProblems(
  { pods, policies = {}, services = {} }: CheckPart,
  steps: readonly Step[],
): CheckProblem[] {
  const named = new Map(Object.entries(pods).map(([role, pod]) => [role, pod?.own === true]))
  return stepProblems({ pods: named, policies, services }, steps).map((message) => ({
    path: ['steps'],
    message,
  }))
}
