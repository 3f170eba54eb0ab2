import type { Captured, CapturedPacket } from './captured.ts'
import { readPacket, type Packet } from './packet.ts'

/**
 * Where packets were seen last: from what the nodes wrote down, in the words of who looks for the fault. Pure. It
 * concludes from packets that are not there only where captures are whole.
 */

/** One end of a path. */
export interface CaptureEnd {
  /** `namespace/name` of a pod, or the name of a node. */
  name: string
  node: string
  ips: readonly string[]
  /** It has the network of its node, and asks under whichever address of it the route says. */
  isNode?: true
}

/** Two ends between which something was asked in vain. */
export interface CapturePair {
  client: CaptureEnd
  /** What was asked: a pod or node itself, or a Service in front of it. */
  asked: { name: string; ips: readonly string[] }
  /** Who may answer. */
  ends: readonly CaptureEnd[]
  /** The client may be seen under these, too: a pod that asks a node is often masked by its own. */
  alsoKnownAs: readonly string[]
  /** No answer is asked for. */
  oneWay?: true
}

/** A packet where it was seen. */
export interface Sight extends CapturedPacket {
  packet: Packet
}

/** What nodes wrote down of a pair. */
export interface Sights {
  sights: readonly Sight[]
  places: (node: string, ip: string) => { at: string; interface: string } | undefined
  /** All addresses of a node's own. */
  ownOf: (node: string) => readonly string[]
  gap: string | undefined
  /** InternalIP of each node. */
  addresses: ReadonlyMap<string, string>
}

/** What was captured, read and in the order of time. */
export function sightsOf(captured: readonly Captured[], addresses: ReadonlyMap<string, string>): Sights {
  const sights = captured
    .flatMap(({ packets }) => packets)
    .flatMap((each) => {
      const packet = readPacket(each.protocol, each.data)
      return packet === undefined ? [] : [{ ...each, packet }]
    })
  const places = new Map(captured.map(({ node, places }) => [node, places]))
  return {
    sights: sights.toSorted((a, b) => a.us - b.us),
    places: (node, ip) => places.get(node)?.[ip],
    ownOf: (node) =>
      Object.entries(places.get(node) ?? {}).flatMap(([ip, { at }]) => (at === 'node' ? [ip] : [])),
    gap: captured.flatMap(({ gap }) => gap ?? [])[0],
    addresses,
  }
}

/** The pair with all addresses that its client may have. */
export const withOwnAddresses = (pair: CapturePair, { ownOf }: Pick<Sights, 'ownOf'>): CapturePair =>
  pair.client.isNode === true ? { ...pair, client: { ...pair.client, ips: ownOf(pair.client.node) } } : pair

const known = (pair: CapturePair): ReadonlySet<string> =>
  new Set([...pair.asked.ips, ...pair.ends.flatMap(({ ips }) => ips)])

/**
 * Which way a packet of the pair goes; undefined for one of others. The smaller port is the server's: what the far end
 * asks of the client is another pair.
 */
export function directionOf(pair: CapturePair, packet: Packet): 'there' | 'back' | undefined {
  const { from, to, about, fromPort = 0, toPort = 0 } = packet
  const us = new Set([...pair.client.ips, ...pair.alsoKnownAs])
  const them = known(pair)
  // An error comes from anybody on the way; it is about a packet of the pair.
  if (about !== undefined) return directionOf(pair, about)
  if (us.has(from) && them.has(to) && toPort <= fromPort) return 'there'
  return them.has(from) && us.has(to) && fromPort <= toPort ? 'back' : undefined
}

/** Connections and questions are told apart by the port of the client. */
const flowOf = (pair: CapturePair, { packet }: Sight): string => {
  const { protocol, fromPort, toPort } = packet.about ?? packet
  return `${protocol} ${(directionOf(pair, packet) === 'there' ? fromPort : toPort) ?? ''}`
}

/** What became of the packets of a pair, in one line; what is wrong first. */
export function conclusionOf(pair: CapturePair, all: Sights): string {
  const sights = all.sights.filter(({ packet }) => directionOf(pair, packet) !== undefined)
  const asked = sights.filter(({ packet }) => packet.protocol !== 'ARP')
  if (asked.length === 0) return all.gap ?? nothingSent(pair, sights)
  const every = [...Map.groupBy(asked, (sight) => flowOf(pair, sight)).values()]
  // What its own namespace never saw was asked of a Service beside it, and became a packet of this pair on the node.
  const own = every.filter((flow) => isSeenAt(pair.client, { ...all, sights: flow }))
  const flows = own.length > 0 ? own : every
  const ends = flows.map((flow) => endOf(pair, { ...all, sights: flow }))
  const counts = [...Map.groupBy(ends, ({ text }) => text).values()].toSorted((a, b) => b.length - a.length)
  const broken = counts.filter(([first]) => first?.whole === false)
  const fine = counts.filter(([first]) => first?.whole === true)
  return [...broken, ...fine]
    .slice(0, 3)
    .map((same) => `${flows.length > 1 ? `${same.length} of ${flows.length}: ` : ''}${same[0]?.text ?? ''}`)
    .join('; ')
}

