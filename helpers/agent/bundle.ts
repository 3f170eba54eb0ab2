import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

/** What runs in the pod: these modules import one another and Node's own, nothing else. A test holds this. */
export const programModules = [
  'bulk',
  'dns-message',
  'facts',
  'first-packets',
  'frames',
  'held-sockets',
  'idle',
  'identity',
  'linger',
  'main',
  'probe-connect',
  'probe-datagram',
  'probe-stream',
  'probe-tls',
  'probe-tools',
  'prober',
  'protocol',
  'resolve',
  'run-queue',
  'server',
  'slots',
  'source-ports',
  'stalls',
  'trial',
] as const

const source = (module: string): string => readFileSync(join(import.meta.dirname, `${module}.ts`), 'utf8')

/** Changes whenever the agent's sources do; 12 hex digits, fit for a label. */
export const agentVersion: string = createHash('sha256')
  .update(programModules.map((module) => `${module}\n${source(module)}`).join('\0'))
  .digest('hex')
  .slice(0, 12)

/**
 * The agent as plain JavaScript, file name -> text, for a ConfigMap that is mounted as one folder; `main.mjs` is the
 * program. Types become blanks, so line and column in a stack trace are those of the source.
 */
export function agentFiles(): Record<string, string> {
  return withoutExperimentalWarning(() =>
    Object.fromEntries(
      programModules.map((module) => [
        `${module}.mjs`,
        stripTypeScriptTypes(source(module)).replace(/(from '\.\/[\w-]+)\.ts'/g, "$1.mjs'"),
      ]),
    ),
  )
}

/** Node warns on stderr that stripTypeScriptTypes is a release candidate; the user cannot do anything about it. */
function withoutExperimentalWarning<T>(work: () => T): T {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (rest[0] !== 'ExperimentalWarning') Reflect.apply(emitWarning, undefined, [warning, ...rest])
  }
  try {
    return work()
  } finally {
    process.emitWarning = emitWarning
  }
}
