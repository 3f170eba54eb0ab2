import { basename, dirname } from 'node:path'
import type { Life } from '../../helpers/steps/step-moments.ts'
import type { WorldPod } from '../../helpers/world.ts'
import type { Fault, FaultContext } from './fault.ts'
import { signalPrograms } from './programs.ts'
import { runInPodNetwork, type Victim } from './sandbox.ts'

/** Where the checks' own pods run. */
const subjectNode = ({ workers: [first] }: FaultContext): string => first

interface Agent {
  names: string
  /** A file that goes with the agent when its node restarts. */
  file?: string
  /** The file stays, and leads to nobody. */
  dead?: true
}

const agents: Readonly<Record<string, Agent>> = {
  // Its plugin asks nobody: it reads this file.
  flannel: { names: 'flanneld', file: '/run/flannel/subnet.env' },
  calico: { names: 'calico-node' },
  // Its plugin gives up a socket that refuses after 30 s, and one that is silent or away after twice that.
  cilium: { names: 'cilium-agent', file: '/var/run/cilium/cilium.sock', dead: true },
}

function agentOf({ cni }: FaultContext): Agent {
  const agent = agents[cni.name]
  if (agent === undefined) throw new Error(`the agent of ${cni.name} is not known`)
  return agent
}

const awayOf = (file: string): string => `${file}.away`

const creation = 'life-cycle/pod/creation'

const cniAgentStopped: Fault = {
  id: 'cni-agent-stopped',
  breaks: 'The agent of the CNI is stopped on a node, as after its restart, before a pod is created there.',
  red: () => [creation],
  stepped: [creation],
  needs: { cnis: Object.keys(agents) },
  outcome: 'failed',
  when: 'before-start',
  async inject(context) {
    const { names, file, dead } = agentOf(context)
    const node = subjectNode(context)
    await signalPrograms(context, [node], '-STOP', names)
    if (file !== undefined) await context.runOnNode(node, ['mv', file, awayOf(file)])
    if (file !== undefined && dead === true) await context.runOnNode(node, ['touch', file])
  },
  // Mended again by now; that its check is red says that it was there.
  vacuous: async () => undefined,
  async heal(context) {
    const { names, file } = agentOf(context)
    const node = subjectNode(context)
    const isAway = async (): Promise<boolean> =>
      file !== undefined &&
      (await context.runOnNode(node, ['find', dirname(file), '-name', basename(awayOf(file))])) !== ''
    if (file !== undefined && (await isAway())) await context.runOnNode(node, ['mv', awayOf(file), file])
    await signalPrograms(context, [node], '-CONT', names)
  },
}

/**
 * Who translates the addresses of Services. Cilium does it for pods also where kube-proxy is kept, and then each answers
 * for the other.
 */
export const serviceProxies = 'kube-proxy|cilium-agent'

const services = 'life-cycle/service'

const serviceProxyStopped: Fault = {
  id: 'service-proxy-stopped',
  breaks:
    'What serves Services (kube-proxy, or Cilium in its place) is stopped on both workers, then one is created.',
  red: () => [`${services}/creation`],
  stepped: [`${services}/creation`],
  outcome: 'failed',
  when: 'before-apply',
  inject: (context) => signalPrograms(context, context.workers, '-STOP', serviceProxies),
  vacuous: async (_context, outcomes) => existingBroken(outcomes.flatMap(({ observations }) => observations)),
  heal: (context) => signalPrograms(context, context.workers, '-CONT', serviceProxies),
}

/** What else was there must go on: only then is it the Service that is not as it must be. */
export function existingBroken(
  observations: readonly { to: { name: string }; verdict: string; expected: string }[],
): string | undefined {
  const off = observations.filter(({ verdict, expected }) => verdict !== expected)
  const others = off.filter(({ to }) => !to.name.startsWith('Service '))
  if (others.length > 0) return `something else is broken too: ${others.map(({ to }) => to.name).join(', ')}`
  return off.length > 0 ? undefined : 'every new Service was answered'
}

const serviceRemovalUnnoticed: Fault = {
  id: 'service-removal-unnoticed',
  breaks: 'What serves Services is stopped on both workers, then a Service is deleted.',
  red: () => [`${services}/deletion`],
  stepped: [`${services}/deletion`],
  outcome: 'failed',
  when: 'before-removal',
  inject: (context) => signalPrograms(context, context.workers, '-STOP', serviceProxies),
  vacuous: async (_context, outcomes) => existingBroken(outcomes.flatMap(({ observations }) => observations)),
  heal: (context) => signalPrograms(context, context.workers, '-CONT', serviceProxies),
}

