import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Address4, Address6 } from 'ip-address'
import { z } from 'zod'
import { loadDefinitions } from '../clusters/definition.ts'
import { ensurePackets } from '../clusters/packets.ts'
import { sleep } from '../helpers/await.ts'
import { run } from '../helpers/exec.ts'
import { line } from './stats.ts'

/**
 * Which packets of a whole run, create to delete, leave the network of its nodes: counted on every interface of this
 * machine. What comes to the bridge of the nodes and goes anywhere else counts, before it is masqueraded; and what
 * leaves this machine with an address of a node or pod. Needs root and a Docker on this machine.
 *
 * Known are DNS questions to the resolver of this machine, and no others: the entrypoint of kind's nodes asks for
 * host.docker.internal, once each, and each CoreDNS asks once whether its own questions come back to it (loop).
 */

const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
const names = process.argv.slice(2)

const flowSchema = z.strictObject({
  interface: z.string(),
  out: z.boolean(),
  from: z.string(),
  to: z.string(),
  protocol: z.int(),
  port: z.int(),
  packets: z.int(),
})
type Flow = z.infer<typeof flowSchema>
const endSchema = z.strictObject({ end: z.strictObject({ lost: z.int() }) })

const networkSchema = z.tuple([
  z.looseObject({
    Id: z.string(),
    IPAM: z.looseObject({ Config: z.array(z.looseObject({ Subnet: z.string() })) }),
  }),
])

/** The network of the nodes of a run. */
interface Network {
  bridge: string
  subnets: readonly string[]
}

const linesOf = async (argv: readonly string[]): Promise<string[]> =>
  (await run(argv)).stdout.split('\n').filter((each) => each !== '')
const networks = (): Promise<string[]> => linesOf(['docker', 'network', 'ls', '--format', '{{.Name}}'])

/** The network that is there now and was not before. */
async function newNetwork(before: readonly string[], cluster: string, ended: AbortSignal): Promise<Network> {
  while (!ended.aborted) {
    const name = (await networks()).find(
      (each) => each.startsWith(`cnic-${cluster}-`) && !before.includes(each),
    )
    if (name !== undefined) {
      const { stdout } = await run(['docker', 'network', 'inspect', name])
      const [{ Id, IPAM }] = networkSchema.parse(JSON.parse(stdout))
      return { bridge: `br-${Id.slice(0, 12)}`, subnets: IPAM.Config.map(({ Subnet }) => Subnet) }
    }
    await sleep(200)
  }
  throw new Error('the run made no network')
}

const isIn = (ip: string, ranges: readonly string[]): boolean =>
  ranges.some((range) => {
    if (ip === '' || ip.includes(':') !== range.includes(':')) return false
    return ip.includes(':')
      ? new Address6(ip).isInSubnet(new Address6(range))
      : new Address4(ip).isInSubnet(new Address4(range))
  })

/** Of one link, or to everybody on it: no router passes it on. */
const staysOnLink = [
  '224.0.0.0/24',
  '255.255.255.255/32',
  '0.0.0.0/32',
  '169.254.0.0/16',
  'fe80::/10',
  'ff02::/16',
  '::/128',
]

/** Interfaces by which this machine reaches the world. */
async function uplinks(): Promise<string[]> {
  const routes = await linesOf(['ip', 'route', 'show', 'default'])
  return [...new Set(routes.flatMap((route) => /\bdev (\S+)/.exec(route)?.[1] ?? []))]
}

async function measure(cluster: string, ranges: readonly string[]): Promise<void> {
  const before = await networks()
  const request = JSON.stringify({ flows: true, seconds: 1_800, bytes: 64, packets: 0 })
  const ear = spawn(await ensurePackets(), [request], { stdio: ['pipe', 'pipe', 'inherit'] })
  const printed = text(ear.stdout)
  await sleep(500)
  const ended = new AbortController()
  const child = spawn(process.execPath, [main, 'test', cluster, '-q'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit') as Promise<[number | null]>
  void exited.then(() => ended.abort())
  const [network, [code]] = await Promise.all([newNetwork(before, cluster, ended.signal), exited])
  ear.stdin.end()
  const flows: Flow[] = []
  let lost: number | undefined
  for (const each of (await printed).split('\n').filter((row) => row !== '')) {
    const value: unknown = JSON.parse(each)
    const end = endSchema.safeParse(value)
    if (end.success) ({ lost } = end.data.end)
    const flow = flowSchema.safeParse(value)
    if (flow.success) flows.push(flow.data)
  }
  await tell(cluster, { flows, lost, network, code }, ranges)
}

const sum = (flows: readonly Flow[]): number => flows.reduce((all, { packets }) => all + packets, 0)

async function tell(
  cluster: string,
  seen: { flows: readonly Flow[]; lost: number | undefined; network: Network; code: number | null },
  ranges: readonly string[],
): Promise<void> {
  const { flows, lost, network, code } = seen
  const { bridge, subnets } = network
  const onBridge = flows.filter((each) => each.interface === bridge)
  // The bridge's own address is the machine: the nodes' gateway, which kind makes their resolver.
  const leaving = onBridge.filter(
    ({ out, to }) => !out && to !== '' && !isIn(to, [...subnets, ...staysOnLink]),
  )
  const up = await uplinks()
  const ours = flows.filter(
    ({ interface: name, out, from }) => up.includes(name) && out && isIn(from, [...subnets, ...ranges]),
  )
  line(`${cluster}: exit code of a whole run`, String(code), '0')
  line('  packets counted on the bridge of its nodes', `${sum(onBridge)} (${lost ?? '?'} lost)`, '-')
  line('  of these to anywhere outside its network', String(sum(leaving)), '0')
  const toServices = leaving.filter(({ to }) => isIn(to, ranges))
  line('    to Services or pods that nobody carries', String(sum(toServices)), '0')
  const toResolver = leaving.filter(({ port, to }) => port === 53 && !isIn(to, ranges))
  line('    to the resolver of this machine', String(sum(toResolver)), '0')
  line(`  leaving by ${up.join(', ')} with an address of a node or pod`, String(sum(ours)), '0')
  for (const { from, to, protocol, port, packets } of [...leaving, ...ours])
    console.log(`    ${from} -> ${to}, protocol ${protocol}, port ${port}: ${packets} packets`)
}

for (const { definition } of await loadDefinitions(names.length > 0 ? names : ['flannel'])) {
  const { podSubnet, serviceSubnet } = definition.network
  await measure(definition.name, [...podSubnet.split(','), ...serviceSubnet.split(',')])
}
