import { Command, CommanderError } from 'commander'
import { SetupError, UsageError, exitCodes, messageOf } from '../helpers/errors.ts'
import { keepHeapLean } from '../helpers/lean-heap.ts'
import { exampleText } from './command.ts'
import { commands } from './commands.ts'
import { readTool } from './tool.ts'

/**
 * Runs one command line.
 *
 * @param argv arguments behind the program's name
 * @returns the exit code, one of helpers/errors.ts
 */
export async function main(argv: readonly string[]): Promise<number> {
  keepHeapLean()
  // `list | head` closes our stdout; that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(exitCodes.passed)
  })
  let exitCode: number = exitCodes.passed
  const program = createProgram()
  for (const add of commands) add(program, (code) => (exitCode = code))
  try {
    // `--keep flannel` would take the cluster's name for the value of the flag.
    const args = argv.map((arg) => (arg === '--keep' ? '--keep=always' : arg))
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    return complain(error)
  }
}

function createProgram(): Command {
  const examples = exampleText([
    ['cni-conformance test flannel', 'make a cluster, check its pod network, delete it'],
    ['cni-conformance doctor', 'what this machine lacks for that'],
    ['cni-conformance validate ./mine.yaml', 'check a cluster definition of your own'],
  ])
  return new Command('cni-conformance')
    .description('Conformance tests for Kubernetes pod networking, on real clusters.')
    .version(readTool().version, '--version')
    .option('--no-install', 'never install anything on this machine; say what to run instead')
    .option('-q, --quiet', 'no progress')
    .option('-o, --output <format>', 'text or json on standard output', 'text')
    .addHelpText('before', examples)
    .addHelpText('after', exitCodeText)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
}

const exitCodeText = `
Exit codes: 0 all required checks passed, 1 a check failed, 2 usage or configuration, 3 inconclusive: no verdict
about the network (set-up, transport, nothing ran), 130 and 143 ended by a signal.`

/** Says what went wrong on standard error, in the user's terms, and picks the exit code. */
function complain(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and --version come this way, too; what they print is printed already.
    if (error.exitCode === 0) return exitCodes.passed
    if (error.code !== 'commander.help') process.stderr.write(`${usageMessage(error.message)}\n`)
    return exitCodes.usage
  }
  if (error instanceof UsageError || error instanceof SetupError) {
    process.stderr.write(`${error.message}\n`)
    return error instanceof UsageError ? exitCodes.usage : exitCodes.inconclusive
  }
  const stack =
    process.env['DEBUG'] === undefined ? 'set DEBUG=1 to see where' : (error as Error | undefined)?.stack
  process.stderr.write(`${messageOf(error).split('\n')[0]}: this is a bug; ${stack ?? ''}\n`)
  return exitCodes.inconclusive
}

/** commander's message in the form of ours: no prefix, one line. */
function usageMessage(message: string): string {
  return message.replace(/^error: /, '').replace(/\n\(Did you mean (.*?)\?\)$/s, '; did you mean $1?')
}

// cni-conformance.mjs is the faster way in; this one is for `node cli/main.ts`.
if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
