import { assignPods, namespaceOf, standsFor, type WantedPod } from './assign-pods.ts'
import {
  isFromOutside,
  needsNodes,
  outsideName,
  podFieldsOf,
  type PathProbe,
  type Probe,
  type ServiceProbe,
  type TargetProbe,
} from './check-probes.ts'
import type { OwnService, Policy, Step } from './check-steps.ts'
import { everyNodeProblems } from './coverage/every-rules.ts'
import { specsOf } from './fixture-objects.ts'
import { stepProblems } from './steps/step-names.ts'
import { suggestion } from './suggest.ts'

/** What the schema of a check cannot say: how its parts fit each other. */

export const nodeAccess = 'node-access'

/**
 * What no cluster declares as a feature: a run has it or not. A check that needs it, a core check too, is `unsupported`
 * where the run lacks it, for this reason.
 */
export const runNeeds = {
  [nodeAccess]: "it looks at the network from the cluster's nodes, to which this run has no access",
  'host-network': 'it asks from or at nodes, and this run has no pods with the network of their nodes',
  outside: 'it asks, or is asked by, a server outside the cluster, and this run has none',
  'own-cluster':
    'it makes a Service of type LoadBalancer, which on a cluster that is not ours might get a real load balancer',
  'pod-cidr':
    'it compares with the pod CIDR of the cluster, which nobody has declared: `network.podSubnet` in a definition does',
  definition:
    'it compares what the cluster does with what it declares, and this run has no definition of it: give its file to `test`',
} as const
export type RunNeed = keyof typeof runNeeds

/** Is it something that a run has or lacks, and no feature of the cluster? */
export const isRunNeed = (need: string): need is RunNeed => Object.hasOwn(runNeeds, need)

/** One thing that does not fit, and where in the check. */
export interface CheckProblem {
  path: readonly (string | number)[]
  message: string
}

