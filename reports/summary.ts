import { undeclared } from '../helpers/outcome.ts'
import type { Leg, Origin, Parallel, Phase, Run } from './model.ts'
import { count, duration, oneLine, timeOfDay } from './text.ts'

/** `flannel v0.28.9`, or that it is not known. */
export const cniText = ({ name, version }: { name: string; version: string }): string =>
  name === undeclared ? `CNI ${undeclared}` : version === undeclared ? name : `${name} ${version}`

/** The cluster of a leg in one line: what it is as far as that is known, else what was declared. */
export function identityText({ cluster, identity }: Leg): string {
  const { definition, given } = cluster
  const { cni } = identity
  const declared = definition.cni
  // The data plane often names the encapsulation itself: "vxlan, UDP port 8472".
  const modes = [cni?.encapsulation, cni?.dataPlane].filter(
    (mode, at) => mode !== undefined && !(at === 0 && cni?.dataPlane?.includes(mode) === true),
  )
  const parts = [
    `Kubernetes ${identity.kubernetes ?? definition.kubernetes}`,
    `${cniText(cni ?? declared)}${modes.length === 0 ? '' : ` (${modes.join(', ')})`}`,
    `kube-proxy ${identity.kubeProxy ?? definition.network.kubeProxy}`,
    ...(definition.network.ipFamily === undeclared ? [] : [definition.network.ipFamily]),
    ...(identity.mtu === undefined ? [] : [`MTU ${identity.mtu}`]),
    ...(identity.nodes.length === 0 ? [] : [count(identity.nodes.length, 'node')]),
    ...(identity.kernel === undefined ? [] : [`Linux ${identity.kernel}`]),
    ...(given === undefined ? [] : [`context ${given.context} at ${given.server}`]),
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

/** How long a run took; of a merged one, whose legs may have run on different days, what that means. */
export function timeText(run: Run): string {
  const merged = run.legs.some(({ origin }) => origin !== undefined)
  return `${duration(runMillis(run))}${merged ? ' from the first start to the last end' : ''}`
}

/** Run, time and machine that a leg of a merged run comes from. */
export function originText({ run, machine }: Origin): string {
  const { id, startedAt, partial, filter } = run
  const parts = [
    `run ${id}`,
    timeOfDay(startedAt),
    ...(partial ? [`only ${filter ?? 'some checks'}`] : []),
    machine.os,
    count(machine.cpus, 'CPU'),
    `${(machine.memoryMiB / 1024).toFixed(0)} GiB`,
    ...(machine.dockerVersion === undefined ? [] : [`Docker ${machine.dockerVersion}`]),
  ]
  return oneLine(parts.join(' · '))
}

/** Memory and legs at once of a matrix: what was planned, and what it came to. */
export function parallelText({ jobs, budgetMiB, peakMiB }: Parallel): string {
  const planned = `${mebibytes(budgetMiB)} planned for ${count(jobs, 'leg')} at once`
  if (peakMiB === undefined) return `not measured, ${planned}`
  return `${mebibytes(peakMiB)} at most, ${peakMiB > budgetMiB ? 'above the ' : ''}${planned}`
}

/** `4,050 MiB`. */
export function mebibytes(amount: number): string {
  return `${Math.round(amount).toLocaleString('en-US')} MiB`
}
