import type { Leg, Phase, Run } from './model.ts'
import { count, duration, oneLine } from './text.ts'

/** The cluster of a leg in one line: what it is as far as that is known, else what was declared. */
export function identityText({ cluster, identity }: Leg): string {
  const { definition } = cluster
  const { cni } = identity
  const declared = definition.cni
  // The data plane often names the encapsulation itself: "vxlan, UDP port 8472".
  const modes = [cni?.encapsulation, cni?.dataPlane].filter(
    (mode, at) => mode !== undefined && !(at === 0 && cni?.dataPlane?.includes(mode) === true),
  )
  const parts = [
    `Kubernetes ${identity.kubernetes ?? definition.kubernetes}`,
    `${cni?.name ?? declared.name} ${cni?.version ?? declared.version}${modes.length === 0 ? '' : ` (${modes.join(', ')})`}`,
    `kube-proxy ${identity.kubeProxy ?? definition.network.kubeProxy}`,
    definition.network.ipFamily,
    ...(identity.mtu === undefined ? [] : [`MTU ${identity.mtu}`]),
    ...(identity.nodes.length === 0 ? [] : [count(identity.nodes.length, 'node')]),
    ...(identity.kernel === undefined ? [] : [`Linux ${identity.kernel}`]),
  ]
  return oneLine(parts.join(' · '))
}

/** `cni ✓ 16.2 s`, and why for one that failed. */
export function phaseText({ name, ok, ms }: Phase): string {
  return oneLine(`${name}${ok ? '' : ' ✗'} ${duration(ms)}`)
}

/** From the start of a run to its end, in milliseconds. */
export function runMillis({ run }: Run): number {
  return Math.max(0, Date.parse(run.endedAt) - Date.parse(run.startedAt))
}
