import type { Difference } from './gate-model.ts'
import type { Leg, Machine, Run } from './model.ts'
import { cniText } from './summary.ts'

/** What differs in the tool and the machine of two runs. Of a merged run each leg has its own machine. */
export function machineDifferences(before: Run, after: Run): Difference[] {
  const merged = [before, after].some(({ legs }) => legs.some(({ origin }) => origin !== undefined))
  return differing([
    ['tool', `${before.tool.name} ${before.tool.version}`, `${after.tool.name} ${after.tool.version}`],
    ...(merged ? [] : machineRows(before.machine, after.machine)),
  ])
}

/** What differs in what the legs are, not in what they found. */
export function differencesBetween(before: Leg, after: Leg): Difference[] {
  const [was, is] = [before, after].map(factsOf)
  const rows = Object.keys(was ?? {}).map((what): Row => [what, was?.[what], is?.[what]])
  const [old, now] = [before.origin?.machine, after.origin?.machine]
  return differing([...rows, ...(old === undefined || now === undefined ? [] : machineRows(old, now))])
}

type Row = readonly [what: string, before: string | undefined, after: string | undefined]

/** Measured where it was measured, else declared. */
function factsOf({ cluster, identity }: Leg): Record<string, string | undefined> {
  const { definition } = cluster
  const cni = identity.cni ?? definition.cni
  return {
    Kubernetes: identity.kubernetes ?? definition.kubernetes,
    CNI: cniText(cni),
    encapsulation: identity.cni?.encapsulation,
    'data plane': identity.cni?.dataPlane,
    'kube-proxy': identity.kubeProxy ?? definition.network.kubeProxy,
    'IP family': definition.network.ipFamily,
    MTU: identity.mtu?.toString(),
    'kernel of the nodes': identity.kernel,
    'container runtime': identity.containerRuntime,
    nodes: identity.nodes.length === 0 ? undefined : String(identity.nodes.length),
    features: definition.features.toSorted().join(' '),
    definition: cluster.sha256.slice(0, 12),
    'check set': cluster.checksSha256.slice(0, 12),
  }
}

function machineRows(before: Machine, after: Machine): Row[] {
  const facts = (machine: Machine): Record<string, string | undefined> => ({
    'operating system': machine.os,
    kernel: machine.kernel,
    CPUs: String(machine.cpus),
    memory: `${Math.round(machine.memoryMiB / 1024)} GiB`,
    Docker: machine.dockerVersion,
    cgroup: machine.cgroup,
    architecture: machine.arch,
    'Node.js': machine.node,
  })
  const [was, is] = [facts(before), facts(after)]
  return Object.keys(was).map((what) => [what, was[what], is[what]])
}

function differing(rows: readonly Row[]): Difference[] {
  return rows.flatMap(([what, before = 'not known', after = 'not known']) =>
    before === after ? [] : [{ what, before: before || 'none', after: after || 'none' }],
  )
}
