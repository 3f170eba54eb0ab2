import { randomBytes } from 'node:crypto'
import { agentPorts, toolsPorts, type WireProbe } from './agent/protocol.ts'
import { budgets } from './budgets.ts'
import type { Flow } from './check-steps.ts'
import type {
  Check,
  DnsProbe,
  End,
  InspectProbe,
  LookProbe,
  PathProbe,
  Probe,
  ServiceProbe,
  Verdict,
} from './check.ts'
import { servicePorts, services } from './fixtures.ts'
import type { World, WorldPod } from './world.ts'

/**
 * Checks and the world in, packet questions out. Pure but for the nonces: the same checks and the same world
 * give the same plan.
 */

/** A wire probe, the agent that runs it, and what it was asked for. */
export interface Planned {
  /** Fixture name of the pod whose agent runs it. */
  agent: string
  wire: WireProbe
}

/** A probe that an agent answers; the others are looks at nodes. */
type AgentProbe = Exclude<Probe, LookProbe>

/** One cell of a step's flows. */
interface FlowProbe {
  from: string
  to: string
  via: Flow['via']
  protocol: Flow['protocols'][number]
  expect: Verdict
}

/** One declared probe, spread out over the pods and servers that it concerns, with what is expected of each. */
export interface PlannedProbe {
  check: Check
  probe: AgentProbe | FlowProbe
  from: WorldPod
  to: End
  /** Fixture pods that must be alive before silence counts as evidence. */
  rests: WorldPod[]
  /** Fixture pods that may answer. */
  mayAnswer: WorldPod[]
  /** A records that a DNS answer must hold, sorted. */
  answers?: string[]
  /** Fully qualified name that is asked for. */
  name?: string
  questions: Planned[]
  /** Asked of the receiver when all questions are settled: did the datagrams arrive? */
  receipt?: Planned
}

/** Everything that one run asks. */
export interface Plan {
  probes: PlannedProbe[]
  /** Wire probes by agent, to be sent in one frame each. */
  questions: Map<string, WireProbe[]>
  /** Sent when all questions are settled. */
  receipts: Map<string, WireProbe[]>
}

/**
 * Connections per Service probe that must see every endpoint. With n endpoints chosen at random, one is missed
 * with probability at most n * (1 - 1/n)^64: 4e-8 for the four fixture endpoints.
 */
export const connectionsPerService = 64

/**
 * Connections by name and questions to the DNS Service. All must be answered rightly; a broken one of two backends
 * goes unseen with probability 2^-16.
 */
const questionsPerName = 16

/** Makes the plan of a run. Every check is bound to fixture pods of the declared node and namespace. */
export function makePlan(checks: readonly Check[], world: World): Plan {
  const ids = { next: 0 }
  const probes = checks.flatMap((check) => {
    const bound = bindPods(check, world)
    return check.probes.flatMap((probe) =>
      'look' in probe ? [] : planProbe(check, probe, bound, world, ids),
    )
  })
  return planOf(probes)
}

/** The plan that asks these probes all at once. */
export function planOf(probes: PlannedProbe[]): Plan {
  return {
    probes,
    questions: byAgent(probes.flatMap((probe) => probe.questions)),
    receipts: byAgent(probes.flatMap((probe) => (probe.receipt === undefined ? [] : [probe.receipt]))),
  }
}

/**
 * Which fixture pod stands for each pod of a check that is not its own: the first free one on the right node and in the
 * right namespace.
 */
export function bindPods(check: Check, world: World): Map<string, WorldPod> {
  const bound = new Map<string, WorldPod>()
  for (const [role, wanted] of Object.entries(check.pods)) {
    if (wanted.own === true) continue
    const taken = new Set(bound.values())
    const pod = world.pods.find(
      (each) => each.node === wanted.node && each.namespace === wanted.namespace && !taken.has(each),
    )
    if (pod === undefined) throw new Error(`${check.id}: no fixture pod is left for "${role}"`)
    bound.set(role, pod)
  }
  return bound
}

type Bound = Map<string, WorldPod>
type Ids = { next: number }

