import { captureLimits } from '../budgets.ts'
import { fixtureService, type FixtureService } from '../fixture-services.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import type { Party, World } from '../world.ts'
import type { CaptureEnd, CapturePair } from './journey.ts'

/** A path that can be captured, with the questions that go over it. */
export interface AskedPair {
  /** The same for paths with the same ends. */
  key: string
  pair: CapturePair
  planned: PlannedProbe
  /** InternalIPs of the nodes, by which their interfaces are found. */
  nodeAddresses: readonly string[]
}

/**
 * The ends of a probe between pods, nodes, Services and DNS servers; undefined where nobody would see its packets under
 * known addresses: inside one pod, at a port of a node, outside the cluster.
 */
export function pairOf(planned: PlannedProbe, world: World): AskedPair | undefined {
  const { from, questions } = planned
  const found = farEnd(planned, world)
  if (found === undefined || questions.length === 0) return undefined
  const { asked, ends } = found
  const isNode = world.hosts.some(({ name }) => name === from.name)
  const client = { ...endOf(from), ...(isNode ? { isNode: true as const } : {}) }
  const ofNode = (name: string): string => world.nodes.find((each) => each.name === name)?.address ?? ''
  const nodes = [...new Set([client, ...ends].map(({ node }) => node))]
  // Outside the cluster nobody writes packets down.
  if (!nodes.every((name) => world.nodes.some((each) => each.name === name))) return undefined
  const asksNode = world.nodes.some(({ address }) => asked.ips.includes(address))
  return {
    key: `${client.name} ${asked.ips.join()}`,
    pair: {
      client,
      asked,
      ends,
      alsoKnownAs: asksNode ? [ofNode(client.node)] : [],
      ...(planned.receipt === undefined ? {} : { oneWay: true as const }),
    },
    planned: { ...planned, questions: questions.slice(0, captureLimits.questions) },
    nodeAddresses: nodes.map(ofNode),
  }
}

/** DNS servers are pods, behind their Service or each at its own address. */
function dnsEnd({ to }: PlannedProbe, { dns }: World): FarEnd | undefined {
  const ip = to.address?.replace(/:\d+$/, '')
  if (ip === undefined) return undefined
  const servers = ip === dns.serviceIp ? dns.servers : dns.servers.filter((each) => each.ip === ip)
  return {
    asked: { name: to.name, ips: [ip] },
    ends: servers.map(({ name, node, ip }) => ({ name: `kube-system/${name}`, node, ips: [ip] })),
  }
}

const endOf = ({ fullName, pinnedTo, ips }: Party): CaptureEnd => ({ name: fullName, node: pinnedTo, ips })

type FarEnd = Pick<CapturePair, 'asked' | 'ends'>

/** The Service of one pod alone. */
const ownService: FixtureService = { behind: 'every-pod' }

function farEnd(planned: PlannedProbe, world: World): FarEnd | undefined {
  const { probe, from, mayAnswer } = planned
  if ('resolve' in probe) return dnsEnd(planned, world)
  if ('service' in probe) {
    if (probe.via === 'node-port') return undefined
    const { headless, behind } = probe.service === 'own' ? ownService : fixtureService(probe.service)
    // An alias leads to the ClusterIP of the Service that it names.
    const name = probe.service === 'own' ? from.name : behind === 'alias' ? 'echo' : probe.service
    const ips = headless === true ? [] : (world.services.get(name)?.ips ?? [])
    return { asked: { name: `Service ${name}`, ips }, ends: mayAnswer.map(endOf) }
  }
  const [to] = mayAnswer
  const isPath = 'to' in probe && (probe.via === 'pod-ip' || probe.via === 'node-ip')
  return isPath && to !== undefined
    ? { asked: { name: to.fullName, ips: to.ips }, ends: [endOf(to)] }
    : undefined
}
