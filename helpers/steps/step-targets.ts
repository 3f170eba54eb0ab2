import { agentPorts } from '../agent/protocol.ts'
import type { Flow, ServiceType } from '../check-steps.ts'
import type { Verdict } from '../check-probes.ts'
import type { End } from '../observation.ts'
import { servicePorts } from '../fixture-services.ts'
import { recordName } from '../plan/dns.ts'
import { hostPort, podEnd, type DnsRecord } from '../plan/planned.ts'
import type { State } from './step-cells.ts'
import type { BoundCheck, BoundService } from './step-plan.ts'
import type { World, WorldPod } from '../world.ts'

/** Where a flow leads, and who may answer there while this is the state of its check. Pure. */

/** A Service of a check as the steps left it. */
export interface ServiceState {
  ip: string
  exists: boolean
  type: ServiceType
  /** By the name of its port; those that it had last, where it has none any more. */
  nodePorts: Readonly<Record<string, number>>
}

type Protocol = Flow['protocols'][number]

/** What a client keeps from step to step, and the port that it asks from. */
interface Kept {
  what: NonNullable<Flow['keeps']>
  port: number
}

/** What is asked, and what must come of it. */
export interface Target {
  /** The pod that is asked: as it was, where it is gone; one of those behind it, where it is a Service. */
  to: WorldPod
  host: string
  port: number
  end: End
  /** The address is that of a Service of the check. */
  toService?: true
  /** Pods that may answer; of several, each must. */
  answers: readonly WorldPod[]
  /** Why they may, or why nobody may. */
  because: string
  /** Where nobody may answer: how that may end, and which pods must be seen alive before silence counts. */
  gone?: { silentEnds: readonly Verdict[]; witnesses: readonly WorldPod[] }
  /** All connections of a client go to one of those that may answer. */
  sticky?: true
  /** It can lead to several pods: so many connections that one which may not answer, or does not, is met. */
  spread?: true
  /** A DNS server is asked for this. */
  record?: DnsRecord
  /** What is kept, and the source port of it. */
  keeps?: Kept
  /** Why there is nothing to ask, which is a finding of its own. */
  nobody?: string
}

/**
 * Every address that one of `flow.to` stands for.
 *
 * @throws {Error} when the check asks what it does not have
 */
export function targetsOf(
  bound: BoundCheck,
  state: State,
  flow: Flow,
  asked: string,
  protocol: Protocol,
  world: World,
): Target[] {
  const { via } = flow
  if (via === 'former-ip' || via === 'former-record') {
    const pod = state.former.get(asked)
    if (pod === undefined) throw new Error(`${bound.check.id}: "${asked}" has no former address`)
    return [formerTarget(pod, via, protocol, world)]
  }
  const service = bound.services.get(asked)
  if (service !== undefined && (via === 'cluster-ip' || via === 'node-port' || via === 'record')) {
    const about = aboutService(bound, state, asked, service)
    if (via === 'record') return recordTargets(about, world)
    if (via === 'node-port') return nodePortTargets(about, protocol, world)
    const { keeps } = flow
    const kept = keeps === undefined ? {} : { keeps: { what: keeps, port: service.ports[keeps] } }
    return [{ ...clusterIpTarget(about, protocol), ...kept }]
  }
  return [podTarget(podOf(bound, state, asked), via, protocol, world)]
}

/** The pod that stands for a role now. */
export function podOf({ check, pods }: BoundCheck, { running }: State, role: string): WorldPod {
  const found = running.get(role) ?? pods.get(role)
  if (found === undefined) throw new Error(`${check.id} declares no pod "${role}"`)
  return found
}

/** A pod of the fixtures or of the check's own that runs. */
function podTarget(to: WorldPod, via: Flow['via'], protocol: Protocol, world: World): Target {
  const port = agentPorts[protocol]
  const because = `${to.fullName} runs there and is Ready`
  if (via === 'pod-ip') return { to, host: to.ip, port, end: podEnd(to, port), answers: [to], because }
  if (via === 'pod-record') {
    const host = recordName(to, world)
    const end = { ...podEnd(to, port), address: `${host}:${port}` }
    return { to, host: `${host}.`, port, end, answers: [to], because }
  }
  if (to.serviceIp === undefined) throw new Error(`${to.fullName} has no Service of its own`)
  const outside = servicePorts[protocol]
  const name = `${to.fullName} (Service)`
  return {
    to,
    host: to.serviceIp,
    port: outside,
    end: { name, node: to.pinnedTo, address: hostPort(to.serviceIp, outside) },
    answers: [to],
    because: thereBecause(name, [to]),
  }
}

/** Somebody who refuses has the address, so nothing but silence and a router's word that there is no way will do. */
function formerTarget(pod: WorldPod, via: Flow['via'], protocol: Protocol, world: World): Target {
  const port = agentPorts[protocol]
  const byName = via === 'former-record'
  const host = byName ? recordName(pod, world) : pod.ip
  return {
    to: pod,
    host: byName ? `${host}.` : host,
    port,
    end: { name: `${pod.fullName} (deleted)`, node: pod.pinnedTo, address: `${host}:${port}` },
    answers: [],
    because: `the pod that had ${pod.ip} is gone`,
    gone: {
      silentEnds: ['timed-out', 'unreachable', ...(byName ? (['no-such-name'] as const) : [])],
      witnesses: [],
    },
  }
}

