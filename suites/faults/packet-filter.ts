import type { FaultContext } from './fault.ts'

/** One iptables rule on one node, without the leading -A. */
export interface Rule {
  node: string
  table: 'raw' | 'nat' | 'filter'
  chain: string
  match: readonly string[]
}

/** Marks our rules, so that their counters can be found again. */
const comment = ['-m', 'comment', '--comment', 'cni-conformance-fault']

/** A fault made of packet filter rules: inserted first, proven by their counters, deleted again. */
export function packetFilterFault(rules: (context: FaultContext) => readonly Rule[]) {
  const change =
    (action: '-I' | '-D') =>
    async (context: FaultContext): Promise<void> => {
      for (const { node, table, chain, match } of rules(context)) {
        await context.runOnNode(node, [
          'iptables',
          '-w',
          '5',
          '-t',
          table,
          action,
          chain,
          ...comment,
          ...match,
        ])
      }
    }
  return {
    when: 'before-run' as const,
    outcome: 'failed' as const,
    inject: change('-I'),
    heal: change('-D'),
    async vacuous(context: FaultContext): Promise<string | undefined> {
      for (const { node, table, chain } of rules(context)) {
        const listed = await context.runOnNode(node, ['iptables', '-w', '5', '-t', table, '-nvxL', chain])
        const ours = listed.split('\n').filter((line) => line.includes('cni-conformance-fault'))
        const packets = ours.map((line) => Number(line.trim().split(/\s+/)[0]))
        if (packets.some((count) => count > 0)) continue
        return `no packet met the rule in ${table} ${chain} of ${node}`
      }
      return undefined
    },
  }
}
