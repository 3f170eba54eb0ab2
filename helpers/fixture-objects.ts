import type {
  KubernetesObject,
  V1EndpointSlice,
  V1Pod,
  V1Service,
  V1ServicePort,
  V1ServiceSpec,
} from '@kubernetes/client-node'
import { agentFiles, agentVersion } from './agent/bundle.ts'
import type { WorkerRole, Workers } from './fixture-nodes.ts'
import {
  furtherPodObject,
  hostPodObject,
  hostPortPodObject,
  podLabel,
  podObject,
  podPorts,
  programName,
  runLabels,
  selectsAll,
} from './fixture-pods.ts'
import {
  balancedName,
  balancedSpec,
  fixtureService,
  fixtureServiceNames,
  handMadeTarget,
  largeAddresses,
  servicePorts,
  type FixtureServiceName,
} from './fixture-services.ts'

/** What the fixtures are: pods, Services and what they need, as API objects. Pure. */

/** The fixture namespaces: most pods live in `main`, `other` asks across the border, in `host` are those with the network of their nodes. */
export interface FixtureNamespaces {
  main: string
  other: string
  host: string
}

/** One fixture pod, before it exists. */
export interface FixtureSpec {
  /** Pod name, unique over all namespaces. */
  name: string
  node: WorkerRole
  namespace: keyof FixtureNamespaces
  /** Ports of its node lead to it. */
  hostPort?: true
  /** Its dnsPolicy, where that is not ClusterFirst. */
  dns?: 'Default' | 'ClusterFirstWithHostNet' | 'None'
}

/**
 * The fixtures, applied once for all checks. Two pods on each worker, so that same-node and other-node paths
 * exist in both directions on both nodes, and two in the other namespace: one like the others, and one with a DNS
 * configuration of its own.
 */
export const fixtureSpecs: readonly FixtureSpec[] = [
  { name: 'worker1-a', node: 'worker1', namespace: 'main' },
  { name: 'worker1-b', node: 'worker1', namespace: 'main' },
  { name: 'worker2-a', node: 'worker2', namespace: 'main' },
  { name: 'worker2-b', node: 'worker2', namespace: 'main' },
  { name: 'worker2-other', node: 'worker2', namespace: 'other' },
  { name: 'worker1-other', node: 'worker1', namespace: 'other', dns: 'None' },
]

/** One pod on each worker that has the network of its node, where a run may have such. */
const hostSpecs: readonly FixtureSpec[] = [
  { name: 'worker1-host', node: 'worker1', namespace: 'host', dns: 'ClusterFirstWithHostNet' },
  { name: 'worker2-host', node: 'worker2', namespace: 'host', dns: 'Default' },
]

/**
 * One pod on each worker with ports of its node, the same ones on both, where a run may have such and the cluster
 * declares them. Only a privileged namespace takes them: that of the pods with the network of their nodes.
 */
const hostPortSpecs: readonly FixtureSpec[] = [
  { name: 'worker1-port', node: 'worker1', namespace: 'host', hostPort: true },
  { name: 'worker2-port', node: 'worker2', namespace: 'host', hostPort: true },
]

/** The pods that only a privileged namespace takes; none where a run may not have such. */
export const privilegedSpecs = ({ hostNetwork, hostPort }: OnHosts): readonly FixtureSpec[] =>
  hostNetwork ? [...hostSpecs, ...(hostPort ? hostPortSpecs : [])] : []

/**
 * Two pods on each node beyond the first two, for what is asked on every node. No Service selects them, so that a Service
 * has as many endpoints on a large cluster as on a small one.
 */
const furtherSpecs = (workers: Workers): FixtureSpec[] =>
  workers.slice(2).flatMap((_, at) => {
    const node: WorkerRole = `worker${at + 3}`
    return (['a', 'b'] as const).map((which) => ({
      name: `${node}-${which}`,
      node,
      namespace: 'main' as const,
    }))
  })

/** The fixture pods of a run. */
export const specsOf = (options: OnHosts & Pick<FixtureOptions, 'workers'>): readonly FixtureSpec[] => [
  ...fixtureSpecs,
  ...privilegedSpecs(options),
  ...furtherSpecs(options.workers),
]

/** What of its nodes a run's pods may have. */
export interface OnHosts {
  /** With pods that have the network of their nodes; not everyone may have such in a cluster. */
  hostNetwork: boolean
  /** With pods that have ports of their nodes: the cluster declares `host-port`. */
  hostPort: boolean
}

/** What the fixtures are made from. */
export interface FixtureOptions extends OnHosts {
  runId: string
  namespaces: FixtureNamespaces
  images: { node: string; agnhost: string }
  workers: Workers
  /** The namespaces are there already, or made by somebody else. */
  namespacesExist?: true
  /** The cluster is ours, and nobody makes a load balancer for a Service that wants one. */
  ownCluster?: true
}

/** The fixture namespaces that a run uses. */
export const usedNamespaces = ({
  namespaces: { main, other, host },
  hostNetwork,
}: Pick<FixtureOptions, 'namespaces' | 'hostNetwork'>): string[] =>
  hostNetwork ? [main, other, host] : [main, other]

