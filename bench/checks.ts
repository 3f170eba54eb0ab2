import { subscribe } from 'node:diagnostics_channel'
import { readFile } from 'node:fs/promises'
import pLimit from 'p-limit'
import { median } from 'simple-statistics'
import { AgentClient } from '../helpers/agent/client.ts'
import { openExecStream } from '../helpers/agent/exec-stream.ts'
import { agentPorts, type WireProbe } from '../helpers/agent/protocol.ts'
import { defineCheck, isLight, isLooking, type Check } from '../helpers/check.ts'
import { run } from '../helpers/exec.ts'
import { agentCommand, containers } from '../helpers/fixture-pods.ts'
import { startHeldRun } from '../helpers/held-run.ts'
import { attach, readLegHandle } from '../helpers/leg-handle.ts'
import { checks as catalogue } from '../suites/catalogue.ts'
import { line, repeat, summary, timed } from './stats.ts'

/**
 * How fast the checks are, on one cluster, beside what a user would do instead: one `kubectl exec` with curl per
 * check, in series and 16 at a time.
 */

/** Those that can be asked at any time; the others are timed by bench/policy.ts. */
const checks = catalogue.filter(isLight)
const held = await startHeldRun('flannel')
if (held.leg.state === 'failed') throw new Error(held.leg.reason)
const handle = await readLegHandle(held.leg.handleFile)
const cluster = await attach(handle)
const { session } = cluster
const world = await session.world()

try {
  await healthyRuns()
  await looks()
  await checksPerSecond()
  await overhead()
  await requests()
  await memory()
} finally {
  cluster.close()
  await held.stop()
}

/** 20 runs of all checks in a row, retry = 0. */
async function healthyRuns(): Promise<void> {
  let notGreen = 0
  const times = await repeat(20, async () =>
    timed(async () => {
      const off = (await session.run(checks)).filter(({ outcome }) => outcome !== 'passed')
      for (const { check, reason } of off) console.error(`not green: ${check}: ${reason}`)
      notGreen += off.length
    }),
  )
  line(`20 healthy runs of ${checks.length} checks: not green`, String(notGreen), '0')
  line('  one run', summary(times, 'ms'), '-')
}

/** All that is looked at on the nodes, once in a run. */
async function looks(): Promise<void> {
  const looking = catalogue.filter(isLooking)
  const times = await repeat(10, () => timed(() => session.run(looking)))
  line(`${looking.length} looks at ${world.nodes.length} nodes`, summary(times, 'ms'), '-')
}

/** As many HTTP checks as asked for, over the paths between all fixture pods. */
function manyChecks(count: number): Check[] {
  return Array.from({ length: count }, (_, index) =>
    defineCheck({
      id: `bench/http-${index}`,
      level: 'core',
      covers: ['P3'],
      requirement: 'It MUST answer.',
      pods: { a: { node: 'worker1' }, b: { node: index % 2 === 0 ? 'worker2' : 'worker1' } },
      probes: [
        index % 4 < 2
          ? { from: 'a', to: 'b', via: 'pod-ip', protocol: 'http' }
          : { from: 'b', to: 'a', via: 'pod-ip', protocol: 'http' },
      ],
    }),
  )
}

