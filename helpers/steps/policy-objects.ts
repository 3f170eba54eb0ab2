import { createHash } from 'node:crypto'
import type { V1NetworkPolicy, V1NetworkPolicyPeer, V1NetworkPolicyPort } from '@kubernetes/client-node'
import { agentPorts } from '../agent/protocol.ts'
import type { Policy, PolicyPeer } from '../check-steps.ts'
import type { Check } from '../check.ts'
import { podLabel, podPorts } from '../fixture-pods.ts'
import { inSubnet } from '../inspect.ts'
import type { PolicyPod } from './policy-engine.ts'
import type { World, WorldPod } from '../world.ts'

/** The policies that a check declares, as the objects that the API server gets. Pure. */

/** Label that the API server itself puts on every namespace. */
const namespaceLabel = 'kubernetes.io/metadata.name'

/** Which pod stands for each role of a check. */
export type Bound = ReadonlyMap<string, WorldPod>

/** Every policy of a check, by the name that the check gives it. */
export function policyObjects(check: Check, bound: Bound, world: World): Map<string, V1NetworkPolicy> {
  return new Map(
    Object.entries(check.policies ?? {}).map(([name, policy]) => [
      name,
      policyObject(objectName(check, name), policy, bound, world),
    ]),
  )
}

/** Most characters of the name of a Service or a pod's host name. */
const maxName = 63

/**
 * Name of an object that a check makes. Says whose it is when it is left over. Where words alone might not be a name, or
 * be another's, they are cut and a hash stands for what they lack: the ids of a user's own checks can be any.
 */
export function objectName({ id, own }: Check, name: string): string {
  const words = `${id.split('/').slice(1).join('-')}-${name}`
  if (own !== true && words.length <= maxName) return words.replace(/-+$/, '')
  const hash = createHash('sha256').update(`${id} ${name}`).digest('hex').slice(0, 10)
  return `own-${words.slice(0, maxName - hash.length - 'own--'.length)}-${hash}`
}

function policyObject(name: string, policy: Policy, bound: Bound, world: World): V1NetworkPolicy {
  const namespace = world.namespaces[policy.namespace]
  const peers = (list: readonly PolicyPeer[] | undefined): V1NetworkPolicyPeer[] =>
    (list ?? []).flatMap((peer) => peerObjects(peer, policy, bound, world))
  const ports = (list: readonly { of: keyof typeof agentPorts; by: 'number' | 'name' }[] | undefined) =>
    (list ?? []).map(portObject)
  const { ingress, egress, selects } = policy
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'cni-conformance' } },
    spec: {
      podSelector:
        selects === 'every-pod'
          ? {}
          : {
              matchExpressions: [
                { key: podLabel, operator: 'In', values: selects.map((role) => podOf(bound, role).name) },
              ],
            },
      policyTypes: [
        ...(ingress === undefined ? [] : ['Ingress']),
        ...(egress === undefined ? [] : ['Egress']),
      ],
      ...(ingress === undefined
        ? {}
        : { ingress: ingress.map((rule) => ({ _from: peers(rule.peers), ports: ports(rule.ports) })) }),
      ...(egress === undefined
        ? {}
        : { egress: egress.map((rule) => ({ to: peers(rule.peers), ports: ports(rule.ports) })) }),
    },
  }
}

function podOf(bound: Bound, role: string): WorldPod {
  const pod = bound.get(role)
  if (pod === undefined) throw new Error(`the check declares no pod "${role}"`)
  return pod
}

function peerObjects(peer: PolicyPeer, policy: Policy, bound: Bound, world: World): V1NetworkPolicyPeer[] {
  const inNamespace = (namespace: WorldPod['namespace']) => ({
    namespaceSelector: { matchLabels: { [namespaceLabel]: world.namespaces[namespace] } },
  })
  if ('namespace' in peer) return [inNamespace(peer.namespace)]
  if ('block' in peer) {
    return podBlocks(world).map((cidr) => ({
      ipBlock: {
        cidr,
        except: peer.except
          .map((role) => hostBlock(podOf(bound, role).ip))
          .filter((block) => inSubnet(block.split('/')[0] ?? '', cidr)),
      },
    }))
  }
  return peer.pods.map((role) => {
    const pod = podOf(bound, role)
    return {
      ...(pod.namespace === policy.namespace ? {} : inNamespace(pod.namespace)),
      podSelector: { matchLabels: { [podLabel]: pod.name } },
    }
  })
}

/** A dual-stack cluster has a block of each family. */
function podBlocks({ podSubnet }: World): string[] {
  if (podSubnet === undefined) throw new Error('a policy about the pod CIDR needs pod-cidr')
  return podSubnet.split(',').map((block) => block.trim())
}

const hostBlock = (ip: string): string => `${ip}/${ip.includes(':') ? 128 : 32}`

function portObject({ of, by }: { of: keyof typeof agentPorts; by: 'number' | 'name' }): V1NetworkPolicyPort {
  return { protocol: of === 'udp' ? 'UDP' : 'TCP', port: by === 'name' ? of : agentPorts[of] }
}

/** A fixture pod as policies see it. */
export function policyPod(pod: WorldPod, world: World): PolicyPod {
  return {
    fullName: pod.fullName,
    namespace: world.namespaces[pod.namespace],
    labels: pod.labels,
    ip: pod.ip,
    ports: podPorts,
  }
}

/** The labels of the fixture namespaces that our policies select by. */
export function namespaceLabels(world: World): Record<string, Record<string, string>> {
  return Object.fromEntries(Object.values(world.namespaces).map((name) => [name, { [namespaceLabel]: name }]))
}
