import type { FlowInput, PolicyInput, StepInput } from '../helpers/check-steps.ts'
import { defineCheck, type Check } from '../helpers/check.ts'

/**
 * Ingress is checked on a pod of the first worker, egress on one of the second, so that the two run side by side. Each
 * has a neighbour on its node, a pod on the other node, and one in the other namespace.
 */
const pods = {
  ingress: {
    near: { node: 'worker1' },
    subject: { node: 'worker1' },
    far: { node: 'worker2' },
    stranger: { node: 'worker2', namespace: 'other' },
  },
  egress: {
    near: { node: 'worker2' },
    subject: { node: 'worker2' },
    far: { node: 'worker1' },
    stranger: { node: 'worker2', namespace: 'other' },
  },
} as const

type Direction = keyof typeof pods
type Role = keyof (typeof pods)['ingress']
type Protocols = FlowInput<Role>['protocols']
type Rule = NonNullable<PolicyInput<Role>['ingress']>[number]

const bothTransports = ['tcp', 'udp'] as const

/** Between the subject and the others, in the direction that the policy is about. */
const flowsOf = (
  direction: Direction,
  others: readonly Role[] = ['near', 'far', 'stranger'],
  protocols: Protocols = bothTransports,
  via: 'pod-ip' | 'cluster-ip' = 'pod-ip',
): FlowInput<Role> =>
  direction === 'ingress'
    ? { from: others, to: ['subject'], protocols, via }
    : { from: ['subject'], to: others, protocols, via }

/** Flows that a policy about one direction leaves alone: each pod shows that it is there while others are denied. */
const besides = (direction: Direction): FlowInput<Role>[] => [
  direction === 'ingress'
    ? { from: ['subject'], to: ['near', 'far'], protocols: bothTransports }
    : { from: ['near', 'far'], to: ['subject'], protocols: bothTransports },
  { from: ['stranger'], to: ['far'], protocols: bothTransports },
]

/** A policy that isolates the subject in one direction but for what the rules let through. */
const isolate = (direction: Direction, rules: readonly Rule[]): PolicyInput<Role> => ({
  selects: ['subject'],
  [direction]: rules,
})

/** The same flows before the policies, under them, and when they are gone again. */
function threeSteps(
  policies: readonly string[],
  flows: readonly FlowInput<Role>[],
  options: { after?: 'judged' } & Pick<StepInput<Role>, 'effectNeeds' | 'newcomer'> = {},
): StepInput<Role>[] {
  const { after = 'control', ...under } = options
  return [
    { name: 'before the policy', role: 'control', flows },
    { name: 'under the policy', apply: policies, flows, ...under },
    { name: 'after its removal', delete: policies, role: after, flows },
  ]
}

interface Topic {
  id: string
  /** Completes "A policy that ..." for each direction. */
  requirement: Record<Direction, string>
  /** Beside network-policy. */
  needs?: readonly 'pod-cidr'[]
  policies: (direction: Direction) => Record<string, PolicyInput<Role>>
  flows?: (direction: Direction) => FlowInput<Role>[]
  after?: 'judged'
}

const topics: readonly Topic[] = [
  {
    id: 'allow-pod',
    requirement: {
      ingress:
        'A pod under a default deny of ingress MUST be reached by the pods that another policy allows, and by no others.',
      egress:
        'A pod under a default deny of egress MUST reach the pods that another policy allows, and no others.',
    },
    policies: (direction) => ({
      deny: isolate(direction, []),
      // The stranger is on the second worker: this leaves a deny on either node for both directions.
      allow: isolate(direction, [{ peers: [{ pods: [direction === 'ingress' ? 'far' : 'near'] }] }]),
    }),
  },
  {
    id: 'allow-namespace',
    requirement: {
      ingress:
        'A pod that a policy opens to one namespace MUST be reached by the pods of that namespace alone.',
      egress: 'A pod that a policy opens to one namespace MUST reach the pods of that namespace alone.',
    },
    policies: (direction) => ({ allow: isolate(direction, [{ peers: [{ namespace: 'other' }] }]) }),
  },
  {
    id: 'allow-port-number',
    requirement: {
      ingress:
        'A pod that a policy opens on a port MUST be reached on that number and protocol alone, from every node.',
      egress:
        'A pod that a policy lets out to a port MUST reach that number and protocol alone, on every node.',
    },
    // TCP and UDP have the same number here: only the protocol tells them apart.
    policies: (direction) => ({ allow: isolate(direction, [{ ports: [{ of: 'udp' }] }]) }),
    flows: (direction) => [flowsOf(direction, ['near', 'far'], ['tcp', 'udp', 'http'])],
  },
  {
    id: 'allow-port-name',
    requirement: {
      ingress:
        'A pod that a policy opens on a named port MUST be reached on the port of that name alone, from every node.',
      egress:
        'A pod that a policy lets out to a named port MUST reach the port that the other pod gives that name, and no other.',
    },
    policies: (direction) => ({ allow: isolate(direction, [{ ports: [{ of: 'http', by: 'name' }] }]) }),
    flows: (direction) => [flowsOf(direction, ['near', 'far'], ['tcp', 'udp', 'http'])],
  },
  {
    id: 'allow-ip-block',
    requirement: {
      ingress:
        'A pod that a policy opens to an IP block MUST be reached from that block, but not from the addresses that are excepted.',
      egress:
        'A pod that a policy lets out to an IP block MUST reach that block, but not the addresses that are excepted.',
    },
    needs: ['pod-cidr'],
    policies: (direction) => ({
      allow: isolate(direction, [{ peers: [{ block: 'pod-cidr', except: ['near', 'far'] }] }]),
    }),
  },
  {
    id: 'service',
    requirement: {
      ingress:
        'A policy MUST hold for a pod behind a ClusterIP as it does for its own IP: who is allowed reaches it, who is not does not.',
      egress:
        'A policy MUST hold on the way to a ClusterIP as it does to the pod behind it: what is allowed is reached, what is not is not.',
    },
    policies: (direction) => ({
      allow: isolate(direction, [{ peers: [{ pods: ['far'] }], ports: [{ of: 'tcp' }] }]),
    }),
    flows: (direction) => [
      flowsOf(
        direction,
        // The other namespace has no Services of ours.
        direction === 'ingress' ? ['near', 'far', 'stranger'] : ['near', 'far'],
        bothTransports,
        'cluster-ip',
      ),
    ],
  },
  {
    id: 'removal',
    requirement: {
      ingress: 'A pod MUST be reached again when the policy that denied its ingress is deleted.',
      egress: 'A pod MUST reach the others again when the policy that denied its egress is deleted.',
    },
    policies: (direction) => ({ deny: isolate(direction, []) }),
    after: 'judged',
  },
]

