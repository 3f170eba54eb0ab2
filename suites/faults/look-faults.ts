import { z } from 'zod'
import { runInContainer } from '../../helpers/nodes.ts'
import type { Fault, FaultContext, Ground, Placement } from './fault.ts'
import { packetFilterFault } from './packet-filter.ts'
import { arePaused, signalPrograms } from './programs.ts'
import { runInPodNetwork, type Victim } from './sandbox.ts'

/** Asks others and is asked by nobody: what breaks its own side of a path breaks no other check. */
const bystander: Victim = { node: 'worker2', name: 'worker2-other' }

const linkSchema = z.array(
  z.object({ ifname: z.string(), ifindex: z.number(), link_index: z.number().optional() }),
)

async function hostEnd(context: FaultContext): Promise<string> {
  const [, node] = context.workers
  const inside = linkSchema.parse(
    JSON.parse(await runInPodNetwork(context, bystander, ['ip', '-json', 'link', 'show', 'eth0'])),
  )
  const links = linkSchema.parse(JSON.parse(await context.runOnNode(node, ['ip', '-json', 'link', 'show'])))
  const found = links.find(({ ifindex }) => ifindex === inside[0]?.link_index)
  if (found === undefined) throw new Error(`no interface of ${node} is the other end of ${bystander.name}`)
  return found.ifname
}

function hostEndRenamed(): Fault {
  let name = ''
  const newName = 'renamed0'
  const rename = async ({ runOnNode, workers: [, node] }: FaultContext, from: string, to: string) => {
    await runOnNode(node, ['ip', 'link', 'set', 'dev', from, 'name', to])
  }
  return {
    id: 'host-end-renamed',
    breaks: "The node's end of one pod's interface has a name that is not the network's.",
    // Felix's entries for a pod go by that name.
    red: ({ cni = 'calico' }) => [
      'pod/interface/host-end',
      ...(cni === 'calico' ? ['cni/endpoints/listed'] : []),
    ],
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      name = await hostEnd(context)
      await rename(context, name, newName)
    },
    async vacuous(context) {
      const seen = await hostEnd(context)
      return seen === newName ? undefined : `it is called ${seen}`
    },
    heal: (context) => rename(context, newName, name),
  }
}

/** Names of the agents' programs, as the kernel keeps them. */
const agents = 'flanneld|calico-node|cilium-agent'

const signalAgent = (context: FaultContext, signal: '-STOP' | '-CONT'): Promise<void> =>
  signalPrograms(context, [context.workers[1]], signal, agents)

/** Checks that can say nothing while an agent is silent: what Cilium tells of itself, its agent tells; the others' state lies in the kernel and in files. */
export const silentAgent = ({ cni, kubeProxy }: Ground): readonly string[] =>
  cni.name === 'cilium'
    ? [
        'cni/declared/{version,encapsulation}',
        'cni/other-nodes/known',
        'cni/endpoints/listed',
        ...(kubeProxy === 'none' ? ['cni/declared/kube-proxy'] : []),
      ]
    : []

/** Checks that hear from the agent itself where it serves Services in place of kube-proxy. */
export const toldByAgent = ({ kubeProxy }: Placement): readonly string[] =>
  kubeProxy === 'none' ? ['service/health-check-node-port/*'] : []

const agentPaused: Fault = {
  id: 'cni-agent-paused',
  breaks: "The network's agent is paused on one worker.",
  red: (world) => ['cni/agent/healthy', ...toldByAgent(world)],
  inconclusive: silentAgent,
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => signalAgent(context, '-STOP'),
  vacuous: async (context) =>
    (await arePaused(context, [context.workers[1]], agents)) ? undefined : 'the agent runs',
  heal: (context) => signalAgent(context, '-CONT'),
}

const kubeProxyHidden: Fault = {
  id: 'kube-proxy-hidden',
  breaks: 'Nobody listens where kube-proxy of one worker says in which mode it runs.',
  red: () => ['cni/declared/kube-proxy'],
  ...packetFilterFault(({ workers: [node] }) => [
    {
      node,
      table: 'filter',
      chain: 'OUTPUT',
      match: ['-o', 'lo', '-p', 'tcp', '--dport', '10249', '-j', 'REJECT', '--reject-with', 'tcp-reset'],
    },
  ]),
}

