import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SetupError } from '../helpers/errors.ts'
import { mergeRuns } from './merge.ts'
import { readRun, type Run } from './model.ts'
import { crossNodeDown, deadRun, outcomesOf, runWith } from './run.testdata.ts'
import { writeReports } from './write.ts'

const folder = (): string => mkdtempSync(join(tmpdir(), 'cnic-write-'))

test('the reports are there, replace the old ones, and nothing else is left', async () => {
  const into = join(folder(), 'new', 'folder')
  writeReports(deadRun(), into)
  const files = writeReports(runWith(outcomesOf()), into)
  expect(readdirSync(into).toSorted()).toEqual(['junit.xml', 'report.html', 'run.json', 'summary.md'])
  expect(await readRun(files.run)).toEqual(runWith(outcomesOf()))
  expect(readFileSync(files.junit, 'utf8')).toMatch(
    /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites /,
  )
  expect(readFileSync(files.summary, 'utf8')).toMatch(/^## ✅ 35 checks passed on flannel\n/)
  expect(readFileSync(files.page, 'utf8')).toMatch(/^<!doctype html>\n/)
})

test('several legs have a JUnit file each, of which no earlier run is left', () => {
  const into = folder()
  const green = runWith(outcomesOf(), 'flannel')
  const red = runWith(outcomesOf(crossNodeDown), 'calico')
  const odd = runWith(outcomesOf(), '../../odd')
  const merged = (...runs: Run[]): Run =>
    mergeRuns(
      runs.map((run, at) => ({ run, file: `${at}.json`, folder: '' })),
      'm',
    )
  writeReports(merged(green, red, odd), into)
  expect(readdirSync(join(into, 'junit')).toSorted()).toEqual(['_3.xml', 'calico.xml', 'flannel.xml'])
  const count = (name: string): RegExpMatchArray | null =>
    /<testsuites .*?tests="(\d+)" failures="(\d+)"/.exec(readFileSync(join(into, 'junit', name), 'utf8'))
  expect(count('flannel.xml')?.slice(1)).toEqual(['35', '0'])
  expect(count('calico.xml')?.slice(1)).toEqual(['35', '15'])
  writeReports(merged(green, odd), into)
  expect(readdirSync(join(into, 'junit')).toSorted()).toEqual(['_2.xml', 'flannel.xml'])
  writeReports(red, into)
  expect(readdirSync(join(into, 'junit'))).toEqual([])
})

test('fast enough for the two seconds that a signal leaves', () => {
  const outcomes = Array.from({ length: 10 }, () => outcomesOf(crossNodeDown)).flat()
  const many = outcomes.map((each, index) => ({ ...each, check: `${each.check}-${index}` }))
  const run = runWith(many)
  const started = performance.now()
  writeReports(run, folder())
  expect(performance.now() - started).toBeLessThan(1_000)
})

test('a folder that cannot be written is said with what to do', () => {
  const file = join(folder(), 'file')
  writeFileSync(file, '')
  expect(() => writeReports(deadRun(), join(file, 'below'))).toThrow(SetupError)
})
