import { Address4, Address6 } from 'ip-address'
import type { Facts } from './agent/protocol.ts'
import type { Verdict } from './check-probes.ts'
import type { Looks } from './looks/node-looks.ts'
import { resolvConfProblems } from './resolv-conf.ts'
import type { World, WorldPod } from './world.ts'

/** Facts that an agent reads inside its pod, held against the API objects. Pure. */

/** The verdict of one wire probe, with what was seen when it is not `reached`. */
export interface Judgement {
  verdict: Verdict
  detail?: string
  /** Nothing is known, and only because an agent could not run: whoever asks again may learn more. */
  starved?: true
}

/** Items for a sentence. */
export const listed = (items: readonly string[]): string =>
  items.length === 0 ? 'nothing' : items.join(', ')

/** Milliseconds to two digits. */
export const rounded = (ms: number): number => Math.round(ms * 100) / 100

/**
 * No evidence, for want of a processor.
 *
 * @param seen what would be held against the network otherwise
 * @param time "300 ms of it"
 */
export const starved = (seen: string, agent: string, time: string): Judgement => ({
  verdict: 'unknown',
  detail: `${seen}, but ${agent} got no processor time for ${time}`,
  starved: true,
})

/** Evidence against. */
export const wrong = (detail: string): Judgement => ({ verdict: 'wrong-answer', detail })

/** What the facts of a pod are held against. */
export interface Around {
  world: World
  /** What the nodes show, where they were looked at. */
  looks: Looks | undefined
  /** What the agents of the other fixture pods say, by `namespace/name`. */
  facts: ReadonlyMap<string, Facts>
}
/** Returns what is wrong; undefined when it is as it must be. */
export type Inspection = (pod: WorldPod, facts: Facts, around: Around) => Judgement | undefined

/** Each returns what is wrong; undefined when the fact is as it must be. */
export const inspections: Partial<Record<string, Inspection>> = {
  'shared-network-namespace': (_pod, { netns, tools }) => {
    if (tools === undefined)
      return { verdict: 'unknown', detail: 'the tools container has not written its view' }
    return tools.netns === netns ? undefined : wrong(`agent is in ${netns}, tools in ${tools.netns}`)
  },
  'own-address': (pod, { addresses, tools }) => {
    if (tools === undefined)
      return { verdict: 'unknown', detail: 'the tools container has not written its view' }
    const views = Object.entries({ agent: addresses, tools: tools.addresses })
    const blind = views.filter(([, seen]) => !seen.some((address) => sameAddress(address, pod.ip)))
    if (blind.length === 0) return undefined
    return wrong(
      blind.map(([name, seen]) => `container ${name} has ${listed(seen)}, the API says ${pod.ip}`).join('; '),
    )
  },
  'resolv-conf': (pod, { resolvConf }, { world }) => {
    const problems = resolvConfProblems(pod, resolvConf, world)
    return problems.length === 0 ? undefined : wrong(problems.join('; '))
  },
  placement: (pod, facts) => {
    if (pod.runsOn !== pod.pinnedTo)
      return wrong(`pinned to ${pod.pinnedTo}, the kubelet that reports it is ${pod.runsOn}`)
    if (facts.podUid !== pod.uid) return wrong(`the agent has uid ${facts.podUid}, the API says ${pod.uid}`)
    return facts.node === pod.pinnedTo
      ? undefined
      : wrong(`pinned to ${pod.pinnedTo}, the agent is on ${facts.node}`)
  },
  'address-in-range': (pod, _facts, { world: { podSubnet } }) => {
    if (podSubnet === undefined) return { verdict: 'unknown', detail: 'nobody has declared the pod CIDR' }
    return inSubnet(pod.ip, podSubnet) ? undefined : wrong(`${pod.ip} is outside ${podSubnet}`)
  },
  'address-unique': (pod, _facts, { world }) => {
    const twins = world.allPods.filter((each) => each.ip === pod.ip && each.name !== pod.fullName)
    return twins.length === 0
      ? undefined
      : wrong(`${pod.ip} is also the address of ${twins.map((each) => each.name).join(', ')}`)
  },
}

function address(text: string): Address4 | Address6 | undefined {
  if (Address4.isValid(text)) return new Address4(text)
  return Address6.isValid(text) ? new Address6(text) : undefined
}

/** Equal as addresses; an IPv4 address mapped into IPv6 equals itself. */
export function sameAddress(a: string, b: string): boolean {
  const plain = (text: string): string => text.replace(/^::ffff:(?=\d+\.)/, '')
  const [left, right] = [address(plain(a)), address(plain(b))]
  return left !== undefined && right !== undefined && left.correctForm() === right.correctForm()
}

/** Is the address in one of the subnets, which are separated by commas? */
export function inSubnet(ip: string, subnets: string): boolean {
  const found = address(ip)
  return (
    found !== undefined &&
    subnets.split(',').some((subnet) => {
      const range = address(subnet.trim())
      return range !== undefined && range.constructor === found.constructor && found.isInSubnet(range)
    })
  )
}
