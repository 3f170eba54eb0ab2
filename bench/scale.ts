import { setImmediate as nextTurn } from 'node:timers/promises'
import { KubeConfig } from '@kubernetes/client-node'
import { LineReader, encodeLine } from '../helpers/agent/frames.ts'
import type { AgentTransport } from '../helpers/agent/client.ts'
import {
  protocolVersion,
  type Command,
  type Frame,
  type Identity,
  type WireProbe,
  type WireResult,
} from '../helpers/agent/protocol.ts'
import { Agents } from '../helpers/agents.ts'
import { askAll } from '../helpers/asked.ts'
import { defineCheck } from '../helpers/check.ts'
import { choosePairs } from '../helpers/coverage/pairs.ts'
import { limits } from '../helpers/budgets.ts'
import { keepHeapLean } from '../helpers/lean-heap.ts'
import { outcomeOf } from '../helpers/outcome.ts'
import { largeWorld } from '../helpers/world.testdata.ts'
import type { WorldPod } from '../helpers/world.ts'
import { line, repeat, summary, timed } from './stats.ts'

/**
 * A cluster far larger than any here: the pairs of 5,000 nodes, and all pairs of 1,000 whose agents live in this process.
 * All that a run does but for the packets: plan, frames with their sums, rows, verdicts, outcome.
 */

// As the command does.
keepHeapLean()

const places = Array.from({ length: 5_000 }, (_, at) => ({ name: `node${at}`, zone: `zone${at % 3}` }))
let chosen = 0
const choosing = await repeat(5, () =>
  timed(async () => void (chosen = [...choosePairs(places, limits.nodePairs, '1')].length)),
)
line(`5,000 nodes: ${chosen.toLocaleString('en')} pairs chosen`, summary(choosing, 'ms'), '<= 1000 ms')

const nodes = 1_000
const world = largeWorld(nodes)
const pods = [...world.pods, ...world.further].filter(({ namespace }) => namespace === 'main')
const byAddress = new Map(pods.map((pod) => [pod.ip, pod]))

/** Lines on their way. Each is read before the next is written, as a socket's buffer is. */
const onTheWay = Buffer.alloc(1024 * 1024)
const bytesOf = (text: string): Uint8Array => onTheWay.subarray(0, onTheWay.write(text))

/** An agent that answers each question as the pod that was asked would. */
function simulated(self: WorldPod): AgentTransport {
  let listener: (chunk: Uint8Array) => void = () => undefined
  let seq = 0
  const reader = new LineReader()
  const send = (frame: Omit<Frame, 'seq'>): void => listener(bytesOf(encodeLine({ seq: seq++, ...frame })))
  const hello = {
    podUid: self.uid,
    pod: self.fullName,
    node: self.pinnedTo,
    version: protocolVersion,
    sockets: 4_096,
  }
  return {
    write(text) {
      for (const value of reader.read(bytesOf(text)).values) {
        const command = value as Command
        if (command.type !== 'plan') continue
        const { batch, probes } = command
        void nextTurn().then(() => {
          if (probes.length > 0)
            send({ type: 'results', batch, results: probes.map((probe) => answerTo(probe, self)) } as Frame)
          send({ type: 'done', batch, count: probes.length, waited: { fromMs: 0, toMs: 0 } } as Frame)
        })
      }
    },
    onData(onData) {
      listener = onData
      setImmediate(() => send({ type: 'hello', ...hello }))
    },
    onClose: () => undefined,
    close: () => undefined,
  }
}

function answerTo(probe: WireProbe, self: WorldPod): WireResult {
  if (probe.kind !== 'tcp') return { id: probe.id, end: 'local-error', attempts: 0, ms: 0 }
  const peer = byAddress.get(probe.host)
  const identity: Identity = {
    nonce: probe.nonce,
    podUid: peer?.uid ?? '',
    pod: peer?.fullName ?? '',
    node: peer?.pinnedTo ?? '',
    saw: self.ip,
  }
  return { id: probe.id, end: 'answered', attempts: 1, ms: 0.42, identity }
}

const check = defineCheck({
  id: 'bench/pairs',
  level: 'core',
  covers: ['P3'],
  requirement: 'Each node MUST reach each.',
  pods: { here: { node: 'every' }, there: { node: 'every' } },
  probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'tcp' }],
})

const before = process.memoryUsage().rss
let peak = before
const meter = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 50)
const startedMs = performance.now()
const startedCpu = process.cpuUsage()
const agents = new Agents(new KubeConfig(), world.namespaces)
const asking = pods.filter(({ name }) => name.endsWith('-a'))
await Promise.all(asking.map((pod) => agents.connectBy(pod.name, async () => simulated(pod))))
const asked = await askAll([check], world, (plan) => agents.ask(plan), { pairs: Infinity })
const declared = { features: [], expect: [], matches: () => false }
const outcome = outcomeOf(check, asked.observations(check, undefined), asked.slowestMs(check), declared)
const ms = performance.now() - startedMs
const { user, system } = process.cpuUsage(startedCpu)
agents.close()
clearInterval(meter)
const [seen] = outcome.observations
const judged = (seen?.asked ?? 0).toLocaleString('en')
line(
  `${judged} pairs of ${asking.length.toLocaleString('en')} agents: ${outcome.outcome}`,
  `${(ms / 1_000).toFixed(1)} s`,
  '<= 10 s',
)
// Says something also on a machine that is busy with other things; collecting garbage in other threads is in it.
line('  CPU time of the process', `${((user + system) / 1e6).toFixed(1)} s`, '-')
const mebi = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`
line('  memory of the process at most', `${mebi(peak)}, ${mebi(before)} of it before`, '<= 300 MB')
process.exit(outcome.outcome === 'passed' ? 0 : 1)
