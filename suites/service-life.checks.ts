import { defineCheck, type Check } from '../helpers/check.ts'

/**
 * Services that go on while what is behind them comes and goes, or they themselves become something else. Each has one
 * Service, and is asked from both nodes by clients of the fixtures.
 */

const clients = ['near', 'far'] as const
const bothTransports = ['tcp', 'udp'] as const
const fixtures = { near: { node: 'worker1' }, far: { node: 'worker2' } } as const

/** Flows to the Service. */
const toFront = { from: clients, to: ['front'], via: 'cluster-ip', protocols: bothTransports } as const
const keptToFront = { ...toFront, protocols: ['udp'], keeps: 'source-port' } as const
const heldToFront = { ...keptToFront, keeps: 'socket' } as const
const toNodePorts = { ...toFront, via: 'node-port' } as const
const forRecord = { ...toFront, via: 'record' } as const

/** Each client shows that it asks and is answered, whatever becomes of the Service. */
const beside = [
  { from: ['near'], to: ['far'], protocols: bothTransports },
  { from: ['far'], to: ['near'], protocols: bothTransports },
] as const

/** The pods themselves are asked, so that it is known which of them serve. */
const toPods = <const Pod extends string>(...to: readonly Pod[]) => ({
  from: clients,
  to,
  protocols: bothTransports,
})

const endpoints = defineCheck({
  id: 'life-cycle/service/endpoints',
  level: 'extended',
  covers: ['S1', 'S2'],
  requirement:
    'From every node a Service MUST lead to every ready endpoint and to no other: to one that has come, and no more to one that is being deleted, although that still serves.',
  pods: {
    ...fixtures,
    first: { node: 'worker1', own: true, lingers: true },
    second: { node: 'worker2', own: true },
  },
  services: { front: { selects: ['first', 'second'] } },
  steps: [
    {
      name: 'with one endpoint',
      role: 'control',
      start: ['first'],
      apply: ['front'],
      flows: [toFront, ...beside],
    },
    { name: 'after a second one has come', start: ['second'], flows: [toFront, ...beside] },
    {
      name: 'after the first one has gone',
      terminate: ['first'],
      flows: [toFront, toPods('first', 'second')],
    },
  ],
})

const udpAfterZero = defineCheck({
  id: 'life-cycle/service/udp-after-zero',
  level: 'extended',
  covers: ['S2'],
  requirement:
    'A client that keeps one UDP socket MUST be led to the endpoint that a Service has again after it had none, and before that to nobody: no stale entry of a connection table leads it to the pod that is gone.',
  pods: { ...fixtures, subject: { node: 'worker1', own: true } },
  services: { front: { selects: 'subject' } },
  steps: [
    {
      name: 'while it has an endpoint',
      role: 'control',
      start: ['subject'],
      apply: ['front'],
      flows: [keptToFront, toFront, ...beside],
    },
    { name: 'while it has none', stop: ['subject'], flows: [keptToFront, toFront, ...beside] },
    { name: 'after it has one again', start: ['subject'], flows: [keptToFront, toFront, ...beside] },
  ],
})

const allToFront = [keptToFront, heldToFront, toFront, ...beside]

/**
 * kube-proxy forgets what its connection table knows of an endpoint that goes; Cilium in its place, which translates when a
 * socket connects, closes the socket. A client that hears of that opens another.
 */
const scaledToZero = defineCheck({
  id: 'life-cycle/service/scaled-to-zero',
  level: 'extended',
  covers: ['S2'],
  requirement:
    'A Service of two endpoints on two nodes that has none for a while and then two again MUST lead to both, also a client that keeps one UDP port or holds one UDP socket open all the time, and to nobody in between.',
  pods: {
    ...fixtures,
    first: { node: 'worker1', own: true },
    second: { node: 'worker2', own: true },
  },
  services: { front: { selects: ['first', 'second'] } },
  steps: [
    {
      name: 'with two endpoints',
      role: 'control',
      start: ['first', 'second'],
      apply: ['front'],
      flows: allToFront,
    },
    { name: 'with none', stop: ['first', 'second'], flows: allToFront },
    { name: 'with two again', start: ['first', 'second'], flows: allToFront },
  ],
})