/** The agent's container, and its program, by CNI. */
const programs: Readonly<Record<string, { container: string; program: string }>> = {
  flannel: { container: 'kube-flannel', program: '/opt/bin/flanneld' },
  calico: { container: 'calico-node', program: 'calico-node' },
  cilium: { container: 'cilium-agent', program: 'cilium-agent' },
}

const swapScript = `
program=$(command -v "$1") && mv "$program" "$program.whole" &&
printf '#!/bin/sh\\necho v0.0.0\\n' >"$program" && chmod 0755 "$program"`
const swapBackScript = 'program=$(command -v "$1") && mv "$program.whole" "$program"'

const changeProgram = async (
  { runOnNode, workers: [node], cni }: FaultContext,
  script: string,
): Promise<void> => {
  const found = programs[cni.name]
  if (found === undefined) throw new Error(`the program of ${cni.name} is not known`)
  await runInContainer(runOnNode, node, found.container, ['sh', '-c', script, 'sh', found.program])
}

const agentReplaced: Fault = {
  id: 'cni-agent-replaced',
  breaks:
    "The program of the network's agent is another version on one worker, as in an upgrade that stopped halfway.",
  needs: { cnis: Object.keys(programs) },
  red: () => ['cni/declared/version'],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => changeProgram(context, swapScript),
  vacuous: async () => undefined,
  heal: (context) => changeProgram(context, swapBackScript),
}

/**
 * Felix puts a route back at its next look, which comes every 90 s and may come in the middle of a run: it is taken away
 * again at once, until the program that does so is killed. What that has just begun must not take what is given back.
 */
const keptAway = `
ip route del "$@" || exit
setsid sh -c 'while :; do ip route del "$@" 2>/dev/null; sleep 0.05; done' sh "$@" </dev/null >/dev/null 2>&1 &
echo $!`
const givenBack = 'kill "$1"; sleep 0.2; shift; ip route replace "$@"'

/** Takes what a CNI keeps of a pod of its node, given its address, and returns what gives it back. What is taken from Cilium, it puts back a minute later. */
const entries: Readonly<Record<string, (ip: string, context: FaultContext) => Promise<readonly string[]>>> = {
  async flannel(ip, { runOnNode, workers: [, node] }) {
    const file = `/var/lib/cni/networks/cbr0/${ip}`
    await runOnNode(node, ['mv', file, `${file}.away`])
    return ['mv', `${file}.away`, file]
  },
  async calico(ip, { runOnNode, workers: [, node] }) {
    const route = (await runOnNode(node, ['ip', 'route', 'show', 'exact', ip])).trim().split(/\s+/)
    const pid = (await runOnNode(node, ['sh', '-c', keptAway, 'sh', ...route])).trim()
    return ['sh', '-c', givenBack, 'sh', pid, ...route]
  },
}

function entryForgotten(): Fault {
  let giveBack: readonly string[] | undefined
  return {
    id: 'pod-entry-forgotten',
    breaks: "What the network keeps of one pod is gone on its node: Flannel's address file, Calico's route.",
    needs: { cnis: Object.keys(entries) },
    // Flannel's file matters when the next address is given; without Calico's route no answer reaches the pod.
    red: ({ cni = '' }) => [
      'cni/endpoints/listed',
      ...(cni === 'flannel' ? [] : ['service/name/other-namespace', 'dns/search-path']),
    ],
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      const ip = context.world.pods.find(({ name }) => name === bystander.name)?.ip ?? ''
      giveBack = await entries[context.cni.name]?.(ip, context)
    },
    vacuous: async () => (giveBack === undefined ? 'there was no such entry' : undefined),
    async heal({ runOnNode, workers: [, node] }) {
      if (giveBack !== undefined) await runOnNode(node, giveBack)
      giveBack = undefined
    },
  }
}

/** Faults of what the network shows of itself. */
export const lookFaults: readonly Fault[] = [
  hostEndRenamed(),
  agentPaused,
  agentReplaced,
  kubeProxyHidden,
  entryForgotten(),
]
