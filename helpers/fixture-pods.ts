import type { V1Container, V1EnvVar, V1Pod, V1PodDNSConfig } from '@kubernetes/client-node'
import { agentPorts, hostPorts, mappedPorts, toolsPorts } from './agent/protocol.ts'
import { isFurther, workerName } from './fixture-nodes.ts'
import type { FixtureOptions, FixtureSpec } from './fixture-objects.ts'

/** What fixture pods are: their labels, their containers, what these run. Pure. */

/** Label of everything that we create in a cluster; its value is the run id. */
export const runLabel = 'cni-conformance/run'
/** Label of a fixture pod; its value is the pod's name, so that a policy or a Service can select it alone. */
export const podLabel = 'cni-conformance/pod'

/** On everything that we create. */
export const managedLabel = { 'app.kubernetes.io/managed-by': 'cni-conformance' } as const

/** What selects everything that has it. */
export const managedSelector = Object.entries(managedLabel)
  .map((label) => label.join('='))
  .join()

/** The labels of everything that a run creates. */
export const runLabels = (runId: string): Record<string, string> => ({ ...managedLabel, [runLabel]: runId })

/** What the Services of the fixtures select: not a label that a pod of somebody else's might have. */
export const selectsAll = { 'cni-conformance/service': 'echo' }

/** Name of the ConfigMap with the agent. */
export const programName = 'agent'

/** The ports that a fixture pod declares, by name. */
export const podPorts = [
  { name: 'http', port: agentPorts.http, protocol: 'TCP' },
  { name: 'tcp', port: agentPorts.tcp, protocol: 'TCP' },
  { name: 'udp', port: agentPorts.udp, protocol: 'UDP' },
] as const

/** Container names of a fixture pod. */
export const containers = { agent: 'agent', tools: 'tools' } as const
const agentDirectory = '/run/agent'
/** Where its program is in every container that runs it. */
export const programDirectory = '/agent'
/** What the agent container runs. */
export const serveCommand: readonly string[] = ['node', `${programDirectory}/main.mjs`, 'serve']
/** What the control stream runs in the agent container. */
export const agentCommand: readonly string[] = ['node', `${programDirectory}/main.mjs`, 'probe']

/** What a pod runs that asks from its first moment; its plan follows. */
export const firstCommand: readonly string[] = ['node', `${programDirectory}/main.mjs`, 'first']

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
  ...runLabels(runId),
  ...(isFurther(spec) ? {} : selectsAll),
  [podLabel]: spec.name,
})

const fromField = (name: string, fieldPath: string): V1EnvVar => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
})

const container = {
  imagePullPolicy: 'IfNotPresent',
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
}

const run = { name: 'run', mountPath: agentDirectory }

/**
 * Pods that ask for no processor share the weight of one millicore on their node (BestEffort): beside a CoreDNS that is busy
 * with our own questions, a prober did not run for two seconds. A fifth of what a CoreDNS asks for.
 */
const agentCpu = '20m'

/** The container that asks and answers, with what its program is told. */
const agentContainer = ({ images }: FixtureOptions, env: readonly V1EnvVar[]) => ({
  ...container,
  name: containers.agent,
  image: images.node,
  command: [...serveCommand],
  resources: { requests: { cpu: agentCpu } },
  env: [
    fromField('POD_UID', 'metadata.uid'),
    fromField('POD_NAME', 'metadata.name'),
    fromField('POD_NAMESPACE', 'metadata.namespace'),
    fromField('NODE_NAME', 'spec.nodeName'),
    { name: 'AGENT_DIR', value: agentDirectory },
    { name: 'UV_THREADPOOL_SIZE', value: '64' },
    ...env,
  ],
  volumeMounts: [{ name: 'program', mountPath: programDirectory, readOnly: true }, run],
})

/**
 * What a pod says of DNS that leaves nothing to the kubelet: the cluster's DNS Service, and by one search domain the names
 * of the fixtures' main namespace, in which such a pod is not.
 */
export const ownDnsConfig = (
  clusterDns: string,
  mainNamespace: string,
  clusterDomain = 'cluster.local',
): Required<Pick<V1PodDNSConfig, 'nameservers' | 'searches' | 'options'>> => ({
  nameservers: [clusterDns],
  searches: [`${mainNamespace}.svc.${clusterDomain}`],
  options: [{ name: 'ndots', value: '2' }],
})

/** A pod of the pod network: the agent, and beside it the tools. With `clusterDns` it has {@link ownDnsConfig}. */
export const podObject = (spec: FixtureSpec, options: FixtureOptions, clusterDns?: string): V1Pod =>
  podOf(spec, options, {
    ...(clusterDns === undefined ? {} : { dnsConfig: ownDnsConfig(clusterDns, options.namespaces.main) }),
    containers: [
      {
        ...agentContainer(options, []),
        ports: podPorts.map(({ name, port, protocol }) => ({ name, containerPort: port, protocol })),
      },
      {
        ...container,
        name: containers.tools,
        image: options.images.agnhost,
        command: ['sh', '-c', toolsStart],
        volumeMounts: [run],
      },
    ],
  })

/** A pod of the agent alone, which ports of its node lead to. */
export const hostPortPodObject = (spec: FixtureSpec, options: FixtureOptions): V1Pod =>
  podOf(spec, options, {
    containers: [
      {
        ...agentContainer(options, []),
        ports: podPorts.map(({ name, port, protocol }) => ({
          name,
          containerPort: port,
          hostPort: mappedPorts[name],
          protocol,
        })),
      },
    ],
  })

/** A pod of the pod network with the agent alone: there may be many, and nobody looks inside them. */
export const furtherPodObject = (spec: FixtureSpec, options: FixtureOptions): V1Pod =>
  podOf(spec, options, { containers: [agentContainer(options, [])] })

/** A pod of the agent alone that has the network of its node. */
export const hostPodObject = (spec: FixtureSpec, options: FixtureOptions): V1Pod =>
  podOf(spec, options, {
    hostNetwork: true,
    containers: [
      agentContainer(options, [
        // An answer over UDP comes from the address that was asked, which a server on all addresses would not know.
        fromField('AGENT_HOST', 'status.hostIP'),
        { name: 'AGENT_HTTP_PORT', value: String(hostPorts.http) },
        { name: 'AGENT_TCP_PORT', value: String(hostPorts.tcp) },
        { name: 'AGENT_UDP_PORT', value: String(hostPorts.udp) },
      ]),
    ],
  })

function podOf(
  spec: FixtureSpec,
  options: FixtureOptions,
  inside: { containers: V1Container[]; hostNetwork?: true; dnsConfig?: V1PodDNSConfig },
): V1Pod {
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
      ...(spec.namespace === 'main' && !isFurther(spec)
        ? { hostname: spec.name, subdomain: 'echo-headless' }
        : {}),
      ...(spec.dns === undefined ? {} : { dnsPolicy: spec.dns }),
      ...inside,
      nodeName: workerName(spec.node, options.workers),
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
      volumes: [
        { name: 'program', configMap: { name: programName } },
        { name: 'run', emptyDir: {} },
      ],
    },
  }
}