function nothingSent({ client, ends }: CapturePair, arp: readonly Sight[]): string {
  const question = arp.find(({ packet }) => packet.says.startsWith('who has'))
  const answered = arp.some(({ packet }) => packet.says.endsWith('is here'))
  if (question !== undefined && !answered && ends.some(({ ips }) => ips.includes(question.packet.to)))
    return `${client.name} asks for the hardware address of ${question.packet.to} (ARP), and nobody answers`
  return `no packet left ${client.name}: rules or routes in its own network namespace, or a refusal before the first packet`
}

/** How a connection ended. */
interface FlowEnd {
  text: string
  /** It went there and back. */
  whole: boolean
}

function endOf(pair: CapturePair, all: Sights): FlowEnd {
  const { client, asked, ends } = pair
  const going = (way: 'there' | 'back'): Sight[] =>
    all.sights.filter(({ packet }) => packet.about === undefined && directionOf(pair, packet) === way)
  const [there, back] = [going('there'), going('back')]
  const error = all.sights.find(({ packet }) => packet.about !== undefined)?.packet
  const said = error === undefined ? '' : `${error.from} said ${error.says}; `
  const server = ends.find(({ ips }) => there.some(({ packet }) => ips.includes(packet.to)))
  const broken = (text: string): FlowEnd => ({ whole: false, text: `${said}${all.gap ?? text}` })
  // An answer at its client says that its way is whole, also where it went to the pod itself under another address.
  const came = isSeenAt(client, { ...all, sights: back })
  const isReset = back.some(({ packet }) => packet.says.includes('RST'))
  if (server === undefined && came && !isReset) return { whole: true, text: 'packets went there and back' }
  const lostThere = lostOn(client, server, { ...all, sights: there })
  const wanted =
    asked.name === server?.name ? asked.name : `${asked.name} (${server?.name ?? asked.ips.join()})`
  if (lostThere !== undefined) return broken(`the packet to ${wanted} ${lostThere}`)
  if (server === undefined) return broken(`the packet to ${wanted} left, and no answer was seen`)
  if (pair.oneWay === true) return { whole: true, text: `packets arrived at ${server.name}` }
  const reset = back.find(({ packet }) => packet.says.includes('RST'))
  if (!isSeenAt(server, { ...all, sights: back }))
    return reset === undefined
      ? broken(`the packet arrived at ${server.name} on ${server.node}, which sent no answer`)
      : broken(`a reset (RST) came from ${reset.node} ${reset.interface}, not from ${server.name}`)
  const lostBack = lostOn(server, client, { ...all, sights: back })
  if (lostBack !== undefined) return broken(`the packet arrived at ${server.name}; its answer ${lostBack}`)
  return reset !== undefined && !back.some(({ packet }) => packet.says === 'SYN ACK')
    ? broken(
        `${server.name} answered with a reset (RST): nobody listens there, or a rule in its namespace refuses`,
      )
    : { whole: true, text: `packets went to ${server.name} and back` }
}

/** Is one of them where this end is? */
function isSeenAt(end: CaptureEnd, { sights, places }: Sights): boolean {
  const here = new Set(end.ips.flatMap((ip) => places(end.node, ip)?.at ?? []))
  return sights.some(({ node, at }) => node === end.node && here.has(at))
}

/** Where packets from one end to the other were seen last; undefined when they arrived. */
function lostOn(from: CaptureEnd, to: CaptureEnd | undefined, all: Sights): string | undefined {
  const { sights, places, addresses } = all
  const on = (node: string): Sight[] => sights.filter((each) => each.node === node && each.at === 'node')
  const uplink = (node: string): string =>
    places(node, addresses.get(node) ?? '')?.interface ?? 'its interface'
  if (!isSeenAt(from, all) && on(from.node).length === 0)
    return `never left ${from.name}: rules or routes in its own network namespace`
  if (on(from.node).length === 0)
    return `left ${from.name}, and never came out on its node ${from.node}: lost between the two`
  const lastOn = (node: string): string => {
    const last = on(node).at(-1)
    return last === undefined ? '' : ` (last seen ${last.out ? 'leaving by' : 'coming by'} ${last.interface})`
  }
  if (to === undefined)
    return `came to its node ${from.node}${lastOn(from.node)}, and was not seen on its way to an endpoint: lost on ${from.node}, by the rules of the Service or behind them`
  if (to.node !== from.node) {
    const [here, there] = [uplink(from.node), uplink(to.node)]
    const left = on(from.node).findLast(({ out, interface: name }) => out && name === here)
    if (left === undefined)
      return `came to its node ${from.node}${lastOn(from.node)}, and never left it by ${here}: lost on ${from.node}`
    const { within } = left.packet
    const how = within === undefined ? 'not wrapped' : `wrapped from ${within.from} to ${within.to}`
    if (!on(to.node).some(({ out, interface: name }) => !out && name === there))
      return `left ${from.node} by ${here} (${how}), and never arrived at ${to.node}: lost between the nodes`
  }
  if (isSeenAt(to, all)) return undefined
  const exists = to.ips.some((ip) => places(to.node, ip) !== undefined)
  return exists
    ? `came to ${to.node}${lastOn(to.node)}, and never arrived at ${to.name}: lost on ${to.node}`
    : `came to ${to.node}${lastOn(to.node)}, where no pod has the address ${to.ips.join()}`
}
