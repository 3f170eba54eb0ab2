import type { V1Pod } from '@kubernetes/client-node'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execOnce } from './agent/exec-stream.ts'
import type { StartCapture } from './capture/captured.ts'
import { budgets } from './budgets.ts'
import type { Outcome } from './observation.ts'
import { messageOf } from './errors.ts'
import { containers } from './fixture-pods.ts'
import { apiMessage, type Kube } from './kube.ts'
import { cniPieces } from './evidence-cni.ts'
import { targetsOf } from './evidence-targets.ts'
import type { CniSource, PodSelector } from './evidence-cni.ts'
import type { RunOnNode } from './nodes.ts'
import { redacted, redactedData } from './redact.ts'
import type { World } from './world.ts'

/** Where evidence comes from. */
export interface EvidenceSource {
  kube: Kube
  nodes: readonly string[]
  /** Absent when the fixtures never came up. */
  world?: World
  /** Absent on a cluster whose nodes are not ours. */
  runOnNode?: RunOnNode
  /** Writes down packets on the nodes; absent on a cluster whose nodes are not ours. */
  capture?: StartCapture
  /** Absent where the network's own agents are none of our business. */
  cni?: CniSource
  /** Namespaces whose pods and events may be read, on a cluster that is not ours; without it all of them. */
  within?: readonly string[]
}

/**
 * What a network engineer would collect by hand on a node. Read only; no Secret object is ever asked for, and of what
 * logs and objects say, secrets are taken out before it is written.
 */
const nodeCommands: Readonly<Record<string, readonly string[]>> = {
  routes: ['ip', 'route', 'show', 'table', 'all'],
  links: ['ip', '-d', '-s', 'link', 'show'],
  addresses: ['ip', 'addr', 'show'],
  fdb: ['bridge', 'fdb', 'show'],
  neighbours: ['ip', 'neigh', 'show'],
  iptables: ['iptables-save', '-c'],
  nft: ['nft', 'list', 'ruleset'],
  conntrack: ['conntrack', '-S'],
  sysctl: ['sysctl', 'net.ipv4.ip_forward', 'net.ipv4.conf.all.rp_filter'],
}

/**
 * Collects evidence for the outcomes that did not pass, or for a cluster that did not come up, everything side by side and each piece on its own: what
 * cannot be had is written down as such.
 *
 * @param folder where the evidence goes
 * @returns folder of each check's evidence, relative to `folder`, by check id
 */
export async function collectEvidence(
  source: EvidenceSource,
  outcomes: readonly Outcome[],
  folder: string,
): Promise<Map<string, string>> {
  const byCheck = new Map(outcomes.map(({ check }) => [check, check.replaceAll('/', '.')]))
  const deadline = AbortSignal.timeout(budgets.evidenceMs.ms)
  const write = async (path: string, content: Promise<string>): Promise<void> => {
    const file = join(folder, path)
    const text = await Promise.race([
      content.catch((error: unknown) => `not to be had: ${apiMessage(error)}\n`),
      aborted(deadline),
    ])
    await mkdir(join(file, '..'), { recursive: true })
    await writeFile(file, redacted(text))
  }
  const { kube, nodes, runOnNode } = source
  const pieces: [string, Promise<string>][] = [
    ['events.txt', events(source)],
    ['pods.txt', pods(source)],
  ]
  if (source.world !== undefined) pieces.push(['service-debug.txt', serviceDebug(source, source.world)])
  if (runOnNode !== undefined) {
    for (const node of nodes) {
      for (const [name, argv] of Object.entries(nodeCommands)) {
        pieces.push([`nodes/${node}/${name}.txt`, runOnNode(node, argv)])
      }
    }
  }
  for (const [name, selector] of Object.entries(logSources(source)))
    pieces.push([`logs/${name}.log`, logs(kube, selector)])
  if (source.cni !== undefined) pieces.push(...cniPieces({ kube, cni: source.cni }))
  for (const outcome of outcomes) {
    pieces.push([
      `${byCheck.get(outcome.check)}/observations.json`,
      Promise.resolve(`${JSON.stringify(redactedData(outcome), undefined, 2)}\n`),
    ])
    if (outcome.own === true)
      pieces.push([`${byCheck.get(outcome.check)}/targets.txt`, targetsOf(outcome, kube)])
    if (runOnNode !== undefined)
      pieces.push([`${byCheck.get(outcome.check)}/routes.txt`, routesTaken(outcome, runOnNode)])
  }
  await Promise.all(pieces.map(([path, content]) => write(path, content)))
  return byCheck
}

function aborted(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(`not to be had within ${budgets.evidenceMs.ms} ms\n`), {
      once: true,
    })
  })
}

const dnsPods: PodSelector = { namespace: 'kube-system', labelSelector: 'k8s-app=kube-dns' }

/** The logs of others are not read on a cluster that is not ours. */
const logSources = ({
  cni,
  within,
}: EvidenceSource): Record<string, PodSelector & { container?: string }> => ({
  ...(cni === undefined ? {} : { cni: cni.pods }),
  ...(within === undefined
    ? {
        'kube-proxy': { namespace: 'kube-system', labelSelector: 'k8s-app=kube-proxy' },
        coredns: dnsPods,
      }
    : {}),
})

