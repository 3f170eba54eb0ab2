import { agentPorts, toolsPorts } from '../helpers/agent/protocol.ts'
import { sleep } from '../helpers/await.ts'
import { budgets } from '../helpers/budgets.ts'
import type { Outcome } from '../helpers/observation.ts'
import { podLabel } from '../helpers/fixture-pods.ts'
import { servicePorts } from '../helpers/fixture-services.ts'
import { startHeldRun } from '../helpers/held-run.ts'
import { attach, readLegHandle } from '../helpers/leg-handle.ts'
import { nonce, podEnd, type PlannedProbe } from '../helpers/plan/planned.ts'
import { cellsOf, nothingMade, planCells } from '../helpers/steps/step-cells.ts'
import { bindSteps } from '../helpers/steps/step-plan.ts'
import { verdictRound } from '../helpers/steps/step-rounds.ts'
import { see } from '../helpers/steps/step-verdict.ts'
import type { WorldPod } from '../helpers/world.ts'
import { networkPolicyChecks } from '../suites/network-policy.checks.ts'
import { median } from 'simple-statistics'
import { line, repeat, summary, timed } from './stats.ts'

/**
 * What a policy step costs, on one cluster that enforces policies, beside the usual ways: pairs probed ten at a time
 * with two tries each, and a fixed sleep after a policy is created. `node bench/policy.ts [cluster] [steps]`
 */

const [, , cluster = 'calico', count = '50'] = process.argv
const held = await startHeldRun(cluster)
if (held.leg.state === 'failed') throw new Error(held.leg.reason)
const attached = await attach(await readLegHandle(held.leg.handleFile))
const { session, kube, declared } = attached
const world = await session.world()

try {
  await deniedPod()
  await createdToVerdict(Number(count))
} finally {
  attached.close()
  await held.stop()
}

/** Every pair of a pod that may neither ask nor answer: all ports that a pod has, and those of the Services of pods. */
async function deniedPod(): Promise<void> {
  const subject = world.pods.find(({ name }) => name === 'worker2-b')
  if (subject === undefined) throw new Error('no fixtures')
  const others = world.pods.filter((pod) => pod !== subject)
  const metadata = { name: 'bench-denied', namespace: world.namespaces[subject.namespace] }
  await kube.apply([
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: {
        podSelector: { matchLabels: { [podLabel]: subject.name } },
        policyTypes: ['Ingress', 'Egress'],
      },
    } as Parameters<typeof kube.apply>[0][number],
  ])
  await sleep(5_000)
  const pairs = others.flatMap((other) => [...pairsOf(subject, other), ...pairsOf(other, subject)])
  const ours = await repeat(5, () => timed(() => allDenied(pairs, 3)))
  const theirs = await repeat(2, () => timed(() => tenAtATime(pairs)))
  await kube.networking.deleteNamespacedNetworkPolicy(metadata)
  line(`a denied pod, ${pairs.length} pairs of pods and ports, one batch, 3 tries`, summary(ours, 'ms'), '-')
  line(
    `  10 at a time, 2 tries, same time-out (${budgets.policyProbeMs.ms} ms)`,
    `${summary(theirs, 'ms')}: ours ${(median(theirs) / median(ours)).toFixed(1)}x`,
    '>= 10x',
  )
}

interface Pair {
  from: WorldPod
  to: WorldPod
  host: string
  kind: 'tcp' | 'udp'
  port: number
}

function pairsOf(from: WorldPod, to: WorldPod): Pair[] {
  const at = (host: string, tcp: readonly number[], udp: readonly number[]): Pair[] => [
    ...tcp.map((port) => ({ from, to, host, kind: 'tcp' as const, port })),
    ...udp.map((port) => ({ from, to, host, kind: 'udp' as const, port })),
  ]
  return [
    ...at(to.ip, [agentPorts.http, agentPorts.tcp, toolsPorts.http], [agentPorts.udp, toolsPorts.udp]),
    ...(to.serviceIp === undefined
      ? []
      : at(to.serviceIp, [servicePorts.http, servicePorts.tcp], [servicePorts.udp])),
  ]
}

