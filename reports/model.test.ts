import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { UsageError } from '../helpers/errors.ts'
import { readRun, type Run } from './model.ts'
import { deadRun, outcomesOf, runWith } from './run.testdata.ts'

async function written(content: string): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'cnic-model-')), 'run.json')
  await writeFile(file, content)
  return file
}

async function problemsOf(content: string): Promise<string[]> {
  const file = await written(content)
  const error = await readRun(file).catch((thrown: unknown) => thrown)
  if (!(error instanceof UsageError)) throw error
  return error.problems.map((problem) => problem.replaceAll(file, 'run.json'))
}

test('a run is read as it was written', async () => {
  for (const run of [runWith(outcomesOf()), deadRun()])
    expect(await readRun(await written(JSON.stringify(run)))).toEqual(run)
})

test('what a later version adds is ignored', async () => {
  const run: Run & { later?: string } = { ...runWith(outcomesOf()), later: 'field' }
  expect(await readRun(await written(JSON.stringify(run)))).not.toHaveProperty('later')
})

test('every problem is told at once', async () => {
  const run = structuredClone(runWith(outcomesOf())) as unknown as Record<string, unknown> & {
    legs: { outcomes: Record<string, unknown>[] }[]
  }
  delete run['machine']
  const outcome = run.legs[0]?.outcomes[3]
  if (outcome !== undefined) outcome['outcome'] = 'green'
  expect(await problemsOf(JSON.stringify(run))).toEqual([
    expect.stringMatching(/^run\.json: legs\[0\]\.outcomes\[3\]\.outcome: /),
    expect.stringMatching(/^run\.json: machine: /),
  ])
})

test('other schema versions and other files are refused with one line', async () => {
  expect(await problemsOf(JSON.stringify({ ...runWith(outcomesOf()), schemaVersion: 7 }))).toEqual([
    'run.json: schemaVersion: this version of cni-conformance reads 1; it is 7',
  ])
  for (const other of ['{}', 'null', '[]', '"run"']) {
    expect(await problemsOf(other)).toEqual([
      'run.json: schemaVersion: this version of cni-conformance reads 1; there is none, so this is not a report of ours',
    ])
  }
  expect(await problemsOf('{"schemaVersion": 1')).toEqual([
    expect.stringMatching(/^run\.json: not a run\.json: /),
  ])
  await expect(readRun('/nowhere/run.json')).rejects.toThrow(UsageError)
})
