import { expect, test } from 'vitest'
import { CommandError, run } from './exec.ts'

test('arguments arrive as they are, whatever characters they hold', async () => {
  const args = ['a b', '$(id)', '`id`', "it's", '"', '*', '', 'ä\n\\', '--', ';', '&&']
  expect((await run(['printf', '%s|', ...args])).stdout).toBe(args.map((arg) => `${arg}|`).join(''))
})

test('a failure carries the command, the code and what was printed', async () => {
  const failing = run(['sh', '-c', 'echo out; echo err >&2; exit 7'])
  await expect(failing).rejects.toThrow(/sh -c .* ended with exit code 7\n {2}out\n {2}err/)
  expect(await run(['sh', '-c', 'exit 7'], { allowFailure: true })).toMatchObject({
    exitCode: 7,
    signal: null,
  })
})

test('lines arrive one by one, also the last one without an end', async () => {
  const lines: string[] = []
  await run(['printf', 'a\\nb\\r\\nc'], { onLine: (line, stream) => lines.push(`${stream} ${line}`) })
  expect(lines).toEqual(['stdout a', 'stdout b', 'stdout c'])
})

test('input and environment reach the command', async () => {
  const env = { CNIC_TEST: 'here', HOME: undefined }
  const { stdout } = await run(['sh', '-c', 'cat; echo $CNIC_TEST ${HOME-none}'], { input: 'in\n', env })
  expect(stdout).toBe('in\nhere none\n')
})

/** A shell whose child would live on if only the shell were ended. */
const family = ['sh', '-c', 'sleep 60 & echo $!; wait']

/** A zombie does not live; whether anybody collects it is up to process 1. */
async function lives(pid: number): Promise<boolean> {
  const { stdout } = await run(['ps', '-o', 'state=', '-p', String(pid)], { allowFailure: true })
  return /^[^Z\s]/.test(stdout)
}

test('time that is up ends the command with its children', async () => {
  let pid = 0
  const timed = run(family, { timeoutMs: 300, onLine: (line) => (pid = Number(line)) })
  await expect(timed).rejects.toSatisfy((error) => error instanceof CommandError && error.timedOut)
  expect(pid).toBeGreaterThan(0)
  expect(await lives(pid)).toBe(false)
})

test('an abort ends the command with its children and throws the reason', async () => {
  const reason = new Error('called off')
  const controller = new AbortController()
  let pid = 0
  const options = {
    signal: controller.signal,
    onLine: (line: string) => {
      pid = Number(line)
      controller.abort(reason)
    },
  }
  await expect(run(family, options)).rejects.toBe(reason)
  expect(await lives(pid)).toBe(false)
  await expect(run(['sleep', '60'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})