async function logs(kube: Kube, selector: PodSelector & { container?: string }): Promise<string> {
  const { namespace, labelSelector } = selector
  const { items } = await kube.core.listNamespacedPod({ namespace, labelSelector })
  const texts = await Promise.all(
    items.map(async (pod) => {
      const name = pod.metadata?.name ?? ''
      const heading = `==== ${name} on ${pod.spec?.nodeName}\n`
      const container = selector.container ?? pod.spec?.containers[0]?.name
      if (container === undefined) return heading
      try {
        const text = await kube.core.readNamespacedPodLog({
          name,
          namespace,
          container,
          tailLines: 500,
        })
        return `${heading}${text}`
      } catch (error) {
        return `${heading}not to be had: ${apiMessage(error)}\n`
      }
    }),
  )
  return texts.length === 0 ? `no pod with ${labelSelector} in ${namespace}\n` : texts.join('\n')
}

async function events({ kube, within }: EvidenceSource): Promise<string> {
  const lists =
    within === undefined
      ? [await kube.core.listEventForAllNamespaces()]
      : await Promise.all(within.map((namespace) => kube.core.listNamespacedEvent({ namespace })))
  return lists
    .flatMap(({ items }) => items)
    .map((event) => {
      const { kind, namespace, name } = event.involvedObject
      const at = event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp
      const time = at === undefined ? '-' : new Date(at).toISOString()
      return `${time} ${event.type} ${event.reason} ${kind} ${namespace}/${name}: ${event.message}`
    })
    .toSorted()
    .join('\n')
}

/** On a cluster that is not ours only our own pods, and those that serve its DNS. */
async function pods({ kube, within }: EvidenceSource): Promise<string> {
  const { items } = await kube.core.listPodForAllNamespaces()
  const servesDns = ({ metadata }: V1Pod): boolean =>
    metadata?.namespace === dnsPods.namespace && metadata.labels?.['k8s-app'] === 'kube-dns'
  return items
    .filter((pod) => within?.includes(pod.metadata?.namespace ?? '') !== false || servesDns(pod))
    .map(({ metadata, spec, status }) => {
      const restarts = status?.containerStatuses?.reduce((sum, each) => sum + each.restartCount, 0) ?? 0
      return `${metadata?.namespace}/${metadata?.name} ${status?.phase} ${status?.podIP ?? '-'} on ${spec?.nodeName ?? '-'}, ${restarts} restarts`
    })
    .join('\n')
}

/** The three steps of debugging a Service: does the name resolve, has it endpoints, does a proxy carry it? */
async function serviceDebug({ kube, runOnNode }: EvidenceSource, world: World): Promise<string> {
  const { main } = world.namespaces
  const name = `echo.${main}.svc.${world.clusterDomain}`
  const clusterIp = world.services.get('echo')?.ips[0] ?? 'no ClusterIP'
  const resolving = world.pods
    .filter((pod) => pod.namespace === 'main')
    .map(async (pod) => {
      const dig = await execOnce(
        kube.config,
        main,
        pod.name,
        containers.tools,
        ['dig', '+time=2', '+tries=1', '+noall', '+answer', '+comments', '+stats', name],
        budgets.evidenceMs,
      )
      return `-- ${pod.fullName} on ${pod.pinnedTo}\n${dig.stdout}${dig.stderr}${dig.fault ?? ''}`
    })
  const slices = kube.discovery.listNamespacedEndpointSlice({
    namespace: main,
    labelSelector: `kubernetes.io/service-name=echo`,
  })
  const rules = world.nodes.map(async ({ name: node }) => {
    const saved = (await runOnNode?.(node, ['iptables-save', '-c'])) ?? ''
    const lines = saved
      .split('\n')
      .filter((line) => line.includes(clusterIp) || line.includes(`${main}/echo`))
    return `-- ${node}: ${lines.length} rules\n${lines.join('\n')}`
  })
  const settled = async (parts: Promise<string>[]): Promise<string> =>
    (await Promise.allSettled(parts))
      .map((part) => (part.status === 'fulfilled' ? part.value : messageOf(part.reason)))
      .join('\n')
  const endpoints = async (): Promise<string> =>
    (await slices).items
      .flatMap((slice) => slice.endpoints ?? [])
      .map((each) => `${each.addresses.join()} on ${each.nodeName} ready=${each.conditions?.ready}`)
      .join('\n')
  return [
    `1. Does ${name} resolve? The Service has ${clusterIp}.`,
    await settled(resolving),
    `\n2. Has the Service endpoints? Ready fixture pods: ${world.pods.filter((pod) => pod.ready).length}`,
    await settled([endpoints()]),
    ...(runOnNode === undefined
      ? []
      : [
          '\n3. Does kube-proxy carry it? Rules that name the Service (iptables mode), with packet counters:',
          await settled(rules),
        ]),
    '',
  ].join('\n')
}

/** Which way each node sends the packets of the paths that failed. */
async function routesTaken(outcome: Outcome, runOnNode: RunOnNode): Promise<string> {
  const paths = outcome.observations.filter(({ verdict, expected }) => verdict !== expected)
  const lines = paths.map(async ({ from, to }) => {
    const ip = to.address?.replace(/:\d+$/, '')
    if (from.node === undefined || ip === undefined || !/^[\d.]+$/.test(ip)) return undefined
    return `${from.name} on ${from.node} -> ${to.name} ${to.address}\n${await runOnNode(from.node, ['ip', 'route', 'get', ip])}`
  })
  return [...new Set((await Promise.all(lines)).filter((line) => line !== undefined))].join('\n')
}