const about = { level: 'extended', covers: ['N1'], features: ['network-policy'] } as const

const perTopic = topics.flatMap(({ id, requirement, needs = [], policies, flows, after }) =>
  (['ingress', 'egress'] as const).map((direction) => {
    const objects = policies(direction)
    return defineCheck({
      ...about,
      covers: [...about.covers],
      features: [...about.features, ...needs],
      id: `network-policy/${direction}/${id}`,
      requirement: requirement[direction],
      pods: pods[direction],
      policies: objects,
      steps: threeSteps(
        Object.keys(objects),
        [...(flows?.(direction) ?? [flowsOf(direction)]), ...besides(direction)],
        after === undefined ? {} : { after },
      ),
    })
  }),
)

/** Every pod of a namespace at once, among themselves and across its border. */
const namespaceWide = (['ingress', 'egress'] as const).map((direction) => {
  const inside: readonly Role[] = ['near', 'subject', 'far']
  const crossing: FlowInput<Role>[] = [
    { from: ['stranger'], to: inside, protocols: bothTransports },
    { from: inside, to: ['stranger'], protocols: bothTransports },
  ]
  const among: FlowInput<Role> = { from: ['subject', 'far'], to: ['near'], protocols: bothTransports }
  return defineCheck({
    ...about,
    covers: [...about.covers],
    features: [...about.features],
    id: `network-policy/${direction}/default-deny`,
    requirement:
      direction === 'ingress'
        ? 'Under a default deny of ingress no pod of the namespace MUST be reached by another pod, of whatever node or namespace, while each still reaches out.'
        : 'Under a default deny of egress no pod of the namespace MUST reach another pod, of whatever node or namespace, while each is still reached.',
    pods: pods[direction],
    policies: { deny: { selects: 'every-pod', [direction]: [] } },
    steps: threeSteps(['deny'], [...crossing, among]),
  })
})

/** The leak window: what a new pod can do before its policy has caught up with it. */
const podStart = defineCheck({
  ...about,
  covers: [...about.covers],
  features: [...about.features],
  id: 'network-policy/egress/pod-start',
  requirement:
    'A pod that starts under an egress policy MUST reach what the policy allows, and MUST NOT at any moment reach what it denies.',
  pods: pods.egress,
  policies: { allow: { selects: ['subject', 'newcomer'], egress: [{ peers: [{ pods: ['near'] }] }] } },
  steps: threeSteps(['allow'], [flowsOf('egress'), ...besides('egress')], {
    newcomer: { like: 'subject', to: ['near', 'far', 'stranger'] },
  }),
})

/** The one check of this topic for every cluster: declared or not, what is declared is true. */
const declaration = defineCheck({
  id: 'network-policy/declaration',
  level: 'core',
  covers: ['N1', 'N2'],
  features: ['definition'],
  requirement:
    'A default deny MUST take effect where the cluster declares network-policy, and MUST NOT where it does not.',
  pods: pods.ingress,
  policies: { deny: isolate('ingress', []) },
  steps: threeSteps(['deny'], [flowsOf('ingress'), ...besides('ingress')], { effectNeeds: 'network-policy' }),
})

export const networkPolicyChecks: readonly Check[] = [declaration, ...namespaceWide, ...perTopic, podStart]