/** Every object of the fixtures but {@link dnsConfiguredPods}, in the order in which they are applied. Pure. */
export function fixtureObjects(options: FixtureOptions): KubernetesObject[] {
  const { main } = options.namespaces
  const own = runLabels(options.runId)
  return [
    ...(options.namespacesExist === true ? [] : namespaceObjects(options)),
    ...usedNamespaces(options).map((name) => programObject(name, options.runId)),
    ...fixtureSpecs.filter(({ dns }) => dns !== 'None').map((spec) => podObject(spec, options)),
    ...privilegedSpecs(options).map((spec) =>
      spec.hostPort === true ? hostPortPodObject(spec, options) : hostPodObject(spec, options),
    ),
    ...furtherSpecs(options.workers).map((spec) => furtherPodObject(spec, options)),
    ...fixtureServiceNames.map((name) => fixtureServiceObject(name, main, own)),
    ...fixtureSpecs
      .filter(({ namespace }) => namespace === 'main')
      .map(({ name }) =>
        serviceObject({ name, namespace: main, labels: own, selector: { [podLabel]: name } }),
      ),
    ...(options.ownCluster === true
      ? [
          serviceObject({
            name: balancedName,
            namespace: main,
            labels: own,
            selector: selectsAll,
            spec: balancedSpec,
          }),
        ]
      : []),
    sliceObject('echo-large', largeAddresses, options),
  ]
}

/** The fixture pods that name the cluster's DNS Service themselves, by its address. Pure. */
export const dnsConfiguredPods = (clusterDns: string, options: FixtureOptions): V1Pod[] =>
  fixtureSpecs.filter(({ dns }) => dns === 'None').map((spec) => podObject(spec, options, clusterDns))

/** A namespace whose pods may do no more than a Pod Security Standard lets them. Pure. */
export const namespaceObject = (
  name: string,
  labels: Readonly<Record<string, string>>,
  security: 'restricted' | 'privileged' = 'restricted',
): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { ...labels, 'pod-security.kubernetes.io/enforce': security } },
})

/** The fixture namespaces. Pure. */
export const namespaceObjects = (
  options: Pick<FixtureOptions, 'namespaces' | 'hostNetwork' | 'runId'>,
): KubernetesObject[] =>
  usedNamespaces(options).map((name) =>
    namespaceObject(
      name,
      runLabels(options.runId),
      name === options.namespaces.host ? 'privileged' : 'restricted',
    ),
  )

function programObject(namespace: string, runId: string): KubernetesObject {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: programName,
      namespace,
      labels: { ...runLabels(runId), 'cni-conformance/agent': agentVersion },
    },
    data: agentFiles(),
  }
  return object
}

/** What makes a Service. */
interface ServiceParts {
  name: string
  namespace: string
  labels: Readonly<Record<string, string>>
  /** Absent: its endpoints are made by hand. */
  selector?: Readonly<Record<string, string>>
  /** What differs from a ClusterIP Service. */
  spec?: Pick<V1ServiceSpec, keyof V1ServiceSpec>
}

/** A Service with the ports of the fixture Services. Pure. */
export function serviceObject({ name, namespace, labels: own, selector, spec }: ServiceParts): V1Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { ...own } },
    spec: {
      ...(selector === undefined ? {} : { selector: { ...selector } }),
      ports: podPorts.map(({ name: port, port: targetPort, protocol }) => ({
        name: port,
        port: servicePorts[port],
        targetPort,
        protocol,
      })),
      ...spec,
    },
  }
}

/** What a Service has that keeps its clients. */
export const stickySpec = (timeoutSeconds: number): NonNullable<ServiceParts['spec']> => ({
  sessionAffinity: 'ClientIP',
  sessionAffinityConfig: { clientIP: { timeoutSeconds } },
})

/** Seconds that a client of `echo-sticky` stays with its endpoint: longer than any run, as is the default. */
const stickySeconds = 10_800

function fixtureServiceObject(
  name: FixtureServiceName,
  namespace: string,
  own: Record<string, string>,
): V1Service {
  const { behind, headless, nodePort, namedTargets, sticky, nodeLocal, externalLocal, bothFamilies } =
    fixtureService(name)
  const parts = { name, namespace, labels: own }
  if (behind === 'alias') {
    const externalName = `echo.${namespace}.svc.cluster.local`
    return serviceObject({ ...parts, spec: { type: 'ExternalName', externalName } })
  }
  return serviceObject({
    ...parts,
    ...(behind === 'every-pod' ? { selector: selectsAll } : {}),
    spec: {
      ...(bothFamilies === true ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      ...(headless === true ? { clusterIP: 'None' } : {}),
      ...(nodePort === true ? { type: 'NodePort' } : {}),
      ...(namedTargets === true ? { ports: namedPorts } : {}),
      ...(sticky === true ? stickySpec(stickySeconds) : {}),
      ...(nodeLocal === true ? { internalTrafficPolicy: 'Local' } : {}),
      ...(externalLocal === true ? { externalTrafficPolicy: 'Local' } : {}),
    },
  })
}

/** Target ports by the name that the pods give them. */
const namedPorts: V1ServicePort[] = podPorts.map(({ name, protocol }) => ({
  name,
  port: servicePorts[name],
  targetPort: name,
  protocol,
}))

/** The EndpointSlice of a Service without a selector. */
function sliceObject(
  service: FixtureServiceName,
  addresses: readonly string[],
  { runId, namespaces }: Pick<FixtureOptions, 'runId' | 'namespaces'>,
): V1EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: service,
      namespace: namespaces.main,
      labels: { ...runLabels(runId), 'kubernetes.io/service-name': service },
    },
    addressType: addresses.some((address) => address.includes(':')) ? 'IPv6' : 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: podPorts.map(({ name, port, protocol }) => ({ name, port, protocol })),
  }
}

/** What is made by hand for the address that the pod behind it got. */
export const handMadeSlice = (
  address: string,
  options: Pick<FixtureOptions, 'runId' | 'namespaces'>,
): V1EndpointSlice => sliceObject('echo-by-hand', [address], options)

/** Is this the pod that a Service without a selector leads to? */
export const isHandMadeTarget = ({ name }: Pick<FixtureSpec, 'name'>): boolean => name === handMadeTarget
