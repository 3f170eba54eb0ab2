import type { Command } from 'commander'
import { Problems, globalOptions, operandsOf } from './flags.ts'
import type { GlobalOptions } from './options.ts'

/** What a command's work gets: its operands, its own flags, and the list for everything wrong with either. */
interface Call<Flags> {
  operands: string[]
  flags: Flags
  globals: GlobalOptions
  problems: Problems
}

export interface CommandSpec<Flags> {
  /** Name and arguments as commander reads them. */
  usage: string
  summary: string
  /** What the help shows first: a command line and what it does. */
  examples: readonly (readonly [line: string, does: string])[]
  /** Most operands that it takes. */
  operands: number
  /** Adds the flags. */
  flags?: (command: Command) => void
  /** Returns the exit code. Its module is loaded by the work, so that help and refusals come at once. */
  work: (call: Call<Flags>) => Promise<number>
}

/** For a flag that may be given again. */
export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value]

/** A command on its way into the program; `done` is told the exit code. */
export type AddCommand = (program: Command, done: (exitCode: number) => void) => void

/** Makes a command from its spec. */
export function defineCommand<Flags>(spec: CommandSpec<Flags>): AddCommand {
  return (program, done) => {
    const command = program.command(spec.usage).description(spec.summary)
    command.addHelpText('before', exampleText(spec.examples))
    // Both are judged by operandsOf, together with everything else.
    command.allowUnknownOption().allowExcessArguments()
    spec.flags?.(command)
    command.action(async () => {
      const problems = new Problems()
      const operands = operandsOf(command, spec.operands, problems)
      const globals = globalOptions(command, problems)
      done(await spec.work({ operands, flags: command.opts() as Flags, globals, problems }))
    })
  }
}

/** `Examples:` with the command lines and what they do in two columns. */
export function exampleText(examples: CommandSpec<unknown>['examples']): string {
  const width = Math.max(...examples.map(([line]) => line.length))
  return ['Examples:', ...examples.map(([line, does]) => `  ${line.padEnd(width)}  ${does}`), ''].join('\n')
}
