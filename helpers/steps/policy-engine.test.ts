import type { V1NetworkPolicy, V1NetworkPolicyPeer, V1NetworkPolicyPort } from '@kubernetes/client-node'
import * as fc from 'fast-check'
import { assert, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decide,
  isolates,
  type PolicyPod,
  type PolicyProtocol,
  type PolicyQuestion,
  type PolicyWorld,
} from './policy-engine.ts'

const namespaces = { red: { team: 'red' }, blue: { team: 'blue' } }
type Namespace = keyof typeof namespaces

/** Eight pods: two namespaces, two values of each of two labels, an address each. */
const pods: PolicyPod[] = (['red', 'blue'] as const).flatMap((namespace, block) =>
  [0, 1, 2, 3].map((index) => ({
    fullName: `${namespace}/p${index}`,
    namespace,
    labels: { app: index % 2 === 0 ? 'web' : 'db', pod: `p${index}` },
    ip: `10.0.${block}.${index + 1}`,
    ports: [
      { name: 'http', port: 80, protocol: 'TCP' as const },
      // The same name means another port in another pod.
      { name: 'admin', port: index < 2 ? 80 : 81, protocol: 'TCP' as const },
    ],
  })),
)

const pod = fc.constantFrom(...pods)
const protocol = fc.constantFrom<PolicyProtocol>('TCP', 'UDP', 'SCTP')
const question: fc.Arbitrary<PolicyQuestion> = fc.record({
  from: pod,
  to: pod,
  port: fc.constantFrom(79, 80, 81, 90),
  protocol,
})

const selector = fc.oneof(
  fc.constant({}),
  fc.constantFrom('web', 'db', 'nobody').map((app) => ({ matchLabels: { app } })),
  fc
    .record({
      operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
      key: fc.constantFrom('app', 'absent'),
      values: fc.subarray(['web', 'db'], { minLength: 1 }),
    })
    .map((each) => ({ matchExpressions: [each] })),
)
const teamSelector = fc.oneof(
  fc.constant({}),
  fc.constantFrom('red', 'blue').map((team) => ({ matchLabels: { team } })),
)
const peer: fc.Arbitrary<V1NetworkPolicyPeer> = fc.oneof(
  selector.map((podSelector) => ({ podSelector })),
  teamSelector.map((namespaceSelector) => ({ namespaceSelector })),
  fc.record({ podSelector: selector, namespaceSelector: teamSelector }),
  fc
    .record({
      cidr: fc.constantFrom('10.0.0.0/16', '10.0.1.0/24', '10.0.0.1/32'),
      except: fc.subarray(['10.0.0.2/32', '10.0.1.0/30']),
    })
    .map((ipBlock) => ({ ipBlock })),
)
const port: fc.Arbitrary<V1NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol }),
  fc.record({ protocol, port: fc.constantFrom<number | string>(80, 81, 'http', 'admin') }),
  fc.constant({ port: 80 }),
  fc.constant({ protocol: 'TCP', port: 79, endPort: 81 }),
)
const peers = fc.option(fc.array(peer, { maxLength: 3 }), { nil: undefined })
const ports = fc.option(fc.array(port, { maxLength: 2 }), { nil: undefined })
const rule = fc.record({ peers, ports })
const namespace = fc.constantFrom<Namespace>('red', 'blue')

interface Drawn {
  namespace: Namespace
  podSelector: object
  directions: string[]
  rules: { peers: V1NetworkPolicyPeer[] | undefined; ports: V1NetworkPolicyPort[] | undefined }[]
}

const optional = <Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } =>
  value === undefined ? {} : ({ [key]: value } as { [K in Key]?: Value })

const object = ({ namespace, podSelector, directions, rules }: Drawn): V1NetworkPolicy => ({
  metadata: { namespace, name: 'drawn' },
  spec: {
    podSelector,
    policyTypes: directions,
    ingress: rules.map(({ peers, ports }) => ({ ...optional('_from', peers), ...optional('ports', ports) })),
    egress: rules.map(({ peers, ports }) => ({ ...optional('to', peers), ...optional('ports', ports) })),
  },
})

const drawn: fc.Arbitrary<Drawn> = fc.record({
  namespace,
  podSelector: selector,
  directions: fc.subarray(['Ingress', 'Egress'], { minLength: 1 }),
  rules: fc.array(rule, { maxLength: 3 }),
})
const policy = drawn.map(object)
const policies = fc.array(policy, { maxLength: 4 })

const allowed = (list: readonly V1NetworkPolicy[], asked: PolicyQuestion): boolean =>
  decide({ policies: list, namespaces } satisfies PolicyWorld, asked).allowed

const isolated = (list: readonly V1NetworkPolicy[], { from, to }: PolicyQuestion): boolean =>
  list.some((each) => isolates(each, from, 'Egress') || isolates(each, to, 'Ingress'))