function pod(bound: Bound, role: string): WorldPod {
  const found = bound.get(role)
  if (found === undefined) throw new Error(`the check declares no pod "${role}"`)
  return found
}

function planProbe(check: Check, probe: AgentProbe, bound: Bound, world: World, ids: Ids): PlannedProbe[] {
  if ('inspect' in probe) return [planInspect(check, probe, pod(bound, probe.in), ids)]
  const from = pod(bound, probe.from)
  if ('service' in probe) return [planService(check, probe, from, world, ids)]
  if ('resolve' in probe) {
    return planDns(check, probe, from, probe.of === undefined ? undefined : pod(bound, probe.of), world, ids)
  }
  return [planPath(check, probe, from, pod(bound, probe.to), ids)]
}

/** The pods behind the fixture Services. */
const endpointsOf = (world: World): WorldPod[] =>
  world.pods.filter((each) => each.namespace === 'main' && each.ready)

/** Proves which question an answer belongs to. */
export const nonce = (prefix = ''): string => `${prefix}${randomBytes(12).toString('hex')}`

function planPath(check: Check, probe: PathProbe, from: WorldPod, to: WorldPod, ids: Ids): PlannedProbe {
  const timeoutMs = budgets.probeMs.ms
  if (probe.via === 'loopback') {
    const kind = probe.protocol === 'udp' ? 'tools-udp' : 'tools-http'
    const port = kind === 'tools-udp' ? toolsPorts.udp : toolsPorts.http
    const wire: WireProbe = { id: ids.next++, kind, host: '127.0.0.1', port, nonce: nonce(), timeoutMs }
    const end = { ...podEnd(to, port), address: `127.0.0.1:${port}` }
    return {
      check,
      probe,
      from,
      to: end,
      rests: [from],
      mayAnswer: [to],
      questions: [{ agent: from.name, wire }],
    }
  }
  const { protocol } = probe
  const port = protocol === 'datagram' ? agentPorts.udp : agentPorts[protocol]
  const ask = (): WireProbe => ({
    id: ids.next++,
    kind: protocol,
    host: to.ip,
    port,
    nonce: nonce(protocol === 'datagram' ? 'oneway-' : ''),
    timeoutMs,
  })
  // One datagram may be lost without anyone at fault; three in a row on an idle wire may not.
  const wires = protocol === 'datagram' ? [ask(), ask(), ask()] : [ask()]
  const planned: PlannedProbe = {
    check,
    probe,
    from,
    to: podEnd(to, port),
    rests: [from, to],
    mayAnswer: [to],
    questions: wires.map((wire) => ({ agent: from.name, wire })),
  }
  if (protocol === 'datagram') {
    const nonces = wires.flatMap((wire) => ('nonce' in wire ? [wire.nonce] : []))
    planned.receipt = { agent: to.name, wire: { id: ids.next++, kind: 'receipts', nonces, timeoutMs } }
  }
  return planned
}

function planService(
  check: Check,
  probe: ServiceProbe,
  from: WorldPod,
  world: World,
  ids: Ids,
): PlannedProbe {
  const endpoints = endpointsOf(world)
  const namespace = world.namespaces.main
  const host = {
    'cluster-ip': world.clusterIps.echo,
    'short-name': services.echo,
    'namespaced-name': `${services.echo}.${namespace}`,
    fqdn: `${services.echo}.${namespace}.svc.${world.clusterDomain}`,
  }[probe.via]
  const port = servicePorts[probe.protocol]
  const count = probe.answeredBy === 'every-endpoint' ? connectionsPerService : questionsPerName
  return {
    check,
    probe,
    from,
    to: { name: `${namespace}/${services.echo}`, address: `${host}:${port}` },
    rests: [from, ...endpoints],
    mayAnswer: endpoints,
    questions: Array.from({ length: count }, () => ({
      agent: from.name,
      wire: {
        id: ids.next++,
        kind: probe.protocol,
        host,
        port,
        nonce: nonce(),
        timeoutMs: budgets.probeMs.ms,
        toService: true,
      },
    })),
  }
}