/** The fixture pods that ask in these checks. */
const clients: readonly Victim[] = [
  { node: 'worker1', name: 'worker1-a' },
  { node: 'worker2', name: 'worker2-a' },
]

/** A rule in the network of each pod that asks: what it sends to that address ends here, and elsewhere than it should. */
const rulesFor = ({ ip }: WorldPod, target: string, table = 'filter'): Rule =>
  outputRule(`-d ${ip} -j ${target}`, table)

type Rule = Record<'-A' | '-D', string[]>

/** A rule for what a pod sends, to be added and deleted. */
export function outputRule(matching: string, table = 'filter'): Rule {
  const rule = (action: '-A' | '-D'): string[] =>
    `iptables -w 5 -t ${table} ${action} OUTPUT ${matching}`.split(' ')
  return { '-A': rule('-A'), '-D': rule('-D') }
}

/** What has been planted and is to be taken away again, in the order in which it was planted. */
export type Undo = () => Promise<unknown>

async function forEachClient(context: FaultContext, argv: readonly string[]): Promise<void> {
  await Promise.all(clients.map((client) => runInPodNetwork(context, client, argv)))
}

/** Gives every client a rule, and takes it away again with the rest. */
export async function plantRule(context: FaultContext, rule: Rule, undo: Undo[]): Promise<void> {
  await forEachClient(context, rule['-A'])
  undo.push(() => forEachClient(context, rule['-D']))
}

/** Pods that were made anew: as they were, and as they are. */
export const recreated = (lives: readonly Life[]): [WorldPod, WorldPod][] =>
  lives.flatMap(({ former, running }): [WorldPod, WorldPod][] =>
    former === undefined || running === undefined ? [] : [[former, running]],
  )

/** Takes away what was planted, the last first; what is left after an error is taken away the next time. */
export async function undoAll(undo: Undo[]): Promise<void> {
  while (undo.length > 0) {
    await undo.at(-1)?.()
    undo.pop()
  }
}

/** A stale translation, as a load balancer or a connection table keeps it. */
function formerAddressLed(): Fault {
  const undo: Undo[] = []
  let rules = 0
  return {
    id: 'former-address-led',
    breaks:
      'What is sent to the address of a deleted pod is led to the pod that was made anew under its name.',
    red: () => ['life-cycle/pod/{no-stale-answer,former-record}'],
    stepped: ['life-cycle/pod/{no-stale-answer,former-record}'],
    outcome: 'failed',
    when: 'after-start',
    async inject(context, lives) {
      for (const [former, running] of recreated(lives)) {
        await plantRule(context, rulesFor(former, `DNAT --to-destination ${running.ip}`, 'nat'), undo)
        rules += 1
      }
    },
    vacuous: async () => (rules > 0 ? undefined : 'no pod was made anew'),
    heal: () => undoAll(undo),
  }
}

/** Where host-local keeps the addresses that Flannel's plugin has given away. */
const flannelAddresses = '/var/lib/cni/networks/cbr0'

function podLeftBehind(): Fault {
  const undo: Undo[] = []
  let planted = 0
  return {
    id: 'pod-left-behind',
    breaks:
      'Of a deleted pod an interface of its name stays on its node, with Flannel its IPAM entry too, and the node answers at its address.',
    red: () => ['life-cycle/pod/{no-stale-answer,traces}'],
    stepped: ['life-cycle/pod/{no-stale-answer,traces}'],
    outcome: 'failed',
    when: 'after-stop',
    async inject(context, lives) {
      const node = subjectNode(context)
      const plant = async (there: readonly string[], away: readonly string[]): Promise<void> => {
        await context.runOnNode(node, there)
        undo.push(() => context.runOnNode(node, away))
        planted += 1
      }
      for (const { former, traced } of lives) {
        if (former === undefined) continue
        await plantRule(context, rulesFor(former, 'REJECT'), undo)
        const name = traced?.hostInterface?.name
        if (name === undefined) continue
        // Kernels without dummy interfaces have pairs.
        await plant(['ip', 'link', 'add', name, 'type', 'veth'], ['ip', 'link', 'del', name])
        if (context.cni.name !== 'flannel') continue
        const file = `${flannelAddresses}/${former.ip}`
        await plant(['touch', file], ['rm', '--force', file])
      }
    },
    vacuous: async () => (planted > 0 ? undefined : 'no pod was deleted'),
    heal: () => undoAll(undo),
  }
}

/** Faults of what comes and goes: pods and Services that are created and deleted. */
export const lifeFaults: readonly Fault[] = [
  cniAgentStopped,
  serviceProxyStopped,
  serviceRemovalUnnoticed,
  formerAddressLed(),
  podLeftBehind(),
]
