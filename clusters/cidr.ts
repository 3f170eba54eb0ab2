import { Address4, Address6 } from 'ip-address'
import { shown } from '../helpers/shown.ts'

type IpFamily = 'ipv4' | 'ipv6'

/** One address range. */
export interface Cidr {
  /** As it was written. */
  text: string
  family: IpFamily
  /** Number of leading bits that are fixed: 16 in 10.244.0.0/16. */
  prefix: number
  first: bigint
  last: bigint
}

/** What was read, and what is wrong with it. */
export interface CidrReading {
  cidrs: Cidr[]
  problems: string[]
}

/** Reads one range, or one of each family with a comma between, as kind and kubeadm write dual stack. */
export function readCidrs(text: string): CidrReading {
  const parts = text.split(',', 3)
  const readings = parts.map((part) => readCidr(part))
  const cidrs = readings.flatMap(({ cidr }) => (cidr === undefined ? [] : [cidr]))
  const problems = readings.flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
  if (parts.length > 2 || (cidrs.length === 2 && cidrs[0]?.family === cidrs[1]?.family)) {
    problems.push('expected one range, or one IPv4 and one IPv6 range with a comma between')
  }
  return { cidrs, problems }
}

function readCidr(text: string): { cidr?: Cidr; problem?: string } {
  const address = parseAddress(text)
  if (address === undefined) {
    return {
      problem: `expected an address range such as 10.244.0.0/16 or fd00:10:244::/56, got ${shown(text)}`,
    }
  }
  if (!text.includes('/')) return { problem: `${text} has no prefix length, such as /16` }
  const start = address.startAddress()
  if (start.bigInt() !== address.bigInt()) {
    const range = `${start.correctForm()}/${address.subnetMask}`
    return { problem: `${text} has bits set behind its prefix; the range is ${range}` }
  }
  const special = specialUse(address)
  if (special !== undefined) return { problem: `${text} is ${special}; take a private range` }
  return {
    cidr: {
      text,
      family: address instanceof Address4 ? 'ipv4' : 'ipv6',
      prefix: address.subnetMask,
      first: start.bigInt(),
      last: address.endAddress().bigInt(),
    },
  }
}

function parseAddress(text: string): Address4 | Address6 | undefined {
  if (Address4.isValid(text)) return new Address4(text)
  // A zone (fe80::1%eth0) belongs to an interface, not to a range.
  return Address6.isValid(text) && !text.includes('%') ? new Address6(text) : undefined
}

/** Ranges whose packets a node never routes to a pod. */
function specialUse(address: Address4 | Address6): string | undefined {
  if (address.subnetMask === 0) return 'every address there is'
  if (address.isLoopback()) return 'the loopback range'
  if (address.isLinkLocal()) return 'a link-local range'
  if (address.isMulticast()) return 'a multicast range'
  return undefined
}

/** Whether two ranges share an address. */
export function overlap(one: Cidr, other: Cidr): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last
}
