import type { Rung } from '../helpers/check.ts'
import type { Verdict } from '../helpers/check-probes.ts'
import type { Observation, Outcome } from '../helpers/observation.ts'
import type { NewEvent, RunEvent } from './events.ts'
import { foldEvents } from './fold.ts'
import type { Cluster, Identity, Machine, PlannedCheck, Run, SetupFailure } from './model.ts'

/** Runs as they look when they come from real clusters, made through the same fold. */

const namespace = 'cni-conformance'
const nodes = ['flannel-worker', 'flannel-worker2'] as const
const addresses: Readonly<Record<string, string>> = {
  'worker1-a': '10.244.1.2',
  'worker1-b': '10.244.1.3',
  'worker2-a': '10.244.2.2',
  'worker2-b': '10.244.2.3',
}

/** Id, rung, and the ways that it probes: client, server. */
const catalogue: readonly (readonly [
  id: string,
  rung: Rung | undefined,
  ...ways: (readonly [string, string])[],
])[] = [
  ...['http', 'udp'].map(
    (p) => [`loopback/between-containers/${p}`, 'loopback', ['worker1-a', 'worker1-a']] as const,
  ),
  ['loopback/shared-namespace', undefined, ['worker1-a', 'worker1-a']],
  ['pod/placement', undefined, ['worker1-a', 'worker1-a']],
  ['pod/address/unique', undefined, ['worker1-a', 'worker1-a']],
  ...['tcp', 'udp', 'http'].map(
    (p) =>
      [
        `pod-to-pod/same-node/${p}`,
        'same-node',
        ['worker1-a', 'worker1-b'],
        ['worker2-a', 'worker2-b'],
      ] as const,
  ),
  ...['tcp', 'udp', 'http'].map(
    (p) =>
      [
        `pod-to-pod/cross-node/${p}`,
        'other-node',
        ['worker1-a', 'worker2-a'],
        ['worker2-a', 'worker1-a'],
      ] as const,
  ),
  ['pod-to-pod/cross-node/delivery-there', 'other-node', ['worker1-a', 'worker2-a']],
  ['pod-to-pod/cross-node/delivery-back', 'other-node', ['worker2-a', 'worker1-a']],
  ['pod-to-pod/same-node/source-address', undefined, ['worker1-a', 'worker1-b']],
  ['pod-to-pod/cross-node/source-address', undefined, ['worker1-a', 'worker2-a']],
  ...['tcp', 'udp', 'http'].map(
    (p) => [`service/cluster-ip/${p}`, 'service', ['worker1-a', 'echo'], ['worker2-a', 'echo']] as const,
  ),
  ...['short', 'namespaced', 'fqdn', 'other-namespace'].map(
    (n) => [`service/name/${n}`, 'dns', ['worker1-a', 'echo'], ['worker2-a', 'echo']] as const,
  ),
  ['dns/resolv-conf', undefined, ['worker1-a', 'worker1-a']],
  ...['service-ip', 'each-server'].flatMap((place) =>
    ['service-udp', 'service-tcp', 'headless-udp', 'headless-tcp', 'pod-udp', 'pod-tcp'].map(
      (what) =>
        [`dns/${place}/${what}`, 'dns', ['worker1-a', 'kube-dns'], ['worker2-a', 'kube-dns']] as const,
    ),
  ),
]

/** The checks of {@link catalogue} as a plan knows them. */
export const planned: readonly PlannedCheck[] = catalogue.map(([check, rung]) => ({
  check,
  level: 'core',
  covers: ['P3'],
  requirement: `What ${check} checks MUST hold on every node, in both directions.`,
  ...(rung === undefined ? {} : { rung }),
}))

/** What a check saw on a broken network: the verdict, and in words. `ways`: only these of its ways are broken. */
export interface Broken {
  verdict: Verdict
  detail: string
  ways?: readonly number[]
}