const terminating = defineCheck({
  id: 'life-cycle/service/terminating',
  level: 'extended',
  covers: ['S2'],
  requirement:
    'A Service whose only endpoints are being deleted and still serve MUST lead to them; while another one is ready, it MUST lead there alone.',
  pods: {
    ...fixtures,
    leaving: { node: 'worker1', own: true, lingers: true },
    steady: { node: 'worker2', own: true },
  },
  services: { front: { selects: ['leaving', 'steady'] } },
  steps: [
    {
      name: 'while both are ready',
      role: 'control',
      start: ['leaving', 'steady'],
      apply: ['front'],
      flows: [toFront, ...beside],
    },
    {
      name: 'while another one is ready',
      terminate: ['leaving'],
      flows: [toFront, toPods('leaving', 'steady')],
    },
    {
      name: 'when no other is left',
      stop: ['steady'],
      flows: [toFront, toPods('leaving'), ...beside],
    },
  ],
})

const typeChange = defineCheck({
  id: 'life-cycle/service/type-change',
  level: 'extended',
  covers: ['S1', 'S4'],
  requirement:
    'A Service MUST keep its ClusterIP and be answered there whatever its type becomes; its node ports MUST be answered at every node while it has them, and no more after that.',
  pods: {
    ...fixtures,
    server: { node: 'worker1' },
  },
  services: { front: { selects: 'server' } },
  steps: [
    { name: 'as ClusterIP', role: 'control', apply: ['front'], flows: [toFront, ...beside] },
    { name: 'as NodePort', types: { front: 'NodePort' }, flows: [toFront, toNodePorts, ...beside] },
    {
      name: 'as ClusterIP again',
      types: { front: 'ClusterIP' },
      flows: [toFront, toNodePorts, ...beside, toPods('server')],
    },
  ],
})

const serviceRecord = defineCheck({
  id: 'life-cycle/service/record',
  level: 'extended',
  covers: ['D2', 'D4'],
  requirement:
    'Every DNS server MUST say the A record of a Service soon after its creation, although it was asked before, no such name soon after its deletion, and after its recreation the new address alone.',
  pods: { ...fixtures, server: { node: 'worker1' } },
  services: { front: { selects: 'server' } },
  steps: [
    { name: 'before its creation', role: 'control', flows: [forRecord] },
    { name: 'after its creation', apply: ['front'], flows: [forRecord] },
    { name: 'after its deletion', delete: ['front'], flows: [forRecord] },
    { name: 'after its recreation', apply: ['front'], flows: [forRecord] },
  ],
})

const everyone = ['near', 'near-too', 'far', 'far-too'] as const
const toSticky = {
  from: everyone,
  to: ['front'],
  via: 'cluster-ip',
  protocols: ['tcp', 'udp', 'http'],
} as const

const affinityTimeout = defineCheck({
  id: 'life-cycle/service/affinity-time-out',
  level: 'extended',
  covers: ['S2'],
  requirement:
    'A Service with session affinity MUST keep a client with its endpoint while that asks, and let go of it when it has been silent for longer than the time-out.',
  pods: { ...fixtures, 'near-too': { node: 'worker1' }, 'far-too': { node: 'worker2' } },
  services: { front: { selects: 'every-pod', affinitySeconds: 2 } },
  steps: [
    { name: 'while they ask', apply: ['front'], flows: [toSticky] },
    { name: 'after they were silent', waits: 'affinity', flows: [toSticky] },
  ],
})

/** Checks of Services that change. */
export const serviceLifeChecks: readonly Check[] = [
  endpoints,
  udpAfterZero,
  scaledToZero,
  terminating,
  typeChange,
  serviceRecord,
  affinityTimeout,
]
