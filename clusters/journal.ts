import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProcessIdentity } from './identity.ts'

/** One line of a lease's journal. Each is on disk before what it announces is created. */
export type JournalEntry =
  /** Who holds the lease: the first line, and once more for each who took it over. `docker` is where its containers are, as environment of the Docker client. */
  | {
      type: 'owner'
      owner: ProcessIdentity
      purpose: string
      openedAt: string
      docker: Readonly<Record<string, string>>
    }
  /** A kind cluster and its private network are about to be created under this name. */
  | { type: 'cluster'; name: string }
  /** kind has ended; nothing of the cluster is in the making any more. */
  | { type: 'settled' }
  /** The user keeps the cluster: only `clean` deletes it. */
  | { type: 'keep' }
  /** A deletion that failed, and why. */
  | { type: 'left'; why: string }

/** What a journal says, taken together. */
export interface JournalState {
  owner: Extract<JournalEntry, { type: 'owner' }> | undefined
  /** Names of announced clusters; nothing else is ever deleted. */
  clusters: string[]
  settled: boolean
  kept: boolean
}

/** Names we give and therefore may delete: "cnic-<leg>-<4 random>". kind allows 50 characters. */
export const clusterNamePattern = /^cnic-[a-z0-9](?:[a-z0-9-]{0,43}[a-z0-9])?$/

const fileName = 'journal.jsonl'

/** Appends one line and returns once it is on disk. */
export async function appendEntry(leaseDir: string, entry: JournalEntry): Promise<void> {
  const file = await open(join(leaseDir, fileName), 'a', 0o600)
  try {
    // A crash may have left half a line: ours starts on a new one.
    await file.writeFile(`\n${JSON.stringify(entry)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Reads a journal; a missing one is empty. One that is there and can't be read throws: it may name clusters. */
export async function readJournal(leaseDir: string): Promise<JournalState> {
  const text = await readFile(join(leaseDir, fileName), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return stateOf(parseJournal(text))
}

/** The whole lines of a journal; half-written and foreign ones are left out. */
export function parseJournal(text: string): JournalEntry[] {
  return text
    .split('\n')
    .map(parseLine)
    .filter((entry) => entry !== undefined)
}

/** What the lines mean together. */
export function stateOf(entries: readonly JournalEntry[]): JournalState {
  const last = entries.findLast((entry) => entry.type === 'cluster' || entry.type === 'settled')
  return {
    owner: entries.findLast((entry) => entry.type === 'owner'),
    clusters: [...new Set(entries.filter((entry) => entry.type === 'cluster').map((entry) => entry.name))],
    settled: last?.type !== 'cluster',
    kept: entries.some((entry) => entry.type === 'keep'),
  }
}

function parseLine(line: string): JournalEntry | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  return isEntry(value) ? value : undefined
}

function isEntry(value: unknown): value is JournalEntry {
  if (!isObject(value)) return false
  switch (value['type']) {
    case 'owner':
      return (
        isObject(value['owner']) && Number.isSafeInteger(value['owner']['pid']) && isObject(value['docker'])
      )
    case 'cluster':
      return typeof value['name'] === 'string' && clusterNamePattern.test(value['name'])
    case 'settled':
    case 'keep':
    case 'left':
      return true
    default:
      return false
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
