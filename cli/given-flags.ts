import type { Command } from 'commander'
import { collect } from './command.ts'

/** How a cluster that is not ours is reached, and where the run lives on it. */
export function givenFlags(command: Command): void {
  command
    .option('--kubeconfig <file>', 'a cluster that stands already, instead of one to be made')
    .option('--context <name>', 'its context in that file; must be given in CI and without a terminal')
    .option(
      '--namespace <name>',
      'with --kubeconfig: use the namespaces NAME and NAME-other, which are there already, instead of new ones',
    )
}

/** What a run does there. */
export function fixtureFlags(command: Command): void {
  command
    .option('--node-selector <labels>', 'with --kubeconfig: choose the nodes among those with key=value[,…]')
    .option(
      '--fixture-image <image>',
      'with --kubeconfig: node=REF or agnhost=REF instead of the upstream image; may be given again',
      collect,
    )
    .option('--dry-run', 'with --kubeconfig: print every object that would be applied, change nothing')
}
