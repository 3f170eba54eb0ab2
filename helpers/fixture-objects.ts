import type {
  KubernetesObject,
  V1EndpointSlice,
  V1Pod,
  V1Service,
  V1ServicePort,
  V1ServiceSpec,
} from '@kubernetes/client-node'
import { agentFiles, agentVersion } from './agent/bundle.ts'
import { agentPorts, toolsPorts } from './agent/protocol.ts'
import {
  fixtureService,
  fixtureServiceNames,
  handMadeTarget,
  largeAddresses,
  servicePorts,
  type FixtureServiceName,
} from './fixture-services.ts'

/** What the fixtures are: pods, Services and what they need, as API objects. Pure. */

/** Label of everything that we create in a cluster; its value is the run id. */
export const runLabel = 'cni-conformance/run'
/** Label of a fixture pod; its value is the pod's name, so that a policy or a Service can select it alone. */
export const podLabel = 'cni-conformance/pod'

/** The two fixture namespaces: most pods live in `main`, `other` asks across the border. */
export interface FixtureNamespaces {
  main: string
  other: string
}

/** One fixture pod, before it exists. */
export interface FixtureSpec {
  /** Pod name, unique over both namespaces. */
  name: string
  node: 'worker1' | 'worker2'
  namespace: keyof FixtureNamespaces
}

/**
 * The fixtures, applied once for all checks. Two pods on each worker, so that same-node and other-node paths
 * exist in both directions on both nodes, and one in the other namespace.
 */
export const fixtureSpecs: readonly FixtureSpec[] = [
  { name: 'worker1-a', node: 'worker1', namespace: 'main' },
  { name: 'worker1-b', node: 'worker1', namespace: 'main' },
  { name: 'worker2-a', node: 'worker2', namespace: 'main' },
  { name: 'worker2-b', node: 'worker2', namespace: 'main' },
  { name: 'worker2-other', node: 'worker2', namespace: 'other' },
]

/** What a check says of a pod that it wants. */
export interface WantedPod {
  node: FixtureSpec['node']
  namespace: FixtureSpec['namespace']
  /** A pod of the check's own: no fixture pod stands for it. */
  own?: true | undefined
}

/**
 * Which fixture pod stands for each role that is not the check's own: the first free one on the right node and in the
 * right namespace; undefined where none is left.
 */
export function assignPods<Pod extends Pick<FixtureSpec, 'node' | 'namespace'>>(
  wanted: Readonly<Record<string, WantedPod>>,
  fixtures: readonly Pod[],
): Map<string, Pod | undefined> {
  const free = new Set(fixtures)
  const assigned = new Map<string, Pod | undefined>()
  for (const [role, { node, namespace, own }] of Object.entries(wanted)) {
    if (own === true) continue
    const pod = [...free].find((each) => each.node === node && each.namespace === namespace)
    if (pod !== undefined) free.delete(pod)
    assigned.set(role, pod)
  }
  return assigned
}

/** The ports that a fixture pod declares, by name. */
export const podPorts = [
  { name: 'http', port: agentPorts.http, protocol: 'TCP' },
  { name: 'tcp', port: agentPorts.tcp, protocol: 'TCP' },
  { name: 'udp', port: agentPorts.udp, protocol: 'UDP' },
] as const

/** Container names of a fixture pod. */
export const containers = { agent: 'agent', tools: 'tools' } as const
const agentDirectory = '/run/agent'
const programDirectory = '/agent'
/** What the control stream runs in the agent container. */
export const agentCommand: readonly string[] = ['node', `${programDirectory}/main.mjs`, 'probe']

/** What a pod runs that asks from its first moment; its plan follows. */
export const firstCommand: readonly string[] = ['node', `${programDirectory}/main.mjs`, 'first']

/** What the fixtures are made from. */
export interface FixtureOptions {
  runId: string
  namespaces: FixtureNamespaces
  images: { node: string; agnhost: string }
  /** Node names of the roles worker1 and worker2. */
  workers: readonly [string, string]
}

