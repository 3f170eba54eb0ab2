import { newcomerRole, type Flow, type OwnService, type Policy, type Step } from '../check-steps.ts'

/** What is wrong with the steps of a check, whatever the cluster: names that nothing has, pods asked before they run. */

/** What steps can name. */
export interface Nameable {
  /** Names of its pods; true for those of its own, which run only between the steps that start and stop them. */
  pods: ReadonlyMap<string, boolean>
  policies: Readonly<Record<string, Policy>>
  services: Readonly<Record<string, OwnService>>
}

/** Every problem, in words. */
export function stepProblems(named: Nameable, steps: readonly Step[]): string[] {
  return [...danglingNames(named, steps), ...lifeProblems(named, steps)]
}

/** What steps name that the check does not declare. */
function danglingNames({ pods, policies, services }: Nameable, steps: readonly Step[]): string[] {
  const known = new Set(pods.keys())
  if (steps.some(({ newcomer }) => newcomer !== undefined)) known.add(newcomerRole)
  const namedPods = [
    ...steps.flatMap(({ flows }) => flows.flatMap((flow) => [...flow.from, ...podsAsked(flow, services)])),
    ...steps.flatMap(({ newcomer }) => (newcomer === undefined ? [] : [newcomer.like, ...newcomer.to])),
    ...steps.flatMap(({ start, stop, traces }) => [...start, ...stop, ...traces]),
    ...Object.values(policies).flatMap(podsOfPolicy),
    ...Object.values(services).map(({ selects }) => selects),
  ]
  const used = steps.flatMap((step) => [...step.apply, ...step.delete])
  const both = Object.keys(services).filter(
    (service) => Object.hasOwn(policies, service) || pods.has(service),
  )
  return [
    ...namedPods.filter((pod) => !known.has(pod)).map((pod) => `unknown pod ${pod}`),
    ...used
      .filter((each) => !Object.hasOwn(policies, each) && !Object.hasOwn(services, each))
      .map((each) => `unknown policy or Service ${each}`),
    ...both.map((each) => `${each} is the name of a Service and of something else`),
  ]
}

/** Those of `to` that are pods. */
const podsAsked = ({ to, via }: Flow, services: Nameable['services']): string[] =>
  to.filter((each) => via !== 'cluster-ip' || !Object.hasOwn(services, each))

function podsOfPolicy({ selects, ingress = [], egress = [] }: Policy): string[] {
  const peers = [...ingress, ...egress].flatMap((rule) => rule.peers ?? [])
  return [
    ...(selects === 'every-pod' ? [] : selects),
    ...peers.flatMap((peer) => ('pods' in peer ? peer.pods : 'block' in peer ? peer.except : [])),
  ]
}

/** Goes through the steps as they will be run. */
function lifeProblems({ pods, services }: Nameable, steps: readonly Step[]): string[] {
  const running = new Set<string>()
  const stopped = new Set<string>()
  const isOwn = (pod: string): boolean => pods.get(pod) === true
  return steps.flatMap((step) => {
    const inStep = (problem: string): string => `in step "${step.name}" ${problem}`
    const problems = [
      ...step.stop
        .filter((pod) => !running.has(pod))
        .map((pod) => `${pod} is stopped, which the check has not started`),
      ...step.start.filter((pod) => !isOwn(pod)).map((pod) => `${pod} is started, which is not its own`),
    ]
    for (const pod of step.stop) {
      running.delete(pod)
      stopped.add(pod)
    }
    const twice = step.start.filter((pod) => running.has(pod))
    problems.push(...twice.map((pod) => `${pod} is started, which runs already`))
    for (const pod of step.start) running.add(pod)
    const asked = step.flows.flatMap((flow) => flowProblems(flow, services, { running, stopped, isOwn }))
    const traced = step.traces
      .filter((pod) => !running.has(pod) && !stopped.has(pod))
      .map((pod) => `the traces of ${pod} are looked for, which has never run`)
    return [...problems, ...asked, ...traced].map(inStep)
  })
}

interface Lives {
  running: ReadonlySet<string>
  stopped: ReadonlySet<string>
  isOwn: (pod: string) => boolean
}

function flowProblems(
  flow: Flow,
  services: Nameable['services'],
  { running, stopped, isOwn }: Lives,
): string[] {
  const absent = (pod: string): boolean => isOwn(pod) && !running.has(pod)
  const silent = flow.from.filter(absent).map((pod) => `${pod} asks, which does not run`)
  const asked = podsAsked(flow, services)
  if (flow.via === 'former-ip' || flow.via === 'former-record') {
    const never = asked.filter((pod) => !stopped.has(pod))
    return [...silent, ...never.map((pod) => `${pod} has no former address`)]
  }
  const alone = flow.via === 'cluster-ip' ? asked.filter(isOwn) : []
  return [
    ...silent,
    ...asked.filter(absent).map((pod) => `${pod} is asked, which does not run`),
    ...alone.map((pod) => `${pod} has no Service of its own`),
  ]
}
