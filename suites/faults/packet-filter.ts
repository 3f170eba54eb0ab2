import type { FaultContext } from './fault.ts'
import { outsideName } from '../../helpers/check-probes.ts'
import { runInOutsideNetwork, runInPodNetwork, type Victim } from './sandbox.ts'

/**
 * One iptables rule, without the leading -A: on a node, or in the network of a pod or of the server outside the cluster,
 * where every CNI's packets meet it.
 */
export type Rule = ({ node: string } | { pod: Victim } | { outside: true }) & {
  table: 'raw' | 'nat' | 'filter'
  chain: string
  match: readonly string[]
}

/** Marks our rules, so that their counters can be found again. */
const comment = ['-m', 'comment', '--comment', 'cni-conformance-fault']

function whereOf(rule: Rule): string {
  if ('outside' in rule) return outsideName
  return 'pod' in rule ? rule.pod.name : rule.node
}

function iptables(context: FaultContext, rule: Rule, ...argv: string[]): Promise<string> {
  const command = ['iptables', '-w', '5', '-t', rule.table, ...argv]
  if ('outside' in rule) return runInOutsideNetwork(context, command)
  return 'pod' in rule ? runInPodNetwork(context, rule.pod, command) : context.runOnNode(rule.node, command)
}

/** A fault made of packet filter rules: inserted first, proven by their counters, deleted again. */
export function packetFilterFault(rules: (context: FaultContext) => readonly Rule[]) {
  const change =
    (action: '-I' | '-D') =>
    async (context: FaultContext): Promise<void> => {
      for (const rule of rules(context))
        await iptables(context, rule, action, rule.chain, ...comment, ...rule.match)
    }
  return {
    when: 'before-run' as const,
    outcome: 'failed' as const,
    inject: change('-I'),
    heal: change('-D'),
    async vacuous(context: FaultContext): Promise<string | undefined> {
      for (const rule of rules(context)) {
        const { table, chain } = rule
        const listed = await iptables(context, rule, '-nvxL', chain)
        const ours = listed.split('\n').filter((line) => line.includes('cni-conformance-fault'))
        const packets = ours.map((line) => Number(line.trim().split(/\s+/)[0]))
        if (packets.some((count) => count > 0)) continue
        return `no packet met the rule in ${table} ${chain} of ${whereOf(rule)}`
      }
      return undefined
    },
  }
}
