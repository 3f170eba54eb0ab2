import type { Facts } from '../agent/protocol.ts'
import {
  inSubnet,
  listed,
  sameAddress,
  wrong,
  type Around,
  type Inspection,
  type Judgement,
} from '../inspect.ts'
import type { Read } from './network-look.ts'
import type { Look } from './node-looks.ts'
import type { WorldPod } from '../world.ts'

/** Facts of a pod, held against what its node shows of it. Pure. */

const unknown = (detail: string): Judgement => ({ verdict: 'unknown', detail })

/** Judges what was read; what was not is unknown. */
export function judgeRead<T>(
  read: Read<T>,
  judge: (value: T) => Judgement | undefined,
): Judgement | undefined {
  return 'value' in read ? judge(read.value) : unknown(read.unread)
}

/** Judges what a pod's node shows. */
function onNode<T>(
  pod: WorldPod,
  { looks }: Around,
  what: (look: Look) => Read<T>,
  judge: (value: T) => Judgement | undefined,
): Judgement | undefined {
  const look = looks?.nodes.get(pod.pinnedTo)
  if (look === undefined) return unknown(`nobody looked at ${pod.pinnedTo}`)
  return judgeRead(what(look), judge)
}

/** The other fixture pods of a pod's node, with what their agents say. */
const neighbours = (pod: WorldPod, { world, facts }: Around): { name: string; facts: Facts | undefined }[] =>
  world.pods
    .filter((each) => each.pinnedTo === pod.pinnedTo && each.uid !== pod.uid)
    .map(({ fullName }) => ({ name: fullName, facts: facts.get(fullName) }))

/** Where a neighbour's agent has said nothing, nothing is known of what it shares. */
const silent = (all: ReturnType<typeof neighbours>): Judgement | undefined => {
  const names = all.filter((each) => each.facts === undefined).map(({ name }) => name)
  return names.length === 0 ? undefined : unknown(`nothing is known of ${names.join(', ')}`)
}

const ownNamespace: Inspection = (pod, { netns, tools }, around) => {
  if (tools === undefined) return unknown('the tools container has not written its view')
  const views = Object.entries({ agent: netns, tools: tools.netns })
  const others = neighbours(pod, around)
  return onNode(
    pod,
    around,
    ({ facts }) => facts.netns,
    (ofNode) => {
      const inNode = views.filter(([, view]) => view === ofNode).map(([name]) => name)
      if (inNode.length > 0)
        return wrong(`container ${inNode.join(' and ')} is in ${ofNode}, the namespace of ${pod.pinnedTo}`)
      const shared = others.find(({ facts }) => views.some(([, view]) => view === facts?.netns))
      if (shared !== undefined) return wrong(`it is in ${shared.facts?.netns}, as ${shared.name} is`)
      return silent(others)
    },
  )
}

const hostInterface: Inspection = (pod, { interface: own }, around) => {
  if (own === undefined) return unknown('the agent sees no interface')
  const { name, index, peer } = own
  const { pinnedTo: node } = pod
  const others = neighbours(pod, around)
  const prefix = around.looks?.hostInterface ?? ''
  return onNode(
    pod,
    around,
    ({ facts }) => facts.links,
    (links) => {
      const end = links.find(({ ifindex }) => ifindex === peer)
      if (end === undefined)
        return wrong(`${name} has its other end at index ${peer}, and ${node} has no interface of that index`)
      const { ifname, link_index: back, link_netnsid: away } = end
      if (back !== index || away === undefined)
        return wrong(
          `${name} (index ${index}) has its other end at index ${peer}; on ${node} that is ${ifname}, whose own other end is ${back === undefined ? 'none' : `index ${back}`}${away === undefined ? ' on the node' : ''}`,
        )
      if (!ifname.startsWith(prefix))
        return wrong(`the other end of ${name} is ${ifname} on ${node}, and not ${prefix}…`)
      if (!end.flags.includes('UP')) return wrong(`${ifname} on ${node}, the other end of ${name}, is down`)
      const twin = others.find(({ facts }) => facts?.interface?.peer === peer)
      if (twin !== undefined) return wrong(`${ifname} on ${node} is the other end of ${twin.name} as well`)
      return silent(others)
    },
  )
}

const endpointListed: Inspection = (pod, _facts, around) =>
  onNode(
    pod,
    around,
    ({ cni }) => cni.endpoints,
    (endpoints) => {
      const own = endpoints.filter((each) => each.pod === pod.fullName)
      if (own.length === 0)
        return wrong(`${pod.pinnedTo} has no endpoint of it among ${endpoints.length} endpoints`)
      const fit = own.find(({ addresses }) => addresses.some((address) => sameAddress(address, pod.ip)))
      if (fit === undefined) {
        const addresses = own.flatMap((each) => each.addresses)
        return wrong(`on ${pod.pinnedTo} its endpoint has ${listed(addresses)}, the API says ${pod.ip}`)
      }
      return fit.problem === undefined ? undefined : wrong(`on ${pod.pinnedTo}: ${fit.problem}`)
    },
  )

const addressOfNode: Inspection = (pod, _facts, around) =>
  onNode(
    pod,
    around,
    ({ cni }) => cni.ranges,
    (ranges) =>
      ranges.some((range) => inSubnet(pod.ip, range))
        ? undefined
        : wrong(`${pod.ip} is not of ${pod.pinnedTo}, whose pods have ${listed(ranges)}`),
  )

/** Each returns what is wrong; undefined when it is as it must be. */
export const fromItsNode: Readonly<Record<string, Inspection>> = {
  'own-namespace': ownNamespace,
  'host-interface': hostInterface,
  'endpoint-listed': endpointListed,
  'address-of-node': addressOfNode,
}
