import { isLooking, isPlain, type Check } from './check.ts'
import { fixtureSpecs, privilegedSpecs } from './fixture-objects.ts'
import { podLabels } from './fixture-pods.ts'
import {
  balancedName,
  fixtureService,
  fixtureServiceNames,
  handMadeTarget,
  largeAddresses,
  type FixtureService,
} from './fixture-services.ts'
import type { WorldService } from './world-services.ts'
import type { World, WorldPod } from './world.ts'

/** Do agents answer this check, in a world that has one family? */
export const isAnswered = (check: Check): boolean =>
  isPlain(check) &&
  !isLooking(check) &&
  !check.features.includes('dual-stack') &&
  !check.probes.some((probe) => 'endpointsOf' in probe)

/** A healthy world as a three-node cluster gives it, for the tests of the pure parts. */
export function healthyWorld(): World {
  const software = { kernel: '6.1', containerRuntime: 'containerd://2.3.7', kubernetes: 'v1.37.0' }
  const nodes: World['nodes'] = [
    {
      name: 'control-plane',
      role: 'control-plane',
      address: '172.18.0.2',
      podCIDR: '10.244.0.0/24',
      ...software,
    },
    { name: 'worker', role: 'worker', address: '172.18.0.3', podCIDR: '10.244.1.0/24', ...software },
    { name: 'worker2', role: 'worker', address: '172.18.0.4', podCIDR: '10.244.2.0/24', ...software },
  ]
  const namespaces = { main: 'cnic-main', other: 'cnic-other', host: 'cnic-host' }
  const pods = fixtureSpecs.map((spec, index) => {
    const node = spec.node === 'worker1' ? 'worker' : 'worker2'
    const fullName = `${namespaces[spec.namespace]}/${spec.name}`
    const ip = `10.244.${spec.node === 'worker1' ? 1 : 2}.${index + 10}`
    const serviceIp = `10.96.1.${index + 10}`
    return {
      ...spec,
      labels: podLabels(spec, 'run'),
      ...(spec.namespace === 'main' ? { serviceIp } : {}),
      uid: `uid-${spec.name}`,
      ip,
      ips: [ip],
      fullName,
      pinnedTo: node,
      runsOn: node,
      ready: true,
    }
  })
  const privileged = privilegedSpecs({ hostNetwork: true, hostPort: true }).map((spec, index) => {
    const node = spec.node === 'worker1' ? 'worker' : 'worker2'
    const ofNode = nodes.find(({ name }) => name === node)?.address ?? ''
    const ip = spec.hostPort === true ? `10.244.${spec.node === 'worker1' ? 1 : 2}.${index + 30}` : ofNode
    return {
      ...spec,
      labels: podLabels(spec, 'run'),
      uid: `uid-${spec.name}`,
      ip,
      ips: [ip],
      fullName: `${namespaces.host}/${spec.name}`,
      pinnedTo: node,
      runsOn: node,
      ready: true,
    }
  })
  const outside = { name: 'outside', fullName: 'cnic-outside', uid: 'uid-outside', ip: '172.18.0.9' }
  return {
    pods,
    hosts: privileged.filter(({ hostPort }) => hostPort !== true),
    portPods: privileged.filter(({ hostPort }) => hostPort === true),
    outside: { ...outside, ips: [outside.ip], pinnedTo: 'outside the cluster' },
    apiServer: { ip: '10.96.0.1', port: 443, ca: 'PEM' },
    nodes,
    services: healthyServices(pods),
    dns: {
      serviceIp: '10.96.0.10',
      servers: [
        { name: 'coredns-a', node: 'control-plane', ip: '10.244.0.2' },
        { name: 'coredns-b', node: 'worker2', ip: '10.244.2.2' },
      ],
    },
    allPods: pods.map(({ fullName, ip }) => ({ name: fullName, ip })),
    podSubnet: '10.244.0.0/16',
    clusterDomain: 'cluster.local',
    namespaces,
    further: [],
    seed: '1',
  }
}

/** The same with so many workers, two pods on each: worker, worker2, worker3 and so on. */
export function largeWorld(count: number): World {
  const world = healthyWorld()
  const [model] = world.pods
  const [, , node] = world.nodes
  if (model === undefined || node === undefined) throw new Error('no model')
  const numbers = Array.from({ length: count - 2 }, (_, at) => at + 3)
  const further = numbers.flatMap((number) =>
    ['a', 'b'].map((which, at): WorldPod => {
      const name = `worker${number}-${which}`
      const ip = `10.244.${number}.${at + 10}`
      const where = {
        node: `worker${number}` as const,
        pinnedTo: `worker${number}`,
        runsOn: `worker${number}`,
      }
      return { ...model, ...where, name, ip, ips: [ip], uid: `uid-${name}`, fullName: `cnic-main/${name}` }
    }),
  )
  return {
    ...world,
    further,
    nodes: [...world.nodes, ...numbers.map((number) => ({ ...node, name: `worker${number}` }))],
  }
}

function healthyServices(pods: readonly WorldPod[]): World['services'] {
  const inMain = pods.filter(({ namespace }) => namespace === 'main')
  const fixtures = fixtureServiceNames.map((name, index): [string, WorldService] => {
    const { behind, headless, nodePort } = fixtureService(name)
    const byHand =
      headless === true
        ? largeAddresses
        : inMain.filter((pod) => pod.name === handMadeTarget).map(({ ip }) => ip)
    const byBehind: Record<FixtureService['behind'], readonly string[]> = {
      'every-pod': inMain.map(({ ip }) => ip),
      'hand-made': byHand,
      alias: [],
    }
    return [
      name,
      {
        ips: headless === true || behind === 'alias' ? [] : [`10.96.12.${index + 30}`],
        nodePorts: nodePort === true ? { http: 30_080, tcp: 30_081, udp: 30_082 } : {},
        ready: byBehind[behind].toSorted(),
      },
    ]
  })
  const singles = inMain.map(({ name, ip, serviceIp }): [string, WorldService] => [
    name,
    { ips: serviceIp === undefined ? [] : [serviceIp], nodePorts: {}, ready: [ip] },
  ])
  const balanced: WorldService = {
    ips: ['10.96.12.90'],
    nodePorts: { http: 30_090, tcp: 30_091, udp: 30_092 },
    healthPort: 30_099,
    ready: inMain.map(({ ip }) => ip).toSorted(),
  }
  return new Map([...fixtures, [balancedName, balanced], ...singles])
}