/** What the rules look at: a check, or as much of one as is well formed, with undefined in the place of what is not. */
export interface CheckPart {
  level?: string | undefined
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
    ...everyNodeProblems(check),
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

/** What in a check needs something of a run or of its cluster: each with a sentence when it is there. */
function needsOf({ pods, probes, steps }: CheckPart): [RunNeed | 'host-port', string][] {
  const fromNodes =
    probes.some((probe) => probe !== undefined && needsNodes(probe)) ||
    steps?.some(({ traces }) => traces.length > 0) === true
  const wanted = Object.values(pods)
  const onHosts = wanted.some((pod) => pod?.network === 'host')
  const hostPort = wanted.some((pod) => pod?.hostPort === true)
  const outside = probes.some((probe) => probe !== undefined && ('outside' in probe || isFromOutside(probe)))
  const balanced = probes.some((probe) => probe !== undefined && 'healthOf' in probe)
  const needs: [boolean, RunNeed | 'host-port', string][] = [
    [fromNodes, nodeAccess, 'what is seen from a node'],
    [onHosts, 'host-network', 'a pod with the network of its node'],
    [hostPort, 'host-network', 'a pod with ports of its node'],
    [hostPort, 'host-port', 'a pod with ports of its node'],
    [outside, 'outside', 'a server outside the cluster'],
    [balanced, 'own-cluster', 'a Service of type LoadBalancer'],
  ]
  return needs.flatMap(([there, need, what]) => (there ? [[need, what]] : []))
}

function kindProblems(check: CheckPart): CheckProblem[] {
  const { probes, steps, targets, features = [] } = check
  return [
    ...(probes.length > 0 === (steps !== undefined)
      ? [{ path: ['probes'], message: 'a check has probes, or steps that have flows' }]
      : []),
    ...needsOf(check)
      .filter(([need]) => !features.includes(need))
      .map(([need, what]) => ({ path: ['features'], message: `${what} needs ${need}` })),
    // The pods of a core check must be there on every cluster, and these are only where that feature is declared.
    ...(check.level === 'core' && Object.values(check.pods).some((pod) => pod?.hostPort === true)
      ? [{ path: ['level'], message: 'a check that needs host-port is extended' }]
      : []),
    ...(probes.some((probe) => probe !== undefined && 'to' in probe && probe.protocol === 'icmp') &&
    !features.includes('icmp')
      ? [{ path: ['features'], message: 'echo requests need icmp, which a cluster may forbid' }]
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
  const specs = specsOf({ hostNetwork: true, hostPort: true, workers: ['worker1', 'worker2'] })
  const left = [...assignPods(wanted, specs)].flatMap(([role, pod]) => {
    const want = wanted[role]
    if (want === undefined) return []
    const [{ node }, namespace] = [want, namespaceOf(want)]
    const there = specs.filter((each) => standsFor(each, want)).length
    const message = `no fixture pod is left for it: there are ${there} on ${node} in the namespace "${namespace}"`
    return pod === undefined ? [{ path: ['pods', role], message }] : []
  })
  const own = Object.keys(wanted).filter((role) => wanted[role]?.own === true && probes.length > 0)
  const onHosts = Object.keys(wanted).filter(
    (role) => wanted[role]?.own === true && namespaceOf(wanted[role]) === 'host',
  )
  const ownWithDns = Object.keys(wanted).filter(
    (role) => wanted[role]?.own === true && wanted[role].dns !== undefined,
  )
  const lingering = Object.keys(wanted).filter((role) => {
    const { own, lingers } = wanted[role] ?? {}
    return lingers === true && own !== true
  })
  return [
    ...left,
    ...(Object.hasOwn(pods, outsideName)
      ? [{ path: ['pods', outsideName], message: 'this name is that of the server outside the cluster' }]
      : []),
    ...ownWithDns.map((role) => ({
      path: ['pods', role, 'dns'],
      message: "a pod of the check's own has the DNS settings of most pods",
    })),
    ...lingering.map((role) => ({
      path: ['pods', role],
      message: "only a pod of the check's own is deleted while it is asked",
    })),
    ...onHosts.map((role) => ({
      path: ['pods', role],
      message: "a pod of the check's own is in the pod network, without ports of its node",
    })),
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
  if ('to' in probe) return [...unknown, ...pathProblems(probe, check), ...outsideProblems(probe)]
  if ('service' in probe) return [...unknown, ...silenceProblems(probe, check), ...outsideProblems(probe)]
  if ('resolve' in probe && probe.of !== undefined && !probe.resolve.startsWith('pod'))
    return [...unknown, { path: ['of'], message: 'only where the record of a pod is asked for' }]
  return unknown
}

function pathProblems(
  { from, to, via, protocol, connections, size, silence, expect }: PathProbe,
  { pods, probes }: CheckPart,
): CheckProblem[] {
  if (via === 'loopback' && from !== to)
    return [{ path: ['to'], message: 'loopback leads to no other pod; from and to must be the same' }]
  const mapped = pods[to]?.hostPort === true
  if (mapped !== (via === 'host-port')) {
    const message = mapped
      ? `${to} has ports of its node: it is reached via host-port`
      : `via host-port only a pod with ports of its node is reached`
    return [{ path: ['via'], message }]
  }
  if (mapped && protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'http')
    return [{ path: ['protocol'], message: 'via host-port only tcp, udp and http' }]
  const onHost = pods[to]?.network === 'host'
  if (onHost !== (via === 'node-ip')) {
    const message = onHost
      ? `${to} has the network of its node: it is reached via node-ip`
      : `via node-ip only a pod with the network of its node is reached`
    return [{ path: ['via'], message }]
  }
  const only = (field: string, wanted: string): CheckProblem[] =>
    protocol === wanted ? [] : [{ path: [field], message: `only with ${wanted}` }]
  const asksTools = protocol === 'icmp' || size === 'path-mtu' || size === 'over-mtu'
  return [
    ...(connections > 1 ? only('connections', 'tcp') : []),
    ...(silence === undefined ? [] : only('silence', 'tcp')),
    ...(size === 'small' ? [] : only('size', 'datagram')),
    ...(asksTools && (via === 'loopback' || from === outsideName || pods[from]?.network === 'host')
      ? [{ path: ['from'], message: 'only from a pod of the pod network to another' }]
      : []),
    ...(size === 'over-mtu' ? oversizeProblems({ from, to, expect }, probes) : []),
  ]
}

/** A refusal of what is too long says something beside an arrival of what is just not. */
function oversizeProblems(
  { from, to, expect }: Pick<PathProbe, 'from' | 'to' | 'expect'>,
  probes: CheckPart['probes'],
): CheckProblem[] {
  if (expect !== 'refused') return [{ path: ['expect'], message: 'a packet that is too long is refused' }]
  const controlled = probes.some(
    (other) =>
      other !== undefined &&
      'to' in other &&
      other.size === 'path-mtu' &&
      other.from === from &&
      other.to === to &&
      other.expect === 'reached',
  )
  if (controlled) return []
  const message = `add a probe from ${from} to ${to} with the size path-mtu that expects reached`
  return [{ path: ['size'], message }]
}

/** Outside nobody knows a way to addresses of the cluster but to those of its nodes. */
function outsideProblems(probe: PathProbe | ServiceProbe): CheckProblem[] {
  if (!isFromOutside(probe) || probe.via === 'node-port' || probe.via === 'host-port') return []
  return [{ path: ['via'], message: `${outsideName} asks via node-port or via host-port` }]
}

/** A silent node port needs another one beside it that answers the same client at the same nodes. */
function silenceProblems(
  { from, via, at, protocol, expect, service }: ServiceProbe,
  { probes }: CheckPart,
): CheckProblem[] {
  if (via !== 'node-port' || expect !== 'timed-out') return []
  const controlled = probes.some(
    (other) =>
      other !== undefined &&
      'service' in other &&
      other.service !== service &&
      other.expect === 'reached' &&
      other.via === via &&
      other.from === from &&
      other.protocol === protocol &&
      (other.at === at || other.at === 'every-node'),
  )
  if (controlled) return []
  const message = `silence proves nothing by itself: add a probe of ${from} over ${protocol} to another node port of the same nodes that expects reached`
  return [{ path: ['expect'], message }]
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
  const named = new Map(
    Object.entries(pods).map(([role, pod]) => [
      role,
      { own: pod?.own === true, lingers: pod?.lingers === true },
    ]),
  )
  return stepProblems({ pods: named, policies, services }, steps).map((message) => ({
    path: ['steps'],
    message,
  }))
}