function planDns(
  check: Check,
  probe: DnsProbe,
  from: WorldPod,
  of: WorldPod | undefined,
  world: World,
  ids: Ids,
): PlannedProbe[] {
  const { name, answers } = dnsQuestion(probe, of ?? from, world)
  const servers =
    probe.at === 'service-ip'
      ? [{ name: 'kube-system/kube-dns', ip: world.dns.serviceIp }]
      : world.dns.servers.map((server) => ({ ...server, name: `kube-system/${server.name}` }))
  const ask = (server: string): Planned => ({
    agent: from.name,
    wire: {
      id: ids.next++,
      kind: 'dns',
      server,
      transport: probe.protocol,
      name,
      type: 'A',
      timeoutMs: budgets.dnsProbeMs.ms,
      ...(probe.at === 'service-ip' ? { toService: true } : {}),
    },
  })
  // The answer of a headless Service changes with its pods: it is only wrong when none of them died meanwhile.
  const pods = probe.resolve === 'headless-service' ? endpointsOf(world) : []
  const planned = { check, probe, from, rests: [from, ...pods], mayAnswer: [], answers, name }
  // No server at all is a finding of its own: a probe without questions is judged "nobody to ask".
  if (servers.length === 0) {
    return [{ ...planned, to: { name: 'kube-system/kube-dns (no running pod)' }, questions: [] }]
  }
  return servers.map((server) => ({
    ...planned,
    to: {
      name: server.name,
      address: `${server.ip}:53`,
      ...('node' in server ? { node: server.node } : {}),
    },
    questions: Array.from({ length: probe.at === 'service-ip' ? questionsPerName : 1 }, () => ask(server.ip)),
  }))
}

function dnsQuestion(probe: DnsProbe, of: WorldPod, world: World): { name: string; answers: string[] } {
  const { main } = world.namespaces
  const domain = world.clusterDomain
  switch (probe.resolve) {
    case 'service':
      return { name: `${services.echo}.${main}.svc.${domain}`, answers: [world.clusterIps.echo] }
    case 'headless-service':
      return {
        name: `${services.headless}.${main}.svc.${domain}`,
        answers: endpointsOf(world)
          .map((each) => each.ip)
          .toSorted(),
      }
    case 'pod':
      return {
        name: recordName(of, world),
        answers: [of.ip],
      }
  }
}

/** Name of the A record that stands for a pod's address, whoever has it. */
export const recordName = ({ ip, namespace }: WorldPod, world: World): string =>
  `${ip.replaceAll(/[.:]/g, '-')}.${world.namespaces[namespace]}.pod.${world.clusterDomain}`

function planInspect(check: Check, probe: InspectProbe, inside: WorldPod, ids: Ids): PlannedProbe {
  const timeoutMs = budgets.probeMs.ms
  const id = ids.next++
  const bind = (port: number): WireProbe => ({
    id,
    kind: 'bind',
    transport: 'tcp',
    host: '0.0.0.0',
    port,
    timeoutMs,
  })
  const wire: WireProbe =
    probe.inspect === 'port-in-use'
      ? bind(toolsPorts.http)
      : probe.inspect === 'port-free'
        ? bind(0)
        : { id, kind: 'facts', timeoutMs }
  return {
    check,
    probe,
    from: inside,
    to: podEnd(inside, undefined),
    rests: [inside],
    mayAnswer: [],
    questions: [{ agent: inside.name, wire }],
  }
}

/** A fixture pod as one end of a path. */
export function podEnd(of: WorldPod, port: number | undefined): End {
  return { name: of.fullName, node: of.pinnedTo, address: port === undefined ? of.ip : `${of.ip}:${port}` }
}

function byAgent(planned: readonly Planned[]): Map<string, WireProbe[]> {
  const byName = new Map<string, WireProbe[]>()
  for (const { agent, wire } of planned) {
    const list = byName.get(agent)
    if (list === undefined) byName.set(agent, [wire])
    else list.push(wire)
  }
  return byName
}
