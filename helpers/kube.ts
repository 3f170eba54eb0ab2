import {
  AppsV1Api,
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  KubernetesObjectApi,
  NetworkingV1Api,
  PatchStrategy,
  loadYaml,
  type KubernetesObject,
} from '@kubernetes/client-node'
import { loadAll } from 'js-yaml'
import { SetupError, messageOf } from './errors.ts'

/** Who the API server sees as the owner of fields that we applied. */
const fieldManager = 'cni-conformance'

/** What everything that is created carries beside its own labels and annotations. */
export interface Marks {
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
}

/** How {@link connectKube} connects. */
export interface ConnectOptions {
  /** Of the kubeconfig; its current one unless said. */
  context?: string
  marks?: Marks
  /** Told of each request to the API before it goes out; what it throws holds the request back. Commands in pods are none. */
  guard?: (method: string, url: string) => void
}

/** The clients of one cluster, made from one kubeconfig file. */
export interface Kube {
  readonly config: KubeConfig
  readonly core: CoreV1Api
  readonly apps: AppsV1Api
  readonly discovery: DiscoveryV1Api
  readonly networking: NetworkingV1Api
  /** The object with the marks of this connection, for clients that create by themselves. What it says itself stays. */
  marked<T extends KubernetesObject>(object: T): T
  /** Server-side apply of each object in order; creates or updates. */
  apply(objects: readonly KubernetesObject[]): Promise<void>
  /** The same for one object that may be refused; returns what the API server said, undefined when it accepted. */
  tryApply(object: KubernetesObject): Promise<string | undefined>
  /**
   * The objects of a multi-document manifest, as {@link apply} takes them. The client names some fields otherwise than
   * the API does (`_from`, `x_kubernetes_int_or_string`): what is read as plain YAML would lose them on its way, and a
   * NetworkPolicy without `from` allows everything.
   */
  parse(text: string): KubernetesObject[]
  /** Every object of a kind, in all namespaces. */
  list(apiVersion: string, kind: string): Promise<KubernetesObject[]>
}

/**
 * Clients from a kubeconfig file. The file is always named: the library's own defaults fall back to in-cluster
 * and then to localhost:8080, and would aim at a cluster that nobody chose.
 *
 * @throws {SetupError} when the file cannot be read or names no cluster
 */
export function connectKube(kubeconfigFile: string, options: ConnectOptions = {}): Kube {
  const { context, guard, marks } = options
  const config = new KubeConfig()
  try {
    config.loadFromFile(kubeconfigFile)
  } catch (error) {
    throw new SetupError({
      what: `the kubeconfig ${kubeconfigFile} cannot be read`,
      seen: messageOf(error),
      next: 'give a kubeconfig file that kubectl accepts',
      cause: error,
    })
  }
  if (context !== undefined) config.setCurrentContext(context)
  if (guard !== undefined) holdBack(config, guard)
  const objects = KubernetesObjectApi.makeApiClient(config)
  const marked = <T extends KubernetesObject>(object: T): T => withMarks(object, marks)
  return {
    config,
    core: config.makeApiClient(CoreV1Api),
    apps: config.makeApiClient(AppsV1Api),
    discovery: config.makeApiClient(DiscoveryV1Api),
    networking: config.makeApiClient(NetworkingV1Api),
    marked,
    tryApply: (manifest) => tryApply(objects, marked(manifest)),
    parse: parseManifest,
    list: async (apiVersion, kind) => (await objects.list(apiVersion, kind)).items,
    async apply(manifests) {
      for (const manifest of manifests) {
        const refusal = await tryApply(objects, marked(manifest))
        if (refusal === undefined) continue
        throw new SetupError({
          what: `the API server did not accept ${manifest.kind ?? 'object'} ${manifest.metadata?.name ?? ''}`,
          seen: refusal,
          next: 'look at the object named above; `kubectl auth can-i` tells what this user may do',
        })
      }
    },
  }
}

/** Every client signs its requests here, so none goes past the guard. */
function holdBack(config: KubeConfig, guard: NonNullable<ConnectOptions['guard']>): void {
  const sign = config.applySecurityAuthentication.bind(config)
  config.applySecurityAuthentication = async (request) => {
    guard(request.getHttpMethod(), request.getUrl())
    await sign(request)
  }
}

/** An object with the marks of a run. Pure. */
export function withMarks<T extends KubernetesObject>(object: T, marks: Marks | undefined): T {
  if (marks === undefined) return object
  const labels = { ...marks.labels, ...object.metadata?.labels }
  const annotations = { ...marks.annotations, ...object.metadata?.annotations }
  return { ...object, metadata: Object.assign({}, object.metadata, { labels, annotations }) }
}

function parseManifest(text: string): KubernetesObject[] {
  return loadAll(text).flatMap((document) =>
    // JSON is YAML.
    document === null || document === undefined ? [] : [loadYaml<KubernetesObject>(JSON.stringify(document))],
  )
}

async function tryApply(
  objects: KubernetesObjectApi,
  manifest: KubernetesObject,
): Promise<string | undefined> {
  try {
    // patch() defaults to a strategic merge; only this combination is a server-side apply.
    await objects.patch(manifest, undefined, undefined, fieldManager, true, PatchStrategy.ServerSideApply)
    return undefined
  } catch (error) {
    return apiMessage(error)
  }
}

/**
 * What the API server said, in one line. The client's own message holds the whole body and all headers.
 */
export function apiMessage(error: unknown): string {
  if (error !== null && typeof error === 'object' && 'code' in error && 'body' in error) {
    const { code, body } = error
    const message = statusMessage(body)
    return `HTTP ${String(code)}${message === undefined ? '' : `: ${message}`}`
  }
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${messageOf(error)}${cause}`
}

/** Does an error of the API say that there is no such object? */
export const isNotFound = (error: unknown): boolean => apiMessage(error).startsWith('HTTP 404')

function statusMessage(body: unknown): string | undefined {
  let value = body
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value)
    } catch {
      return value as string
    }
  }
  if (value !== null && typeof value === 'object' && 'message' in value) return String(value.message)
  return undefined
}