async function checksPerSecond(): Promise<void> {
  const many = manyChecks(1_000)
  const ours = await repeat(5, () => timed(() => session.run(many)))
  const rate = (1_000 * many.length) / median(ours)
  const [from, to] = world.pods
  if (from === undefined || to === undefined) throw new Error('no fixtures')
  const kubectl = [
    'kubectl',
    '--kubeconfig',
    handle.kubeconfig,
    '-n',
    handle.namespaces.main,
    'exec',
    from.name,
  ]
  const curl = [
    ...kubectl,
    '-c',
    containers.tools,
    '--',
    'curl',
    '-sS',
    '-m',
    '2',
    `http://${to.ip}:${agentPorts.http}/identity?nonce=x`,
  ]
  const serial = await repeat(5, () => timed(() => repeat(10, () => run(curl))))
  const limit = pLimit(16)
  const parallel = await repeat(5, () =>
    timed(() => Promise.all(Array.from({ length: 64 }, () => limit(() => run(curl))))),
  )
  const serialRate = 10_000 / median(serial)
  const parallelRate = 64_000 / median(parallel)
  line(
    'HTTP checks per second, ours (1,000 in a run)',
    `${rate.toFixed(0)}/s, run ${summary(ours, 'ms')}`,
    '-',
  )
  line(
    '  one kubectl exec + curl each, in series',
    `${serialRate.toFixed(1)}/s: ours ${(rate / serialRate).toFixed(0)}x`,
    '>= 150x',
  )
  line('  16 at a time', `${parallelRate.toFixed(1)}/s: ours ${(rate / parallelRate).toFixed(0)}x`, '>= 50x')
}

/** Time above the slowest budget when half of the probes get no answer. */
async function overhead(): Promise<void> {
  const [from] = world.pods
  const to = world.pods.find(({ node }) => node !== from?.node)
  if (from === undefined || to === undefined) throw new Error('no fixtures')
  const transport = await openExecStream(cluster.kube.config, {
    namespace: handle.namespaces.main,
    pod: from.name,
    container: containers.agent,
    command: agentCommand,
  })
  const agent = await AgentClient.open(transport)
  const timeoutMs = 1_000
  // Nothing of ours listens there, and the node of the other pod swallows what comes.
  const silentPort = 9
  const swallow = (action: string) =>
    cluster.runOnNode(to.pinnedTo, [
      'iptables',
      '-t',
      'raw',
      action,
      'PREROUTING',
      '-p',
      'tcp',
      '--dport',
      String(silentPort),
      '-j',
      'DROP',
    ])
  await swallow('-I')
  for (const [count, bar] of [
    [486, 100],
    [2_000, 150],
  ] as const) {
    const times = await repeat(5, async () => {
      const probes = Array.from({ length: count }, (_, id): WireProbe => ({
        id,
        kind: 'tcp',
        host: to.ip,
        port: id % 2 === 0 ? agentPorts.tcp : silentPort,
        nonce: `bench-${id}`,
        timeoutMs,
      }))
      const ms = await timed(async () => {
        const { results, fault } = await agent.runPlan(probes)
        const ends = [...results.values()].map(({ end }) => end)
        const answered = ends.filter((end) => end === 'answered').length
        const silentOnes = ends.filter((end) => end === 'timeout').length
        if (answered !== count / 2 || silentOnes !== count / 2) {
          const other = [...results.values()].find(({ end }) => end !== 'answered' && end !== 'timeout')
          throw new Error(
            `${answered} answered, ${silentOnes} timed out of ${count}: ${fault ?? JSON.stringify(other)}`,
          )
        }
      })
      return ms - timeoutMs
    })
    line(`overhead above the budget, ${count} TCP probes, half silent`, summary(times, 'ms'), `<= ${bar} ms`)
  }
  agent.close()
  await swallow('-D')
}

/** API requests of a run, counted at the HTTP client, with few and with many checks. */
async function requests(): Promise<void> {
  let count = 0
  subscribe('undici:request:create', () => (count += 1))
  const counts: number[] = []
  for (const many of [manyChecks(10), manyChecks(1_000)]) {
    count = 0
    await session.run(many)
    counts.push(count)
  }
  line('API requests of a run with 10 and with 1,000 checks', counts.join(' and '), 'equal')
}

/** Peak resident memory of the process that ran the leg. */
async function memory(): Promise<void> {
  const status = await readFile(`/proc/${held.pid}/status`, 'utf8')
  const peakKiB = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1])
  line(
    'peak memory of the runner (create, CNI, fixtures, checks)',
    `${(peakKiB / 1024).toFixed(0)} MiB`,
    '<= 300 MB',
  )
}
