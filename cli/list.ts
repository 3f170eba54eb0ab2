import picomatch from 'picomatch'
import type { Check } from '../helpers/check.ts'
import { exitCodes } from '../helpers/errors.ts'
import type { Placement } from '../suites/faults/fault.ts'
import { checks } from '../suites/catalogue.ts'
import { faults } from '../suites/faults/catalogue.ts'
import type { GlobalOptions } from './options.ts'

/** One row of `list -o json`. Programs rely on it: fields are added, never changed. */
export interface ListRow extends Pick<Check, 'id' | 'level' | 'covers' | 'requirement' | 'features'> {
  /** Ids of the faults that turn the check red. */
  faults: string[]
  /** A check of the user's, which no fault of ours turns red. */
  own?: true
}

/** `list`: every check with the faults that prove it, and those of the user. Returns the exit code. */
export function listCommand({ output }: GlobalOptions, own: readonly Check[]): number {
  const rows = [...listRows(), ...own.map(ownRow)]
  process.stdout.write(output === 'json' ? `${JSON.stringify(rows, undefined, 2)}\n` : table(rows))
  return exitCodes.passed
}

export function listRows(): ListRow[] {
  const proofs = faults.map((fault) => ({
    fault: fault.id,
    turnsRed: picomatch([...fault.red(widestReach)]),
  }))
  return checks.map(({ id, level, covers, requirement, features }) => ({
    id,
    level,
    covers,
    requirement,
    features,
    faults: proofs.filter(({ turnsRed }) => turnsRed(id)).map(({ fault }) => fault),
  }))
}

const ownRow = ({ id, level, covers, requirement, features }: Check): ListRow => ({
  id,
  level,
  covers,
  requirement,
  features,
  faults: [],
  own: true,
})

/** The cluster in which faults reach furthest: CoreDNS runs on a worker, so that a break between workers is felt. */
const widestReach: Placement = {
  nodes: [{ name: 'worker', role: 'worker', address: '', kernel: '', containerRuntime: '', kubernetes: '' }],
  dns: { serviceIp: '', servers: [{ name: 'coredns', node: 'worker', ip: '' }] },
}

function table(rows: readonly ListRow[]): string {
  const columns = [
    ['CHECK', ...rows.map(({ id }) => id)],
    ['LEVEL', ...rows.map(({ level }) => level)],
    ['COVERS', ...rows.map(({ covers }) => covers.join(',') || '-')],
    ['FEATURES', ...rows.map(({ features }) => features.join(',') || '-')],
    ['FAULTS', ...rows.map((row) => (row.own === true ? 'own' : row.faults.join(',') || '-'))],
  ]
  const widths = columns.map((cells) => Math.max(...cells.map((cell) => cell.length)))
  const lines = Array.from({ length: rows.length + 1 }, (_, row) =>
    columns
      .map((cells, column) => (cells[row] ?? '').padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}
