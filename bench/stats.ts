import { max, median, min } from 'simple-statistics'

/** Runs `work` several times, one after the other, and keeps what each returned. */
export async function repeat<T>(times: number, work: (turn: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let turn = 0; turn < times; turn++) results.push(await work(turn))
  return results
}

/** Wall time of `work` in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** `median (min-max) unit, n runs`. */
export function summary(values: readonly number[], unit: string, digits = 0): string {
  const fixed = (value: number): string => value.toFixed(digits)
  const list = [...values]
  return `${fixed(median(list))} ${unit} (${fixed(min(list))}-${fixed(max(list))}, n=${list.length})`
}

/** One line of a table: what, the figure, and the bar it is held against. */
export function line(what: string, figure: string, bar: string): void {
  console.log(`${what.padEnd(58)} ${figure.padEnd(40)} bar: ${bar}`)
}
