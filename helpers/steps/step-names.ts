import {
  newcomerRole,
  selectedBy,
  type Flow,
  type OwnService,
  type Policy,
  type Step,
} from '../check-steps.ts'

/** What is wrong with the steps of a check, whatever the cluster: names that nothing has, pods asked before they run. */

/** A pod as steps see it. */
interface NameablePod {
  /** It runs only between the steps that start and stop it. */
  own: boolean
  lingers: boolean
}

/** What steps can name. */
export interface Nameable {
  pods: ReadonlyMap<string, NameablePod>
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
    ...steps.flatMap(({ start, terminate, stop, traces }) => [...start, ...terminate, ...stop, ...traces]),
    ...Object.values(policies).flatMap(podsOfPolicy),
    ...Object.values(services).flatMap(selectedBy),
  ]
  const used = steps.flatMap((step) => [...step.apply, ...step.delete, ...Object.keys(step.types)])
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
  to.filter((each) => !viasOfServices.has(via) || !Object.hasOwn(services, each))

/** Where Services can be asked, and where nothing else can. */
const viasOfServices: ReadonlySet<Flow['via']> = new Set(['cluster-ip', 'node-port', 'record'])
const viasOfServicesAlone: ReadonlySet<Flow['via']> = new Set(['node-port', 'record'])

function podsOfPolicy({ selects, ingress = [], egress = [] }: Policy): string[] {
  const peers = [...ingress, ...egress].flatMap((rule) => rule.peers ?? [])
  return [
    ...(selects === 'every-pod' ? [] : selects),
    ...peers.flatMap((peer) => ('pods' in peer ? peer.pods : 'block' in peer ? peer.except : [])),
  ]
}

/** Goes through the steps as they will be run. */
function lifeProblems({ pods, services, policies }: Nameable, steps: readonly Step[]): string[] {
  const lives: Lives = {
    running: new Set(),
    stopped: new Set(),
    created: new Set(),
    existing: new Set(),
    opened: new Set(),
    isOwn: (pod) => pods.get(pod)?.own === true,
  }
  const together = Object.entries(services).flatMap(([service, { selects }]) =>
    typeof selects === 'string' ? [] : selects.map((pod) => [service, pod] as const),
  )
  return [
    ...together
      .filter(([, pod]) => pods.has(pod) && !lives.isOwn(pod))
      .map(([service, pod]) => `${service} selects ${pod} with others, which is not its own`),
    // Each side of a policy has one answer, and several endpoints may have several.
    ...(together.length > 0 && Object.keys(policies).length > 0
      ? ['a check with policies has no Service of several pods']
      : []),
    ...(steps.some(({ waits }) => waits !== undefined) &&
    !Object.values(services).some(({ affinitySeconds }) => affinitySeconds !== undefined)
      ? ['a step waits for the affinity of Services, and no Service has any']
      : []),
    ...steps.flatMap((step) =>
      inOrder(step, pods, services, lives).map((problem) => `in step "${step.name}" ${problem}`),
    ),
  ]
}

/** What lives when a step asks. */
interface Lives {
  running: Set<string>
  stopped: Set<string>
  /** Services that there have been, and those that there are. */
  created: Set<string>
  existing: Set<string>
  /** Those that have had node ports. */
  opened: Set<string>
  isOwn: (pod: string) => boolean
}

/** One step after those before it, whose lives it goes on with. */
function inOrder(step: Step, pods: Nameable['pods'], services: Nameable['services'], lives: Lives): string[] {
  const { running, stopped, existing, opened, isOwn } = lives
  const problems = [
    ...step.terminate
      .filter((pod) => !running.has(pod) || pods.get(pod)?.lingers !== true)
      .map((pod) => `${pod} is terminated, which does not run and linger`),
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
  const ofServices = servicesInOrder(step, services, lives)
  for (const [service, type] of Object.entries(step.types)) if (type === 'NodePort') opened.add(service)
  const retyped = Object.keys(step.types).filter((service) => !existing.has(service))
  const asked = step.flows.flatMap((flow) => flowProblems(flow, services, lives))
  const traced = step.traces
    .filter((pod) => !running.has(pod) && !stopped.has(pod))
    .map((pod) => `the traces of ${pod} are looked for, which has never run`)
  return [
    ...problems,
    ...ofServices,
    ...retyped.map((service) => `${service} is given a type, which does not exist`),
    ...asked,
    ...traced,
  ]
}

/** Services that are deleted and created. */
function servicesInOrder(
  { apply, delete: deleted }: Step,
  services: Nameable['services'],
  { created, existing, opened }: Lives,
): string[] {
  const [applied, gone] = [apply, deleted].map((names) =>
    names.filter((each) => Object.hasOwn(services, each)),
  )
  const absent = (gone ?? []).filter((each) => !existing.delete(each))
  const twice = (applied ?? []).filter((each) => existing.has(each))
  for (const each of applied ?? []) {
    created.add(each)
    existing.add(each)
    // Made anew, it has others.
    opened.delete(each)
  }
  return [
    ...absent.map((each) => `${each} is deleted, which does not exist`),
    ...twice.map((each) => `${each} is created, which exists already`),
  ]
}

function flowProblems(flow: Flow, services: Nameable['services'], lives: Lives): string[] {
  const { running, stopped, created, opened, isOwn } = lives
  const { via, to, protocols } = flow
  const absent = (pod: string): boolean => isOwn(pod) && !running.has(pod)
  const silent = flow.from.filter(absent).map((pod) => `${pod} asks, which does not run`)
  const asked = podsAsked(flow, services)
  if (via === 'former-ip' || via === 'former-record') {
    const never = asked.filter((pod) => !stopped.has(pod))
    return [...silent, ...never.map((pod) => `${pod} has no former address`)]
  }
  const ofServices = to.filter((each) => viasOfServices.has(via) && Object.hasOwn(services, each))
  const uncreated = ofServices.filter((each) => via !== 'record' && !created.has(each))
  const closed = ofServices.filter((each) => via === 'node-port' && created.has(each) && !opened.has(each))
  const keepable = via === 'cluster-ip' && asked.length === 0 && protocols.every((each) => each === 'udp')
  const alone = via === 'cluster-ip' ? asked.filter(isOwn) : []
  return [
    ...silent,
    ...asked.filter(absent).map((pod) => `${pod} is asked, which does not run`),
    ...alone.map((pod) => `${pod} has no Service of its own`),
    ...(viasOfServicesAlone.has(via)
      ? asked.map((pod) => `${pod} is asked via ${via}, which only a Service of the check can be`)
      : []),
    ...uncreated.map((each) => `${each} is asked, which has not been created`),
    ...closed.map((each) => `${each} is asked at node ports, which it has never had`),
    ...(via === 'record' && protocols.includes('http') ? ['a record is asked for over udp or tcp'] : []),
    ...(flow.keeps === undefined || keepable
      ? []
      : [
          `a ${flow.keeps === 'socket' ? 'socket' : 'source port'} is kept over udp to Services via cluster-ip, and nowhere else`,
        ]),
  ]
}
