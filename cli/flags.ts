import type { Command } from 'commander'
import { UsageError } from '../helpers/errors.ts'
import { shown } from '../helpers/shown.ts'
import { suggestion } from '../helpers/suggest.ts'
import type { GlobalOptions } from './options.ts'

/** Collects what is wrong with a command line, so that a user mends it in one go, like a definition. */
export class Problems {
  readonly #lines: string[] = []

  add(line: string): void {
    this.#lines.push(line)
  }

  /** Runs something that throws a {@link UsageError}; its problems join the others and the value is `undefined`. */
  async collect<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      this.#lines.push(...error.problems)
      return undefined
    }
  }

  /** A value out of a closed set; `undefined` when it is none of them, or not given. */
  oneOf<const T extends string>(flag: string, value: string | undefined, known: readonly T[]): T | undefined {
    const found = known.find((each) => each === value)
    if (value !== undefined && found === undefined) {
      this.add(`${flag}: expected ${known.join(' or ')}, got ${shown(value)}`)
    }
    return found
  }

  /** @throws {UsageError} when anything was added */
  throwIfAny(): void {
    if (this.#lines.length > 0) throw new UsageError(this.#lines)
  }
}

/** Values of --no-install, --quiet and --output, which commander knows on both sides of the command's name. */
export function globalOptions(command: Command, problems: Problems): GlobalOptions {
  const raw = command.optsWithGlobals<{ install: boolean; quiet?: true; output: string }>()
  return {
    install: raw.install && process.env['CNI_CONFORMANCE_NO_INSTALL'] !== '1',
    quiet: raw.quiet === true,
    output: problems.oneOf('--output', raw.output, ['text', 'json']) ?? 'text',
  }
}

/**
 * Splits what commander could not place into operands and unknown options. commander itself would stop at the first
 * one. A word behind an unknown option is left alone: it may be that option's value.
 */
export function operandsOf(command: Command, max: number, problems: Problems): string[] {
  const operands: string[] = []
  const options = [...command.options, ...(command.parent?.options ?? [])]
  const known = options.flatMap((option) => (option.long == null ? [] : [option.long]))
  command.args.forEach((arg, index) => {
    if (arg.length > 1 && arg.startsWith('-')) {
      const name = arg.replace(/=.*$/s, '')
      const flag = known.includes(name) ? 'takes no value' : suggestion(name, known)
      problems.add(`unknown option ${shown(arg)}; ${flag}`)
    } else if (!(command.args[index - 1] ?? '').startsWith('-')) operands.push(arg)
  })
  for (const extra of operands.slice(max)) problems.add(`unexpected argument ${shown(extra)}`)
  return operands.slice(0, max)
}
