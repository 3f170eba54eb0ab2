import * as fc from 'fast-check'
import { anyInput, judge, refusalLine, subjects } from '../cli/testing/hostile-texts.ts'
import { line } from './stats.ts'

/**
 * A hundred thousand inputs to the readers of users' files: no crash, none above a second, each refusal one line for
 * each error. `node bench/fuzz.ts [number]`; prints the seed that repeats it when one of them is wrong.
 */

const total = Number(process.argv[2] ?? 100_000)

for (const subject of subjects) {
  let [slowestMs, accepted] = [0, 0]
  const startedMs = performance.now()
  fc.assert(
    fc.property(anyInput(subject), (text) => {
      const { problems, ms } = judge(subject, text)
      slowestMs = Math.max(slowestMs, ms)
      if (problems.length === 0) accepted += 1
      if (ms > 1_000) throw new Error(`took ${ms.toFixed(0)} ms`)
      const odd = problems.find((each) => !refusalLine.test(each))
      if (odd !== undefined) throw new Error(`a refusal of another form: ${JSON.stringify(odd)}`)
    }),
    { numRuns: Math.ceil(total / subjects.length) },
  )
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  const count = Math.ceil(total / subjects.length)
  line(`${subject.name}: ${count} inputs, ${accepted} of them valid`, `${seconds} s, no crash`, 'no crash')
  line('  slowest', `${slowestMs.toFixed(0)} ms`, '1000 ms')
}
