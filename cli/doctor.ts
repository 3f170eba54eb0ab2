import { styleText } from 'node:util'
import { diagnoseHost } from '../clusters/host/doctor.ts'
import type { DoctorItem } from '../clusters/host/doctor.ts'
import { exitCodes } from '../helpers/errors.ts'
import { createProgress } from '../helpers/progress.ts'
import type { GlobalOptions } from './options.ts'

/** `doctor`: what this machine has and lacks. Returns the exit code: 3 when no run can work as things are. */
export async function doctorCommand({ quiet, output }: GlobalOptions): Promise<number> {
  const progress = createProgress({ quiet })
  try {
    const items = await progress.step('look at this machine', () => diagnoseHost())
    process.stdout.write(output === 'json' ? `${JSON.stringify(items, undefined, 2)}\n` : text(items))
    return items.some(({ status }) => status === 'missing') ? exitCodes.inconclusive : exitCodes.passed
  } finally {
    progress.close()
  }
}

const marks = {
  ok: styleText('green', '✓'),
  warning: styleText('yellow', '!'),
  missing: styleText('red', '✗'),
}

function text(items: readonly DoctorItem[]): string {
  const lines = items.flatMap(({ status, found, cost, mend }) => [
    `${marks[status]} ${found}`,
    ...(cost === undefined ? [] : [`    costs: ${cost}`]),
    ...(mend === undefined ? [] : [`    mend:  ${mend}`]),
  ])
  return `${[...lines, '', summary(items)].join('\n')}\n`
}

function summary(items: readonly DoctorItem[]): string {
  const count = (status: DoctorItem['status']): number =>
    items.filter((item) => item.status === status).length
  if (count('missing') > 0) return 'Not ready: no run works until what is marked ✗ is mended.'
  return count('warning') > 0 ? 'Ready; what is marked ! costs something.' : 'Ready.'
}