/** What the steps have made of a Service, and who is behind it. */
interface AboutService {
  /** Of the object. */
  name: string
  state: ServiceState
  /** One of those that it selects, to name in reports. */
  to: WorldPod
  /** Those that it selects and that run. */
  selected: readonly WorldPod[]
  /** Those of them that must be led to now. */
  endpoints: readonly WorldPod[]
  because: string
  /** How its connections are to be spread. */
  spread: Pick<Target, 'spread' | 'sticky'>
}

/**
 * Who is behind a Service: the Ready pods that it selects; where all that are left are being deleted, those
 * (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#serving).
 */
function aboutService(bound: BoundCheck, state: State, asked: string, service: BoundService): AboutService {
  const name = `Service ${service.object.metadata?.name ?? asked}`
  const roles = service.selects.filter(
    (role) => bound.check.pods[role]?.own !== true || state.running.has(role),
  )
  const steady = roles.filter((role) => !state.terminating.has(role))
  const serving = steady.length > 0 ? steady : roles
  const pods = (of: readonly string[]): WorldPod[] => of.map((role) => podOf(bound, state, role))
  const endpoints = [...pods(serving), ...service.fixtures]
  const [first] = service.selects
  const left = roles.filter((role) => !serving.includes(role))
  const leaving =
    steady.length === roles.length || steady.length > 0
      ? ''
      : ', which is being deleted and the only one left'
  const notTo = left.length === 0 ? '' : `; ${namesOf(pods(left))} is being deleted`
  return {
    name,
    state: state.services.get(asked) ?? { ip: '', exists: false, type: 'ClusterIP', nodePorts: {} },
    to: endpoints[0] ?? podOf(bound, state, first ?? ''),
    selected: [...pods(roles), ...service.fixtures],
    endpoints,
    spread: service.sticky
      ? { sticky: true }
      : service.selects.length + service.fixtures.length > 1
        ? { spread: true }
        : {},
    because:
      endpoints.length === 0
        ? `${name} has no endpoint`
        : `${thereBecause(name, endpoints)}${leaving}${notTo}`,
  }
}

const namesOf = (pods: readonly WorldPod[]): string => pods.map(({ fullName }) => fullName).join(' and ')

const thereBecause = (name: string, endpoints: readonly WorldPod[]): string =>
  `${name} exists and ${namesOf(endpoints)} ${endpoints.length > 1 ? 'are' : 'is'} Ready behind it`

/** A Service without endpoints is refused by some proxies and swallowed by others: nobody has it, and Kubernetes leaves it open. */
const emptyEnds: readonly Verdict[] = ['timed-out', 'refused', 'unreachable']

/**
 * Once a Service is gone its address is nobody's, and packets to it may leave the cluster: what somebody out there says
 * is no word of the Service. It counts who answers, and no pod of ours may.
 */
const deletedEnds: readonly Verdict[] = [...emptyEnds, 'wrong-answer']

function clusterIpTarget(about: AboutService, protocol: Protocol): Target {
  const { name, state, to, selected, endpoints, because, spread } = about
  const port = servicePorts[protocol]
  const end = { name, address: hostPort(state.ip, port) }
  const target = { to, host: state.ip, port, end, toService: true, ...spread } as const
  if (!state.exists) {
    const gone = { silentEnds: deletedEnds, witnesses: selected }
    return { ...target, answers: [], because: `${name} is deleted`, gone }
  }
  if (endpoints.length === 0)
    return { ...target, answers: [], because, gone: { silentEnds: emptyEnds, witnesses: [] } }
  return { ...target, answers: endpoints, because }
}

/** What should be asked and is not there. */
const nobodyThere = (to: WorldPod, name: string, nobody: string): Target => ({
  to,
  host: '',
  port: 0,
  end: { name },
  answers: [],
  because: nobody,
  nobody,
})

/** At the InternalIP of every node. A port that was given back is its node's, which may refuse. */
function nodePortTargets(about: AboutService, protocol: Protocol, world: World): Target[] {
  const { name, state, to, selected, endpoints, because, spread } = about
  const port = state.nodePorts[protocol]
  if (port === undefined) return [nobodyThere(to, name, `${name} has got no node port for ${protocol}`)]
  const isOpen = state.exists && state.type === 'NodePort' && endpoints.length > 0
  return world.nodes.map(({ name: node, address }): Target => {
    const end = { name, node, address: hostPort(address, port) }
    const target = { to, host: address, port, end, toService: true, ...spread } as const
    if (isOpen) return { ...target, answers: endpoints, because: `${because}, at node port ${port}` }
    const gone = { silentEnds: emptyEnds, witnesses: selected }
    return { ...target, answers: [], because: `${name} has no node port any more`, gone }
  })
}

/** Each DNS server has watched the API by itself, and kept its own answers. */
function recordTargets({ name, state, to }: AboutService, world: World): Target[] {
  const [, object = ''] = name.split(' ')
  const record: DnsRecord = {
    name: `${object}.${world.namespaces.main}.svc.${world.clusterDomain}`,
    type: 'A',
    answers: state.exists ? [state.ip] : [],
  }
  if (world.dns.servers.length === 0)
    return [{ ...nobodyThere(to, 'kube-system/kube-dns', 'no CoreDNS pod is running'), record }]
  return world.dns.servers.map((server) => ({
    to,
    host: server.ip,
    port: 53,
    end: { name: `kube-system/${server.name}`, node: server.node, address: hostPort(server.ip, 53) },
    answers: [],
    because: state.exists ? `${name} exists and has ${state.ip}` : `${name} does not exist`,
    record,
  }))
}
