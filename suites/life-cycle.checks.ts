import type { FlowInput } from '../helpers/check-steps.ts'
import { defineCheck, type Check } from '../helpers/check.ts'
import { serviceLifeChecks } from './service-life.checks.ts'

/**
 * What comes and goes: a pod that is deleted and made again under the same name, a Service that is created and deleted.
 * The subject is a pod of the check's own on the first worker; one client is its neighbour, the other on the other node.
 */

const pods = {
  subject: { node: 'worker1', own: true },
  near: { node: 'worker1' },
  far: { node: 'worker2' },
} as const

type Role = keyof typeof pods

const clients = ['near', 'far'] as const
const bothTransports = ['tcp', 'udp'] as const

/** From its own node and from the other. */
const toSubject = (
  via: NonNullable<FlowInput<Role>['via']>,
  protocols: FlowInput<Role>['protocols'] = bothTransports,
): FlowInput<Role> => ({
  from: clients,
  to: ['subject'],
  via,
  protocols,
})

const fromSubject: FlowInput<Role> = { from: ['subject'], to: clients, protocols: bothTransports }

/** Each client shows that it asks and is answered, whatever becomes of the subject. */
const beside: FlowInput<Role>[] = [
  { from: ['near'], to: ['far'], protocols: bothTransports },
  { from: ['far'], to: ['near'], protocols: bothTransports },
]

const creation = defineCheck({
  id: 'life-cycle/pod/creation',
  level: 'extended',
  covers: ['P5', 'P1'],
  requirement:
    'A pod MUST get a working address of its own when it is created, and again when it is made anew under the same name: it is reached and reaches others, on its node and on the other.',
  pods,
  steps: [
    { name: 'after its creation', start: ['subject'], flows: [toSubject('pod-ip'), fromSubject] },
    { name: 'after its deletion', stop: ['subject'], role: 'control', flows: beside },
    { name: 'after its recreation', start: ['subject'], flows: [toSubject('pod-ip'), fromSubject] },
  ],
})

const noStaleAnswer = defineCheck({
  id: 'life-cycle/pod/no-stale-answer',
  level: 'extended',
  covers: ['P5'],
  requirement:
    'Nobody MUST answer at the address of a deleted pod, neither on its own node nor from the other, and no refusal come from it; also not when a pod of the same name runs again.',
  pods,
  steps: [
    { name: 'while it runs', role: 'control', start: ['subject'], flows: [toSubject('pod-ip'), ...beside] },
    { name: 'after its deletion', stop: ['subject'], flows: [toSubject('former-ip'), ...beside] },
    {
      name: 'after its recreation',
      start: ['subject'],
      flows: [toSubject('former-ip'), toSubject('pod-ip'), ...beside],
    },
  ],
})

const traces = defineCheck({
  id: 'life-cycle/pod/traces',
  level: 'extended',
  covers: ['P5'],
  features: ['node-access'],
  requirement:
    "When a pod is deleted, its interface, its route, the CNI's endpoint and the IPAM entry MUST go from its node.",
  pods,
  steps: [
    {
      name: 'while it runs',
      role: 'control',
      start: ['subject'],
      flows: [toSubject('pod-ip')],
      traces: ['subject'],
    },
    { name: 'after its deletion', stop: ['subject'], flows: beside, traces: ['subject'] },
  ],
})

/** CoreDNS makes the record from the question, so it goes on to exist: what matters is where it leads. */
const formerRecord = defineCheck({
  id: 'life-cycle/pod/former-record',
  level: 'extended',
  covers: ['D3'],
  requirement:
    "The A record of a pod's former address MUST NOT lead to the pod that is made anew under its name. Such a record lasts no longer than its pod: use the name of a Service.",
  pods,
  steps: [
    {
      name: 'while it runs',
      role: 'control',
      start: ['subject'],
      flows: [toSubject('pod-record', ['tcp']), ...beside],
    },
    { name: 'after its deletion', stop: ['subject'], role: 'control', flows: beside },
    {
      name: 'after its recreation',
      start: ['subject'],
      flows: [
        toSubject('former-record', ['tcp']),
        // The same clients, the same servers, at the same time: DNS answers, and the new pod is there.
        toSubject('pod-record', ['tcp']),
      ],
    },
  ],
})

const servers = {
  near: { node: 'worker1' },
  far: { node: 'worker2' },
  'server-near': { node: 'worker1' },
  'server-far': { node: 'worker2' },
} as const

const services = {
  'behind-near': { selects: 'server-near' },
  'behind-far': { selects: 'server-far' },
} as const

type Server = keyof typeof servers
type Service = keyof typeof services

const fresh: readonly Service[] = ['behind-near', 'behind-far']

const toServices: FlowInput<Server, Service> = {
  from: clients,
  to: fresh,
  via: 'cluster-ip',
  protocols: bothTransports,
}

/** The pods themselves answer, and the Services that were there before, whatever becomes of the new ones. */
const toServers = (['pod-ip', 'cluster-ip'] as const).map((via): FlowInput<Server, Service> => ({
  from: clients,
  to: ['server-near', 'server-far'],
  via,
  protocols: bothTransports,
}))

const serviceCreation = defineCheck({
  id: 'life-cycle/service/creation',
  level: 'extended',
  covers: ['S1', 'S2'],
  requirement:
    'A Service that is created now MUST be answered from every node by the pod that it selects, and by no other.',
  pods: servers,
  services,
  steps: [
    { name: 'before its creation', role: 'control', flows: toServers },
    { name: 'after its creation', apply: fresh, flows: [toServices, ...toServers] },
  ],
})

const serviceDeletion = defineCheck({
  id: 'life-cycle/service/deletion',
  level: 'extended',
  covers: ['S1', 'S2'],
  requirement: 'A Service that is deleted MUST NOT be answered any more, on no node, by no pod.',
  pods: servers,
  services,
  steps: [
    { name: 'while it exists', role: 'control', apply: fresh, flows: [toServices, ...toServers] },
    { name: 'after its deletion', delete: fresh, flows: [toServices, ...toServers] },
  ],
})

export const lifeCycleChecks: readonly Check[] = [
  creation,
  noStaleAnswer,
  traces,
  formerRecord,
  serviceCreation,
  serviceDeletion,
  ...serviceLifeChecks,
]