/** Every object of the fixtures, in the order in which they are applied. Pure. */
export function fixtureObjects(options: FixtureOptions): KubernetesObject[] {
  const { main, other } = options.namespaces
  const own = labels(options.runId)
  return [
    namespaceObject(main, options.runId),
    namespaceObject(other, options.runId),
    programObject(main, options.runId),
    programObject(other, options.runId),
    ...fixtureSpecs.map((spec) => podObject(spec, options)),
    ...fixtureServiceNames.map((name) => fixtureServiceObject(name, main, own)),
    ...fixtureSpecs
      .filter(({ namespace }) => namespace === 'main')
      .map(({ name }) =>
        serviceObject({ name, namespace: main, labels: own, selector: { [podLabel]: name } }),
      ),
    sliceObject('echo-large', largeAddresses, options),
  ]
}

/** On everything that we create. */
export const managedLabel = { 'app.kubernetes.io/managed-by': 'cni-conformance' } as const

const labels = (runId: string): Record<string, string> => ({ ...managedLabel, [runLabel]: runId })

const selectsAll = { app: 'echo' }

function namespaceObject(name: string, runId: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: { ...labels(runId), 'pod-security.kubernetes.io/enforce': 'restricted' },
    },
  }
}

function programObject(namespace: string, runId: string): KubernetesObject {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'agent',
      namespace,
      labels: { ...labels(runId), 'cni-conformance/agent': agentVersion },
    },
    data: agentFiles(),
  }
  return object
}

/** Writes down what the tools container sees of the pod's network: a way around `lo`, which may be broken. */
export const writeToolsView: string = [
  `readlink /proc/self/ns/net > ${agentDirectory}/tools.netns`,
  `ip -o addr > ${agentDirectory}/tools.addresses`,
].join('; ')

const toolsStart = [
  writeToolsView,
  `exec /agnhost netexec --http-port=${toolsPorts.http} --udp-port=${toolsPorts.udp}`,
].join('; ')

/** The labels of a fixture pod. */
export const podLabels = (spec: FixtureSpec, runId: string): Record<string, string> => ({
  ...labels(runId),
  ...selectsAll,
  [podLabel]: spec.name,
})

function podObject(spec: FixtureSpec, options: FixtureOptions): V1Pod {
  const fromField = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } })
  const container = {
    imagePullPolicy: 'IfNotPresent',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  }
  const run = { name: 'run', mountPath: agentDirectory }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: spec.name,
      namespace: options.namespaces[spec.namespace],
      labels: podLabels(spec, options.runId),
    },
    spec: {
      // Their names in `echo-headless`, which is in the same namespace.
      ...(spec.namespace === 'main' ? { hostname: spec.name, subdomain: 'echo-headless' } : {}),
      nodeName: options.workers[spec.node === 'worker1' ? 0 : 1],
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        fsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          ...container,
          name: containers.agent,
          image: options.images.node,
          command: ['node', `${programDirectory}/main.mjs`, 'serve'],
          env: [
            fromField('POD_UID', 'metadata.uid'),
            fromField('POD_NAME', 'metadata.name'),
            fromField('POD_NAMESPACE', 'metadata.namespace'),
            fromField('NODE_NAME', 'spec.nodeName'),
            { name: 'AGENT_DIR', value: agentDirectory },
            { name: 'UV_THREADPOOL_SIZE', value: '64' },
          ],
          ports: podPorts.map(({ name, port, protocol }) => ({ name, containerPort: port, protocol })),
          volumeMounts: [{ name: 'program', mountPath: programDirectory, readOnly: true }, run],
        },
        {
          ...container,
          name: containers.tools,
          image: options.images.agnhost,
          command: ['sh', '-c', toolsStart],
          volumeMounts: [run],
        },
      ],
      volumes: [
        { name: 'program', configMap: { name: 'agent' } },
        { name: 'run', emptyDir: {} },
      ],
    },
  }
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

/** Seconds that a client of `echo-sticky` stays with its endpoint: longer than any run, as is the default. */
const stickySeconds = 10_800

function fixtureServiceObject(
  name: FixtureServiceName,
  namespace: string,
  own: Record<string, string>,
): V1Service {
  const { behind, headless, nodePort, namedTargets, sticky, nodeLocal, bothFamilies } = fixtureService(name)
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
      ...(sticky === true
        ? {
            sessionAffinity: 'ClientIP',
            sessionAffinityConfig: { clientIP: { timeoutSeconds: stickySeconds } },
          }
        : {}),
      ...(nodeLocal === true ? { internalTrafficPolicy: 'Local' } : {}),
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
      labels: { ...labels(runId), 'kubernetes.io/service-name': service },
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
