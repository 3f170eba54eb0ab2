import { readFileSync, readlinkSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { Self } from './identity.ts'
import type { Facts } from './protocol.ts'

/**
 * What the agent reads inside its pod. Synchronous on purpose: Node reads files on the same threads as getaddrinfo,
 * and those hang for seconds when the cluster's DNS is silent.
 *
 * @throws when the kernel's view of the network namespace cannot be read
 */
export function readFacts(self: Self, directory: string | undefined): Facts {
  const interfaces = ownInterfaces()
  const name = interfaces[0]?.name
  const mtu = interfaceMtu()
  const own = name === undefined ? undefined : readInterface(name)
  const tools = directory === undefined ? undefined : readTools(directory)
  return {
    ...self,
    netns: readlinkSync('/proc/self/ns/net'),
    addresses: [...new Set(interfaces.map(({ address }) => address))],
    ...(mtu === undefined ? {} : { mtu }),
    ...(own === undefined ? {} : { interface: own }),
    resolvConf: readFileSync('/etc/resolv.conf', 'utf8'),
    ...(tools === undefined ? {} : { tools }),
  }
}

function ownInterfaces(): { name: string; address: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? [])
      .filter((each) => !each.internal && isKept(each.address))
      .map(({ address }) => ({ name, address })),
  )
}

/** MTU of the interface that carries the pod's address, in bytes. */
export function interfaceMtu(): number | undefined {
  const name = ownInterfaces()[0]?.name
  return name === undefined ? undefined : readNumber(name, 'mtu')
}

/** Link-local addresses come and go with duplicate detection, and no pod is reached by one. */
const isKept = (address: string): boolean => !/^fe[89ab]/i.test(address)

function readNumber(name: string, attribute: string): number | undefined {
  const text = readOptional(`/sys/class/net/${name}/${attribute}`)
  return text === undefined ? undefined : Number(text)
}

function readInterface(name: string): Facts['interface'] {
  const [index, peer] = [readNumber(name, 'ifindex'), readNumber(name, 'iflink')]
  return index === undefined || peer === undefined ? undefined : { name, index, peer }
}

/** The tools container's own view, written by its start script before it serves. */
function readTools(directory: string): Facts['tools'] {
  const netns = readOptional(`${directory}/tools.netns`)?.trim()
  const listing = readOptional(`${directory}/tools.addresses`)
  if (netns === undefined || netns === '' || listing === undefined) return undefined
  return { netns, addresses: parseAddresses(listing) }
}

/** The addresses in the output of `ip -o addr`, without those of `lo`. */
function parseAddresses(listing: string): string[] {
  const found = listing.split('\n').flatMap((line) => {
    const [, name, family, address] = /^\d+:\s+(\S+)\s+(inet6?)\s+([^\s/]+)/.exec(line) ?? []
    if (family === undefined || address === undefined || name === 'lo') return []
    return isKept(address) ? [address] : []
  })
  return [...new Set(found)]
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