describe('laws of NetworkPolicy', () => {
  test('without a policy that selects either side, everything is allowed', () => {
    assert(
      property(policies, question, (list, asked) => {
        fc.pre(!isolated(list, asked))
        expect(allowed(list, asked)).toBe(true)
      }),
    )
  })

  test('a pod always reaches itself', () => {
    assert(
      property(policies, question, (list, asked) => {
        expect(allowed(list, { ...asked, to: asked.from })).toBe(true)
      }),
    )
  })

  test('the order of policies, and a policy given twice, change nothing', () => {
    assert(
      property(policies, question, (list, asked) => {
        expect(allowed([...list.toReversed(), ...list], asked)).toBe(allowed(list, asked))
      }),
    )
  })

  test('one more policy for an isolated side only ever allows more', () => {
    assert(
      property(policies, policy, question, (list, more, asked) => {
        const alreadyIsolated =
          (!isolates(more, asked.from, 'Egress') ||
            list.some((each) => isolates(each, asked.from, 'Egress'))) &&
          (!isolates(more, asked.to, 'Ingress') || list.some((each) => isolates(each, asked.to, 'Ingress')))
        fc.pre(alreadyIsolated && allowed(list, asked))
        expect(allowed([...list, more], asked)).toBe(true)
      }),
    )
  })

  test('one more rule in a policy only ever allows more', () => {
    assert(
      property(fc.array(drawn, { minLength: 1, maxLength: 3 }), rule, question, (list, more, asked) => {
        const [first, ...rest] = list
        if (first === undefined) return
        const wider = { ...first, rules: [...first.rules, more] }
        fc.pre(allowed(list.map(object), asked))
        expect(allowed([wider, ...rest].map(object), asked)).toBe(true)
      }),
    )
  })

  test('several policies for one side are the union of what each allows', () => {
    assert(
      property(fc.array(drawn, { minLength: 1, maxLength: 4 }), question, (list, asked) => {
        const ingress = list.map((each) => object({ ...each, directions: ['Ingress'] }))
        const selecting = ingress.filter((each) => isolates(each, asked.to, 'Ingress'))
        fc.pre(selecting.length > 0)
        expect(allowed(ingress, asked)).toBe(
          asked.from === asked.to || selecting.some((each) => allowed([each], asked)),
        )
      }),
    )
  })

  test('both sides must allow: egress policies and ingress policies decide independently', () => {
    assert(
      property(fc.array(drawn, { maxLength: 4 }), question, (list, asked) => {
        const only = (direction: string) => list.map((each) => object({ ...each, directions: [direction] }))
        const both = list.map((each) => object({ ...each, directions: ['Ingress', 'Egress'] }))
        expect(allowed(both, asked)).toBe(allowed(only('Ingress'), asked) && allowed(only('Egress'), asked))
      }),
    )
  })

  test('seen from the other end the same rules give the same answer', () => {
    // Rules without ports say nothing of who is asked, so mirroring question and direction must not matter.
    const peersOnly = fc.array(
      drawn.map((each) => ({ ...each, rules: each.rules.map(({ peers }) => ({ peers, ports: undefined })) })),
      { maxLength: 4 },
    )
    assert(
      property(peersOnly, question, (list, asked) => {
        const only = (direction: string) => list.map((each) => object({ ...each, directions: [direction] }))
        const mirrored = { ...asked, from: asked.to, to: asked.from }
        expect(allowed(only('Ingress'), asked)).toBe(allowed(only('Egress'), mirrored))
      }),
    )
  })

  test('a deny for all denies, an empty rule allows, whoever asks whom on which port', () => {
    assert(
      property(question, fc.constantFrom('Ingress', 'Egress'), (asked, direction) => {
        fc.pre(asked.from !== asked.to)
        const selected = direction === 'Ingress' ? asked.to : asked.from
        const base = { namespace: selected.namespace as Namespace, podSelector: {}, directions: [direction] }
        expect(allowed([object({ ...base, rules: [] })], asked)).toBe(false)
        const everything = { peers: undefined, ports: undefined }
        expect(allowed([object({ ...base, rules: [everything] })], asked)).toBe(true)
        expect(allowed([object({ ...base, rules: [{ peers: [], ports: [] }] })], asked)).toBe(true)
      }),
    )
  })
})

