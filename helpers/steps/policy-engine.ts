import type {
  V1LabelSelector,
  V1NetworkPolicy,
  V1NetworkPolicyPeer,
  V1NetworkPolicyPort,
} from '@kubernetes/client-node'
import { inSubnet } from '../inspect.ts'

/**
 * What Kubernetes says a set of NetworkPolicies does: pods, namespaces and policies in, allowed or denied out. Pure.
 * The rules are those of https://kubernetes.io/docs/concepts/services-networking/network-policies/ ; it evaluates the
 * very objects that are sent to the API server, so that what is expected and what is applied cannot differ.
 */

/** A pod as policies see it. */
export interface PolicyPod {
  /** `namespace/name`. */
  fullName: string
  namespace: string
  labels: Readonly<Record<string, string>>
  ip: string
  /** Declared ports, for rules that name one. */
  ports: readonly { name: string; port: number; protocol: PolicyProtocol }[]
}

export type PolicyProtocol = 'TCP' | 'UDP' | 'SCTP'

/** One question: may `from` open a connection to this port of `to`? Answers to it pass with it. */
export interface PolicyQuestion {
  from: PolicyPod
  to: PolicyPod
  port: number
  protocol: PolicyProtocol
}

/** What policies are held against. */
export interface PolicyWorld {
  policies: readonly V1NetworkPolicy[]
  /** Labels of each namespace. */
  namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** The answer, with the side that decided it. */
export interface PolicyAnswer {
  allowed: boolean
  /** "no policy selects the server", "egress of a/b is denied by a/deny". */
  because: string
}

type Direction = 'Ingress' | 'Egress'

/** Allowed where both sides allow it: the egress of the one that asks and the ingress of the one that is asked. */
export function decide(world: PolicyWorld, question: PolicyQuestion): PolicyAnswer {
  const { from, to } = question
  // "A Pod cannot block access to itself."
  if (from.fullName === to.fullName) return { allowed: true, because: 'a pod always reaches itself' }
  const sides = [
    decideSide(world, question, 'Egress', from, to),
    decideSide(world, question, 'Ingress', to, from),
  ]
  const denied = sides.find(({ allowed }) => !allowed)
  if (denied !== undefined) return denied
  return { allowed: true, because: sides.map(({ because }) => because).join(', ') }
}

function decideSide(
  world: PolicyWorld,
  question: PolicyQuestion,
  direction: Direction,
  own: PolicyPod,
  peer: PolicyPod,
): PolicyAnswer {
  const selecting = world.policies.filter((policy) => isolates(policy, own, direction))
  const side = direction.toLowerCase()
  if (selecting.length === 0)
    return { allowed: true, because: `no policy selects ${own.fullName} for ${side}` }
  const allowing = selecting.find((policy) =>
    rulesOf(policy, direction).some(
      ({ peers, ports }) =>
        matchesAny(peers, (each) => peerMatches(each, peer, policy, world)) &&
        // A port is always one of the pod that is asked, for egress too.
        matchesAny(ports, (each) => portMatches(each, question)),
    ),
  )
  if (allowing !== undefined)
    return { allowed: true, because: `${side} of ${own.fullName} is allowed by ${nameOf(allowing)}` }
  return {
    allowed: false,
    because: `${side} of ${own.fullName} is denied by ${selecting.map(nameOf).join(', ')}`,
  }
}

const nameOf = ({ metadata }: V1NetworkPolicy): string => `${metadata?.namespace}/${metadata?.name}`

/** Does the policy isolate this pod in this direction? */
export function isolates(policy: V1NetworkPolicy, pod: PolicyPod, direction: Direction): boolean {
  return (
    policy.metadata?.namespace === pod.namespace &&
    policyTypes(policy).includes(direction) &&
    selectorMatches(policy.spec?.podSelector ?? {}, pod.labels)
  )
}

/** Without policyTypes a policy is about ingress, and about egress if it has rules for it. */
function policyTypes({ spec }: V1NetworkPolicy): readonly string[] {
  if (spec?.policyTypes !== undefined) return spec.policyTypes
  return (spec?.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
}

interface PlainRule {
  peers: readonly V1NetworkPolicyPeer[] | undefined
  ports: readonly V1NetworkPolicyPort[] | undefined
}

function rulesOf({ spec }: V1NetworkPolicy, direction: Direction): PlainRule[] {
  return direction === 'Ingress'
    ? (spec?.ingress ?? []).map(({ _from: peers, ports }) => ({ peers, ports }))
    : (spec?.egress ?? []).map(({ to: peers, ports }) => ({ peers, ports }))
}

/** An absent or empty list in a rule means everything. */
function matchesAny<Item>(items: readonly Item[] | undefined, matches: (item: Item) => boolean): boolean {
  return items === undefined || items.length === 0 || items.some(matches)
}

function peerMatches(
  peer: V1NetworkPolicyPeer,
  pod: PolicyPod,
  policy: V1NetworkPolicy,
  world: PolicyWorld,
): boolean {
  const { ipBlock, namespaceSelector, podSelector } = peer
  if (ipBlock !== undefined) {
    return (
      inSubnet(pod.ip, ipBlock.cidr) && !(ipBlock.except ?? []).some((except) => inSubnet(pod.ip, except))
    )
  }
  const namespaceFits =
    namespaceSelector === undefined
      ? pod.namespace === policy.metadata?.namespace
      : selectorMatches(namespaceSelector, world.namespaces[pod.namespace] ?? {})
  return namespaceFits && (podSelector === undefined || selectorMatches(podSelector, pod.labels))
}

function portMatches(rule: V1NetworkPolicyPort, { to, port, protocol }: PolicyQuestion): boolean {
  if ((rule.protocol ?? 'TCP') !== protocol) return false
  if (rule.port === undefined) return true
  if (typeof rule.port === 'number') return port >= rule.port && port <= (rule.endPort ?? rule.port)
  return to.ports.some((each) => each.name === rule.port && each.port === port && each.protocol === protocol)
}

/** An empty selector selects everything. */
function selectorMatches(selector: V1LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        case 'DoesNotExist':
          return value === undefined
        default:
          throw new Error(`a label selector with the operator ${operator}`)
      }
    })
  )
}
