import { agentPorts } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { ServiceProbe } from '../check-probes.ts'
import { isHandMadeTarget } from '../fixture-objects.ts'
import { fixtureService, servicePorts, type FixtureService } from '../fixture-services.ts'
import type { End } from '../observation.ts'
import type { Party, World } from '../world.ts'
import { silent, timeLimitOf } from './time-limits.ts'
import {
  addressIn,
  endpointsOf,
  hostPort,
  nonce,
  questionsPerName,
  type Ids,
  type PlannedProbe,
} from './planned.ts'

/**
 * Connections per Service probe that must see every endpoint. With n endpoints chosen at random, one is missed
 * with probability at most n * (1 - 1/n)^64: 4e-8 for the four fixture endpoints.
 */
export const connectionsPerService = 64

/** Connections that a fair share is judged by: see {@link fairShare} for the bound that they allow. */
const connectionsPerSpread = 256

/** Connections to a node port at which nobody may answer: what a policy must swallow is asked as often. */
const connectionsForSilence = 3

const connections: Record<ServiceProbe['answeredBy'], number> = {
  'any-endpoint': questionsPerName,
  'every-endpoint': connectionsPerService,
  'one-endpoint': connectionsPerService,
  evenly: connectionsPerSpread,
}

/** Plans a probe of a Service: one planned probe, or one for each node where the Service is asked at the nodes. */
export function planService(
  check: Check,
  probe: ServiceProbe,
  from: Party,
  world: World,
  ids: Ids,
): PlannedProbe[] {
  const endpoints = endpointsBehind(probe, from, world)
  return addressesOf(probe, from, world, endpoints).map(({ host, port, end, node, nobody }) => {
    const { count, timeoutMs } = askingOf(probe)
    return {
      check,
      probe,
      from,
      to: end,
      rests: [from, ...endpoints.filter((pod) => pod !== from)],
      mayAnswer: isExternalLocal(probe) ? endpoints.filter(({ pinnedTo }) => pinnedTo === node) : endpoints,
      ...(node === undefined ? {} : { host }),
      ...(nobody === undefined ? {} : { nobody }),
      questions: Array.from({ length: nobody === undefined ? count : 0 }, () => ({
        agent: from.name,
        wire: {
          id: ids.next++,
          kind: probe.protocol,
          host,
          port,
          nonce: nonce(),
          timeoutMs,
          toService: true,
          ...silent(probe),
        },
      })),
    }
  })
}

/** How often it is asked, and for how many milliseconds each time. Silence at a node port counts beside a control. */
const askingOf = (probe: ServiceProbe): { count: number; timeoutMs: number } =>
  probe.via === 'node-port' && probe.expect === 'timed-out'
    ? { count: connectionsForSilence, timeoutMs: budgets.policyProbeMs.ms }
    : { count: connections[probe.answeredBy], timeoutMs: timeLimitOf(probe) }

/** The Service of one pod alone has nothing but its ClusterIP to be told. */
const ownService: FixtureService = { behind: 'every-pod' }

const isExternalLocal = ({ service, via }: ServiceProbe): boolean =>
  via === 'node-port' && service !== 'own' && fixtureService(service).externalLocal === true

function endpointsBehind({ service }: ServiceProbe, from: Party, world: World): Party[] {
  if (service === 'own') return [from]
  const { behind, nodeLocal } = fixtureService(service)
  if (behind === 'hand-made') return world.pods.filter(isHandMadeTarget)
  const all = endpointsOf(world)
  return nodeLocal === true ? all.filter(({ pinnedTo }) => pinnedTo === from.pinnedTo) : all
}

interface Address {
  host: string
  port: number
  end: End
  /** The node that is asked, where it is one. */
  node?: string
  /** Why it cannot be asked. */
  nobody?: string
}

function addressesOf(probe: ServiceProbe, from: Party, world: World, endpoints: readonly Party[]): Address[] {
  const { via, protocol } = probe
  const { main } = world.namespaces
  const name = probe.service === 'own' ? from.name : probe.service
  const { headless } = probe.service === 'own' ? ownService : fixtureService(probe.service)
  const known = world.services.get(name)
  if (via === 'node-port') {
    const port = known?.nodePorts[protocol]
    if (port === undefined) return [missing(`${main}/${name}`, `has no node port for ${protocol}`)]
    const nodes = nodesOf(probe, world, endpoints)
    if (nodes.length === 0)
      return [missing(`${main}/${name}`, `is to be asked at ${probe.at}: there are none`)]
    return nodes.map(({ name: node, address }) => ({
      host: address,
      port,
      node,
      end: { name: `${main}/${name}`, node, address: hostPort(address, port) },
    }))
  }
  const host = {
    'cluster-ip': addressIn(probe.family, known?.ips ?? []),
    'short-name': name,
    'namespaced-name': `${name}.${main}`,
    fqdn: `${name}.${main}.svc.${world.clusterDomain}`,
  }[via]
  if (host === undefined) return [missing(`${main}/${name}`, `has no ${probe.family ?? ''} ClusterIP`)]
  const port = headless === true ? agentPorts[protocol] : servicePorts[protocol]
  return [{ host, port, end: { name: `${main}/${name}`, address: hostPort(host, port) } }]
}

/** The nodes that are asked. */
function nodesOf({ at }: ServiceProbe, { nodes }: World, endpoints: readonly Party[]): World['nodes'] {
  const hasEndpoint = (name: string): boolean => endpoints.some(({ pinnedTo }) => pinnedTo === name)
  const wanted: Record<typeof at, (name: string) => boolean> = {
    'every-node': () => true,
    'nodes-with-endpoint': hasEndpoint,
    'nodes-without-endpoint': (name) => !hasEndpoint(name),
  }
  return nodes.filter(({ name }) => wanted[at](name))
}

const missing = (name: string, what: string): Address => ({
  host: '',
  port: 0,
  end: { name },
  nobody: `${name} ${what}`,
})