/** The outcomes of all checks, some of them broken. */
export function outcomesOf(broken: (check: string) => Broken | undefined = () => undefined): Outcome[] {
  return catalogue.map(([check, , ...ways], index) => {
    const problem = broken(check)
    const plan = planned[index]
    if (plan === undefined) throw new Error(`no plan for ${check}`)
    const observations = ways.map((way, at) =>
      observe(
        check,
        way,
        problem === undefined || problem.ways?.includes(at) === false ? undefined : problem,
        index,
      ),
    )
    const off = observations.find(({ verdict }) => verdict !== 'reached')
    return {
      ...plan,
      outcome: off === undefined ? 'passed' : 'failed',
      ...(off === undefined
        ? {}
        : {
            reason: `${off.verdict}, expected reached: ${off.probe}: ${off.detail}`,
            evidence: `flannel/evidence/${check.replaceAll('/', '.')}`,
          }),
      durationMs: off === undefined ? 42 : 1_004,
      observations,
    }
  })
}

function observe(
  check: string,
  [client, server]: readonly [string, string],
  problem: Broken | undefined,
  index: number,
): Observation {
  const what = check.slice(check.lastIndexOf('/') + 1)
  const protocol =
    ['tcp', 'udp', 'http'].find((each) => what.endsWith(each)) ??
    (what.startsWith('delivery')
      ? 'datagram'
      : what === 'source-address' || server === 'echo'
        ? 'tcp'
        : 'none')
  const many = server === 'echo' && check.includes('cluster-ip') ? 64 : 1
  return {
    probe: `${client} -> ${server} via pod-ip over ${protocol}`,
    from: end(client),
    to: end(server),
    via: server === 'echo' ? 'cluster-ip' : server === 'kube-dns' ? 'service-ip' : 'pod-ip',
    protocol,
    expected: 'reached',
    verdict: problem?.verdict ?? 'reached',
    attempts: protocol === 'udp' && problem !== undefined ? 3 * many : many,
    asked: many,
    answered: problem === undefined ? many : 0,
    ...(problem === undefined
      ? { latencyMs: 0.2 + (index % 7) * 0.13, peers: [] }
      : { peers: [], detail: problem.detail }),
  }
}

function end(name: string): Observation['from'] {
  const address = addresses[name]
  if (address === undefined) return { name: `Service ${name}`, address: '10.96.0.10:53' }
  return {
    name: `${namespace}/${name}`,
    node: nodes[name.startsWith('worker1') ? 0 : 1],
    address: `${address}:8081`,
  }
}

export const machine: Machine = {
  os: 'Debian GNU/Linux 12 (bookworm)',
  kernel: '6.18.0',
  cpus: 2,
  memoryMiB: 24_064,
  dockerVersion: '20.10.24',
  cgroup: 'v1',
  arch: 'x64',
  node: '24.21.0',
}

/** The cluster of a leg. */
export function clusterNamed(name: string): Cluster {
  return {
    name,
    definition: {
      kubernetes: 'v1.37.0',
      network: { ipFamily: 'ipv4', kubeProxy: 'iptables', podSubnet: '10.244.0.0/16' },
      cni: { name, version: 'v0.28.9', encapsulation: 'vxlan' },
      features: [],
    },
    file: `clusters/${name}.yaml`,
    sha256: 'ab'.repeat(32),
    checksSha256: 'cd'.repeat(32),
  }
}

const identity: Identity = {
  kubernetes: 'v1.37.0',
  cni: { name: 'flannel', version: 'v0.28.9', encapsulation: 'vxlan', dataPlane: 'bridge + iptables' },
  kubeProxy: 'iptables',
  mtu: 1450,
  kernel: '6.18.0',
  containerRuntime: 'containerd://2.3.7',
  nodes: [
    { name: 'flannel-control-plane', role: 'control-plane', address: '172.18.0.2', podCIDR: '10.244.0.0/24' },
    { name: 'flannel-worker', role: 'worker', address: '172.18.0.3', podCIDR: '10.244.1.0/24' },
    { name: 'flannel-worker2', role: 'worker', address: '172.18.0.4', podCIDR: '10.244.2.0/24' },
  ],
}