describe('single rules, against the words of the documentation', () => {
  const [web, db, web2] = pods as [PolicyPod, PolicyPod, PolicyPod]
  const stranger = pods[4] as PolicyPod
  const ask = (from: PolicyPod, to: PolicyPod, portNumber = 80, protocol: PolicyProtocol = 'TCP') => ({
    from,
    to,
    port: portNumber,
    protocol,
  })
  const ingress = (
    ...rules: NonNullable<NonNullable<V1NetworkPolicy['spec']>['ingress']>
  ): V1NetworkPolicy => ({
    metadata: { namespace: 'red', name: 'test' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: rules },
  })

  test('a pod selector alone means pods of the policy’s own namespace', () => {
    const list = [ingress({ _from: [{ podSelector: { matchLabels: { app: 'web' } } }] })]
    expect(allowed(list, ask(web2, web))).toBe(true)
    expect(allowed(list, ask(db, web))).toBe(false)
    expect(allowed(list, ask(stranger, web))).toBe(false)
  })

  test('namespace and pod selector in one peer must both match, as two peers either', () => {
    const blue = { namespaceSelector: { matchLabels: { team: 'blue' } } }
    const dbs = { podSelector: { matchLabels: { app: 'db' } } }
    expect(allowed([ingress({ _from: [{ ...blue, ...dbs }] })], ask(stranger, web))).toBe(false)
    expect(allowed([ingress({ _from: [blue, dbs] })], ask(stranger, web))).toBe(true)
    expect(allowed([ingress({ _from: [blue, dbs] })], ask(db, web))).toBe(true)
    expect(allowed([ingress({ _from: [blue, dbs] })], ask(web2, web))).toBe(false)
  })

  test('label expressions: NotIn and DoesNotExist are met by a pod without the label, In and Exists are not', () => {
    const from = (operator: string, key: string, values?: string[]) => [
      ingress({
        _from: [
          {
            podSelector: {
              matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
            },
          },
        ],
      }),
    ]
    // `db` has app=db and no label "absent".
    const meets = (operator: string, key: string, values?: string[]): boolean =>
      allowed(from(operator, key, values), ask(db, web))
    expect(meets('In', 'app', ['db', 'x'])).toBe(true)
    expect(meets('In', 'app', ['web'])).toBe(false)
    expect(meets('In', 'absent', ['web', 'db'])).toBe(false)
    expect(meets('NotIn', 'app', ['db'])).toBe(false)
    expect(meets('NotIn', 'app', ['web'])).toBe(true)
    expect(meets('NotIn', 'absent', ['db'])).toBe(true)
    expect(meets('Exists', 'app')).toBe(true)
    expect(meets('Exists', 'absent')).toBe(false)
    expect(meets('DoesNotExist', 'app')).toBe(false)
    expect(meets('DoesNotExist', 'absent')).toBe(true)
    expect(() => meets('Like', 'app')).toThrow('operator Like')
  })

  test('an excepted block is cut out', () => {
    const list = [ingress({ _from: [{ ipBlock: { cidr: '10.0.0.0/16', except: [`${db.ip}/32`] } }] })]
    expect(allowed(list, ask(web2, web))).toBe(true)
    expect(allowed(list, ask(db, web))).toBe(false)
  })

  test('a port is a number, a range or what the asked pod calls so; the protocol is TCP when it is not said', () => {
    expect(allowed([ingress({ ports: [{ port: 80 }] })], ask(db, web, 80))).toBe(true)
    expect(allowed([ingress({ ports: [{ port: 80 }] })], ask(db, web, 80, 'UDP'))).toBe(false)
    expect(allowed([ingress({ ports: [{ port: 79, endPort: 81 }] })], ask(db, web, 81))).toBe(true)
    expect(allowed([ingress({ ports: [{ port: 79, endPort: 81 }] })], ask(db, web, 82))).toBe(false)
    const admin = [ingress({ ports: [{ port: 'admin' }] })]
    expect(allowed(admin, ask(db, web, 80))).toBe(true)
    expect(allowed(admin, ask(db, web2, 80))).toBe(false)
    expect(allowed(admin, ask(db, web2, 81))).toBe(true)
  })

  test('a named port of an egress rule is looked up in the pod that is asked', () => {
    const list: V1NetworkPolicy[] = [
      {
        metadata: { namespace: 'red', name: 'test' },
        spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'admin' }] }] },
      },
    ]
    expect(allowed(list, ask(web, web2, 81))).toBe(true)
    expect(allowed(list, ask(web, web2, 80))).toBe(false)
  })

  test('without policyTypes a policy is about egress only if it has rules for it', () => {
    const bare: V1NetworkPolicy = { metadata: { namespace: 'red' }, spec: { podSelector: {} } }
    expect(allowed([bare], ask(db, web))).toBe(false)
    expect(allowed([bare], ask(web, stranger))).toBe(true)
    const withEgress: V1NetworkPolicy = {
      metadata: { namespace: 'red' },
      spec: { podSelector: {}, egress: [{ ports: [{ port: 81 }] }] },
    }
    expect(allowed([withEgress], ask(web, stranger))).toBe(false)
  })

  test('the answer names the policy and the side', () => {
    expect(decide({ policies: [ingress()], namespaces }, ask(db, web)).because).toBe(
      'ingress of red/p0 is denied by red/test',
    )
  })
})