async function allDenied(pairs: readonly Pair[], tries: number): Promise<void> {
  const [check] = networkPolicyChecks
  if (check === undefined) throw new Error('no checks')
  let id = 0
  const probes = pairs.map(({ from, to, host, kind, port }): PlannedProbe => ({
    check,
    probe: { from: from.name, to: to.name, via: 'pod-ip', protocol: kind, expect: 'timed-out' },
    from,
    to: podEnd(to, port),
    rests: [from, to],
    mayAnswer: [to],
    questions: Array.from({ length: tries }, () => ({
      agent: from.name,
      wire: { id: id++, kind, host, port, nonce: nonce(), timeoutMs: budgets.policyProbeMs.ms },
    })),
  }))
  const replies = await session.ask(probes)
  for (const { questions } of probes) {
    for (const { agent, wire } of questions) {
      const end = replies.result(agent, wire.id)?.end
      if (end !== 'timeout') throw new Error(`not denied but ${end}: ${JSON.stringify(wire)}`)
    }
  }
}

async function tenAtATime(pairs: readonly Pair[]): Promise<void> {
  for (let first = 0; first < pairs.length; first += 10) {
    await repeat(2, () => allDenied(pairs.slice(first, first + 10), 1))
  }
}

/** From the creation of the policies to the verdict on every cell, waiting for what is seen or for five seconds. */
async function createdToVerdict(steps: number): Promise<void> {
  // Not those that start a pod in their step, nor those that the cluster deviates from: they take their own time.
  const able = networkPolicyChecks.filter(
    ({ id, steps = [] }) =>
      !steps.some(({ newcomer }) => newcomer !== undefined) &&
      !declared.expect.some((each) => declared.matches(each.check, id)),
  )
  const ours: number[] = []
  const sleeping: number[] = []
  let different = 0
  for (let turn = 0; turn < steps; turn++) {
    const check = able[turn % able.length]
    if (check === undefined) throw new Error('no checks')
    const [outcome] = await session.run([check])
    const slept = await withFixedSleep(check)
    ours.push(outcome?.steps?.find(({ role }) => role === 'judged')?.ms ?? Number.NaN)
    sleeping.push(slept.ms)
    if (verdictsOf(outcome) !== slept.verdicts) {
      different += 1
      console.error(
        `${check.id}: ${outcome?.outcome} ${outcome?.reason}\n${verdictsOf(outcome)}\n${slept.verdicts}`,
      )
    }
  }
  line(`policy created to verdict, ${steps} steps`, summary(ours, 'ms'), '-')
  line(
    '  the same with a fixed sleep of 5 s',
    `${summary(sleeping, 'ms')}: ours ${(median(sleeping) / median(ours)).toFixed(1)}x`,
    '>= 4x',
  )
  line('  steps with another verdict', String(different), '0')
}

function verdictsOf(outcome: Outcome | undefined): string {
  return (outcome?.observations ?? [])
    .filter(({ step }) => step === 'under the policy')
    .map(({ probe, verdict }) => `${probe}: ${verdict}`)
    .join('\n')
}

async function withFixedSleep(check: (typeof networkPolicyChecks)[number]) {
  const bound = bindSteps(check, world)
  const step = bound.steps.find(({ role }) => role === 'judged')
  if (step === undefined) throw new Error(`${check.id} judges nothing`)
  const policies = [...bound.policies.values()]
  const cells = cellsOf(bound, step, { ...nothingMade, policies }, world, true)
  let verdicts = ''
  const ms = await timed(async () => {
    await kube.apply(policies)
    await sleep(5_000)
    const plan = planCells(cells, verdictRound)
    const seen = see(cells, plan, await session.ask(plan), world, declared)
    verdicts = seen.map(({ observation }) => `${observation.probe}: ${observation.verdict}`).join('\n')
  })
  for (const { metadata } of policies) {
    await kube.networking.deleteNamespacedNetworkPolicy({
      name: metadata?.name ?? '',
      namespace: metadata?.namespace ?? '',
    })
  }
  await sleep(1_000)
  return { ms, verdicts }
}
