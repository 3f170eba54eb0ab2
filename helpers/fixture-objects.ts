import type { KubernetesObject, V1Pod, V1Service } from '@kubernetes/client-node'
import { agentFiles, agentVersion } from './agent/bundle.ts'
import { agentPorts, toolsPorts } from './agent/protocol.ts'

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

/** Fixture Services, both over the pods of `main`. Beside them each of these pods has one of its own name, alone. */
export const services = { echo: 'echo', headless: 'echo-headless' } as const
/** Ports of the `echo` Service. http differs from its target port, so that the translation is seen. */
export const servicePorts = { http: 80, tcp: agentPorts.tcp, udp: agentPorts.udp } as const

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
    serviceObject(services.echo, main, own, selectsAll),
    serviceObject(services.headless, main, own, selectsAll, 'None'),
    ...fixtureSpecs
      .filter(({ namespace }) => namespace === 'main')
      .map(({ name }) => serviceObject(name, main, own, { [podLabel]: name })),
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

/** A Service with the ports of the fixture Services. Pure. */
export function serviceObject(
  name: string,
  namespace: string,
  ownLabels: Readonly<Record<string, string>>,
  selector: Readonly<Record<string, string>>,
  clusterIP?: 'None',
): V1Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { ...ownLabels } },
    spec: {
      selector: { ...selector },
      ...(clusterIP === undefined ? {} : { clusterIP }),
      ports: [
        { name: 'http', port: servicePorts.http, targetPort: agentPorts.http, protocol: 'TCP' },
        { name: 'tcp', port: servicePorts.tcp, targetPort: agentPorts.tcp, protocol: 'TCP' },
        { name: 'udp', port: servicePorts.udp, targetPort: agentPorts.udp, protocol: 'UDP' },
      ],
    },
  }
}
