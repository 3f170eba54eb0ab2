import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openJournal } from '../reports/journal.ts'
import { crossNodeDown, legEvents, outcomesOf, runStarted, runWith } from '../reports/run.testdata.ts'
import { writeReports } from '../reports/write.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

async function report(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, 'report', ...argv],
      { env: { ...process.env, NO_COLOR: '1' } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
      },
    )
  })
}

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'cnic-report-'))

test('a failed run is rendered again in every format, with exit code 0', async () => {
  const run = runWith(outcomesOf(crossNodeDown))
  const files = writeReports(run, await folder())
  const text = await report(join(files.run, '..'))
  expect(text).toMatchObject({ code: 0, stderr: '' })
  expect(text.stdout).toContain('✗ 15 of 35 checks failed on flannel\n')
  expect(JSON.parse((await report(files.run, '-o', 'json')).stdout)).toEqual(run)
  expect((await report(files.run, '--format', 'junit')).stdout).toBe(await readFile(files.junit, 'utf8'))
  expect((await report(files.run, '--format', 'markdown')).stdout).toBe(await readFile(files.summary, 'utf8'))
  expect((await report(files.run, '--format', 'html')).stdout).toBe(await readFile(files.page, 'utf8'))
})

test('a run that died is made from its journal', async () => {
  const from = await folder()
  const journal = openJournal(join(from, 'events.jsonl'))
  journal.emit(runStarted('flannel'))
  for (const event of legEvents('flannel', outcomesOf()).slice(0, 20)) journal.emit(event)
  journal.close()
  const into = join(await folder(), 'reports')
  const { code } = await report(from, '--report-dir', into)
  expect(code).toBe(0)
  expect((await readdir(into)).toSorted()).toEqual(['junit.xml', 'report.html', 'run.json', 'summary.md'])
  expect(await readFile(join(into, 'summary.md'), 'utf8')).toMatch(
    /^## ⚠️ no verdict on flannel: \d+ of 35 checks did not run/,
  )
})

test('no run there: exit 2 and one line', async () => {
  const empty = await folder()
  expect(await report(empty)).toEqual({
    code: 2,
    stdout: '',
    stderr: `${empty}: holds neither run.json nor events.jsonl\n`,
  })
  expect(await report('/nowhere')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^\/nowhere: ENOENT/),
  })
})
