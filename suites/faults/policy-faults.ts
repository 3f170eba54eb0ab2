import type { V1NetworkPolicy } from '@kubernetes/client-node'
import { agentPorts } from '../../helpers/agent/protocol.ts'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { isNotFound } from '../../helpers/kube.ts'
import { checks } from '../catalogue.ts'
import type { Fault, FaultContext } from './fault.ts'
import { silentAgent, toldByAgent } from './look-faults.ts'
import { arePaused, signalPrograms } from './programs.ts'
import { runInPodNetwork, type Victim } from './sandbox.ts'

const everyPolicyCheck = 'network-policy/**'
const enforced = { feature: { name: 'network-policy', declared: true } } as const

const strayName = 'stray-default-deny'

/** Asked until it fails, and until it passes again. */
const canary = checks.filter(({ id }) => id === 'pod-to-pod/same-node/tcp')

async function awaitCanary({ session }: FaultContext, wanted: 'failed' | 'passed'): Promise<void> {
  await awaitUntil(
    async () => {
      const seen = (await session.run(canary)).map(({ outcome }) => outcome).join()
      return seen === wanted ? { done: true, value: undefined } : { done: false, seen }
    },
    { what: `${strayName} to be felt`, budget: budgets.faultMs, next: 'does this CNI enforce policies?' },
  )
}

const strayDefaultDeny: Fault = {
  id: 'stray-default-deny',
  breaks: "Somebody's default deny of ingress lies in the namespace of the fixtures.",
  // What comes from a pod's own node is always let through.
  red: () => [
    'pod-to-pod/**',
    'coverage/node-pairs/*',
    'coverage/every-node/cluster-ip',
    'pod/ports/independent',
    'service/!(headless|endpoint-slices|hairpin)',
    'service/!(hairpin|health-check-node-port)/{*,*/*}',
    'node/to-pod/other-node/*',
  ],
  // To some networks a pod that asks itself, directly or through a Service, is not denied.
  either: ['service/hairpin/*', 'service/headless'],
  // Their own controls fail: nothing is known about the policies that they would have applied.
  inconclusive: [everyPolicyCheck],
  stepped: ['network-policy/{declaration,*/default-deny}'],
  needs: enforced,
  outcome: 'failed',
  when: 'before-run',
  async inject(context) {
    const policy: V1NetworkPolicy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: strayName, namespace: context.world.namespaces.main },
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    }
    await context.kube.apply([policy])
    await awaitCanary(context, 'failed')
  },
  vacuous: async () => undefined,
  async heal(context) {
    const target = { name: strayName, namespace: context.world.namespaces.main }
    await context.kube.networking.deleteNamespacedNetworkPolicy(target).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
    await awaitCanary(context, 'passed')
  },
}

/** Names of the programs that turn policies into packet filters, as the kernel keeps them. */
const policyAgents = 'calico-node|cilium-agent'

const signalAgents = (context: FaultContext, signal: '-STOP' | '-CONT'): Promise<void> =>
  signalPrograms(context, context.workers, signal, policyAgents)

const policyAgentPaused: Fault = {
  id: 'policy-agent-paused',
  breaks: 'The agents that enforce policies are paused on both workers before a policy is created.',
  red: (world) => [everyPolicyCheck, 'cni/agent/healthy', ...toldByAgent(world)],
  inconclusive: silentAgent,
  stepped: [everyPolicyCheck],
  needs: enforced,
  outcome: 'failed',
  // The kubelet starts an agent again that has not answered its probes for a minute; eighteen checks must be through.
  settledMs: 500,
  when: 'before-run',
  inject: (context) => signalAgents(context, '-STOP'),
  vacuous: async (context) =>
    (await arePaused(context, context.workers, policyAgents)) ? undefined : 'the policy agents run',
  heal: (context) => signalAgents(context, '-CONT'),
}

const removals = 'network-policy/*/removal'

const policyRemovalUnnoticed: Fault = {
  id: 'policy-removal-unnoticed',
  breaks: 'The agents that enforce policies are paused on both workers before a policy is deleted.',
  red: () => [removals],
  stepped: [removals],
  needs: enforced,
  outcome: 'failed',
  when: 'before-removal',
  inject: (context) => signalAgents(context, '-STOP'),
  // Mended again by now; that exactly these checks are red says that it was there.
  vacuous: async () => undefined,
  heal: (context) => signalAgents(context, '-CONT'),
}

const client: Victim = { node: 'worker1', name: 'worker1-a' }
const server: Victim = { node: 'worker1', name: 'worker1-b' }

/** The rules of a chain in the network of a pod, where nobody else has any: made anew, or all taken away. */
async function setRules(
  context: FaultContext,
  victim: Victim,
  chain: 'INPUT' | 'OUTPUT',
  rules: readonly (readonly string[])[],
): Promise<void> {
  await runInPodNetwork(context, victim, ['iptables', '-w', '5', '-F', chain])
  for (const rule of rules)
    await runInPodNetwork(context, victim, ['iptables', '-w', '5', '-A', chain, ...rule])
}

const addressesOf = ({ world }: FaultContext, name: string): string[] =>
  world.pods.filter((pod) => pod.name === name).flatMap(({ ip, serviceIp = [] }) => [ip, serviceIp].flat())

const denyRefuses: Fault = {
  id: 'deny-refuses',
  breaks: 'While a policy is in force, a pod gets a RST instead of silence from its neighbour.',
  // The checks whose policies deny this pair over TCP. Others deny it nothing, or do not ask it.
  red: () => ['network-policy/declaration', 'network-policy/ingress/{allow-pod,allow-port-name,service}'],
  stepped: ['network-policy/declaration', 'network-policy/*/{allow-pod,allow-port-name,service}'],
  needs: enforced,
  outcome: 'failed',
  when: 'under-policy',
  inject: (context) =>
    setRules(
      context,
      client,
      'OUTPUT',
      addressesOf(context, server.name).map((address) => [
        '-d',
        address,
        '-p',
        'tcp',
        '-j',
        'REJECT',
        '--reject-with',
        'tcp-reset',
      ]),
    ),
  vacuous: async (_context, outcomes) =>
    outcomes.some(({ observations }) => observations.some(({ verdict }) => verdict === 'refused'))
      ? undefined
      : 'nothing was refused',
  heal: (context) => setRules(context, client, 'OUTPUT', []),
}

const undeclaredPolicy: Fault = {
  id: 'undeclared-policy',
  breaks:
    'Somebody enforces policies on a cluster that does not declare it: its neighbour gets no answer from a pod under a deny.',
  red: () => ['network-policy/declaration'],
  stepped: [everyPolicyCheck],
  needs: { feature: { name: 'network-policy', declared: false } },
  outcome: 'failed',
  when: 'under-policy',
  inject: (context) =>
    setRules(
      context,
      server,
      'INPUT',
      addressesOf(context, client.name).map((address) => [
        '-s',
        address,
        '-p',
        'tcp',
        '--dport',
        String(agentPorts.tcp),
        '-j',
        'DROP',
      ]),
    ),
  vacuous: async () => undefined,
  heal: (context) => setRules(context, server, 'INPUT', []),
}

/** Faults of policies: of their enforcement where it is declared, of the declaration where it is not. */
export const policyFaults: readonly Fault[] = [
  strayDefaultDeny,
  policyAgentPaused,
  policyRemovalUnnoticed,
  denyRefuses,
  undeclaredPolicy,
]
