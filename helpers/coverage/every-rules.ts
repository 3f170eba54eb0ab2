import { isFromOutside, isHeavyProbe, isLastingProbe, type Probe } from '../check-probes.ts'
import type { CheckPart, CheckProblem } from '../check-rules.ts'

/** What a check with pods on every node cannot say: such pods are small, and there may be hundreds of them. */
export function everyNodeProblems({ pods, probes, steps }: CheckPart): CheckProblem[] {
  const roles = Object.keys(pods).filter((role) => pods[role]?.node === 'every')
  if (roles.length === 0) return []
  const others = Object.keys(pods).filter((role) => pods[role] !== undefined && !roles.includes(role))
  const unlike = roles.filter((role) => {
    const { namespace, network, hostPort, dns, own } = pods[role] ?? {}
    const special = network === 'host' || hostPort === true || dns === 'own' || own === true
    return special || namespace === 'other'
  })
  return [
    ...others.map((role) => ({
      path: ['pods', role],
      message: `beside ${roles[0]}, which is on every node, a check has no pod on one node`,
    })),
    ...unlike.map((role) => ({
      path: ['pods', role],
      message: 'on every node there are fixture pods of the namespace "main" alone, in the pod network',
    })),
    ...roles
      .slice(2)
      .map((role) => ({ path: ['pods', role], message: 'two pods on every node make a pair; no more' })),
    ...(steps === undefined
      ? []
      : [{ path: ['steps'], message: 'a check with steps has no pods on every node' }]),
    ...probes.flatMap((probe, index) => {
      const message = probe === undefined ? undefined : probeProblem(probe)
      return message === undefined ? [] : [{ path: ['probes', index], message }]
    }),
  ]
}

function probeProblem(probe: Probe): string | undefined {
  const small = 'pods on every node ask'
  if ('look' in probe || 'endpointsOf' in probe || 'inspect' in probe)
    return `${small} others; nobody looks inside them`
  if (isFromOutside(probe)) return `${small}; nobody else does beside them`
  if (isHeavyProbe(probe) || isLastingProbe(probe)) return `${small} for little each: there may be hundreds`
  if ('to' in probe && (probe.from === probe.to || probe.via !== 'pod-ip'))
    return `${small} each other at pod IPs`
  if ('service' in probe && probe.service === 'own') return `${small} no Service of their own: they have none`
  if ('resolve' in probe && (probe.resolve === 'pod-hostname' || probe.of !== undefined))
    return `${small} for records of others`
  return undefined
}
