import { dump } from 'js-yaml'
import { execOnce } from './agent/exec-stream.ts'
import { budgets } from './budgets.ts'
import type { Kube } from './kube.ts'
import { withoutSecrets } from './redact.ts'

export interface PodSelector {
  namespace: string
  labelSelector: string
}

/** The network's own agents, and where they keep their state. */
export interface CniSource {
  /** Its pods on the nodes, and the container in them that does the work. */
  pods: PodSelector & { container: string }
  evidence: {
    /** Name of a file -> command that is run in each of its pods. */
    commands: Readonly<Record<string, readonly string[]>>
    /** Kinds of its own objects. */
    objects: readonly { apiVersion: string; kind: string }[]
  }
}

interface Source {
  kube: Kube
  cni: CniSource
}

/** The state of the network's agents, as files below `cni/`. */
export function cniPieces(source: Source): [path: string, content: Promise<string>][] {
  const { commands, objects } = source.cni.evidence
  return [
    ...Object.entries(commands).map(([name, argv]): [string, Promise<string>] => [
      `cni/${name}.txt`,
      inEachAgent(source, argv),
    ]),
    ...objects.map(({ apiVersion, kind }): [string, Promise<string>] => [
      `cni/objects/${kind}.yaml`,
      objectsOf(source.kube, apiVersion, kind),
    ]),
  ]
}

/** What a command says in the agent of each node. */
async function inEachAgent({ kube, cni }: Source, argv: readonly string[]): Promise<string> {
  const { namespace, labelSelector, container } = cni.pods
  const { items } = await kube.core.listNamespacedPod({ namespace, labelSelector })
  if (items.length === 0) return `no pod with ${labelSelector} in ${namespace}\n`
  const texts = items.map(async ({ metadata, spec }) => {
    const pod = metadata?.name ?? ''
    const said = await execOnce(kube.config, namespace, pod, container, argv, budgets.evidenceMs)
    return `==== ${pod} on ${spec?.nodeName}: ${argv.join(' ')}\n${said.stdout}${said.stderr}${said.fault ?? ''}`
  })
  return (await Promise.all(texts)).join('\n')
}

/** All objects of a kind that the CNI brought, without what may be secret in them. */
async function objectsOf(kube: Kube, apiVersion: string, kind: string): Promise<string> {
  const objects = await kube.list(apiVersion, kind)
  return objects.length === 0 ? `no ${kind} in ${apiVersion}\n` : dump(withoutSecrets(objects))
}
