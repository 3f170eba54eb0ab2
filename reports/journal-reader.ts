import { readFile } from 'node:fs/promises'
import { UsageError, messageOf } from '../helpers/errors.ts'
import { eventSchema, type RunEvent } from './events.ts'
import { foldEvents } from './fold.ts'
import { problemsOf, refuseOtherVersions, type Run } from './model.ts'

/**
 * Rebuilds a run from its journal, wherever a crash cut it.
 *
 * @throws {UsageError} when the file cannot be read, is not a journal, or ends before its first event
 */
export async function runFromEvents(path: string): Promise<Run> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path}: not a journal: ${messageOf(error)}`)
  }
  const lines = text.split('\n')
  const last = lines.pop() ?? ''
  const events = lines.map((line, index) => parseLine(line, `${path}:${index + 1}`))
  // A half-written last line is what a crash leaves. Whole JSON that only lacks its line end is an event.
  if (isJson(last)) events.push(parseLine(last, `${path}:${lines.length + 1}`))
  if (events[0]?.type !== 'run-started')
    throw new UsageError(`${path}: it does not begin with run-started: nothing to report`)
  return foldEvents(events)
}

export function parseLine(line: string, where: string): RunEvent {
  if (!isJson(line)) throw new UsageError(`${where}: not a line of JSON`)
  const value: unknown = JSON.parse(line)
  if ((value as { type?: unknown } | null)?.type === 'run-started') refuseOtherVersions(where, value)
  const parsed = eventSchema.safeParse(value)
  if (!parsed.success) throw new UsageError(problemsOf(where, parsed.error))
  return parsed.data
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