const started = Date.parse('2026-11-21T08:00:00.000Z')
/** Time of a run, in ISO 8601, so many milliseconds after its start. */
export const timeAt = (ms: number): string => new Date(started + ms).toISOString()

/** The first event of a run over the named clusters. */
export function runStarted(...clusters: string[]): NewEvent {
  return {
    type: 'run-started',
    schemaVersion: 1,
    tool: { name: 'cni-conformance', version: '0.1.0' },
    run: { id: '5e1f00d1', startedAt: timeAt(0), partial: false },
    machine,
    legs: clusters.map((name) => ({ cluster: clusterNamed(name), planned: [...planned] })),
  }
}

const usual = {
  images: 600,
  create: 28_400,
  cni: 15_900,
  fixtures: 2_300,
  traffic: 640,
  checks: 1_070,
  delete: 2_400,
}

/** The events of one leg that came to its outcomes. */
export function legEvents(leg: string, outcomes: readonly Outcome[]): NewEvent[] {
  const phases = (names: readonly (keyof typeof usual)[]): NewEvent[] =>
    names.flatMap((name): NewEvent[] => [
      { type: 'phase-started', leg, name },
      { type: 'phase-ended', leg, name, ms: usual[name], ok: true },
    ])
  return [
    ...phases(['images', 'create', 'cni', 'fixtures']),
    { type: 'leg-identity', leg, identity },
    { type: 'readiness', leg, readiness: { rounds: 3, ms: 640, converged: true } },
    ...phases(['traffic', 'checks']),
    ...outcomes.map((outcome): NewEvent => ({ type: 'outcome', leg, outcome })),
    { type: 'leg-ended', leg },
    ...phases(['delete']),
  ]
}

/** The events of a leg whose CNI did not come up. */
export function deadLegEvents(leg: string, failure: SetupFailure): NewEvent[] {
  return [
    { type: 'phase-started', leg, name: 'images' },
    { type: 'phase-ended', leg, name: 'images', ms: 600, ok: true },
    { type: 'phase-started', leg, name: failure.phase },
    { type: 'phase-ended', leg, name: failure.phase, ms: 300_000, ok: false, detail: failure.what },
    { type: 'setup-failed', leg, failure },
  ]
}

/** Events with times, a second apart. */
export function timed(events: readonly NewEvent[]): RunEvent[] {
  return events.map((event, index) => ({ at: timeAt(index * 1_000), ...event }))
}

/** A run of one leg with these outcomes. */
export function runWith(outcomes: readonly Outcome[], leg = 'flannel'): Run {
  return foldEvents(timed([runStarted(leg), ...legEvents(leg, outcomes), { type: 'run-ended' }]))
}

/** Nothing crosses between the nodes, and all that follows from it. */
export const crossNodeDown = (check: string): Broken | undefined => {
  const lost = { verdict: 'timed-out', detail: 'no answer in 1000 ms at connect' } as const
  if (check.startsWith('pod-to-pod/cross-node/')) return lost
  if (check.startsWith('service/cluster-ip/'))
    return { ...lost, detail: '31 of 64: no answer in 1000 ms at connect' }
  return check.startsWith('dns/service-ip/') ? { ...lost, ways: [0] } : undefined
}

/** How a CNI fails that cannot pull its image. */
export const cniFailure: SetupFailure = {
  phase: 'cni',
  what: 'waited 300 s (budget cniReadyMs) for DaemonSet kube-flannel/kube-flannel-ds to be ready on 3 nodes',
  seen: '0 of 3 ready\nkube-flannel-ds-x7k2p on flannel-worker: ImagePullBackOff: ghcr.io/flannel-io/flannel:v0.28.9',
  next: 'look at `cni-conformance doctor`, or run again with --keep=on-failure and look at the pods',
}

/** A run whose leg died in set-up. */
export function deadRun(): Run {
  return foldEvents(
    timed([runStarted('flannel'), ...deadLegEvents('flannel', cniFailure), { type: 'run-ended' }]),
  )
}
