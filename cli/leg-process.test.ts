import { mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Outcome } from '../helpers/observation.ts'
import { runFromEvents } from '../reports/journal-reader.ts'
import { openJournal, type Journal } from '../reports/journal.ts'
import { runStarted } from '../reports/run.testdata.ts'
import { LegFollower } from './leg-follower.ts'
import { runLegProcess, type LegEnd, type RunningLeg } from './leg-process.ts'

const program = fileURLToPath(new URL('testing/leg.ts', import.meta.url))

interface Matrix {
  journal: Journal
  folder: string
  /** What the progress line of each leg said. */
  said: Record<string, string[]>
  /** Runs a leg, and sends it SIGTERM in a phase. */
  leg: (how: string, name: string, endIn?: string) => Promise<LegEnd>
}

async function matrixOf(...names: string[]): Promise<Matrix> {
  const folder = await mkdtemp(join(tmpdir(), 'cnic-matrix-'))
  const journal = openJournal(join(folder, 'events.jsonl'))
  journal.emit(runStarted(...names))
  const said: Matrix['said'] = {}
  return {
    journal,
    folder,
    said,
    leg: async (how, name, endIn) => {
      const lines: string[] = (said[name] = [])
      let running: RunningLeg | undefined
      const follower = new LegFollower(name, journal, (text) => {
        lines.push(text)
        if (text === endIn) running?.kill('SIGTERM')
      })
      const own = join(folder, name)
      const end = await runLegProcess([how, name, own], {
        folder: own,
        onEvent: (event) => follower.take(event),
        onStart: (started) => (running = started),
        program,
      })
      follower.processEnded(end, `${name}.yaml`, own)
      return end
    },
  }
}

test('legs side by side: the matrix has what each of them has, with evidence in its folder', async () => {
  const { journal, folder, leg, said } = await matrixOf('flannel', 'calico')
  const ends = await Promise.all([leg('green', 'flannel'), leg('red', 'calico')])
  expect(ends.map(({ how }) => how)).toEqual(['ended with exit code 0', 'ended with exit code 0'])
  const whole = journal.run()
  for (const name of ['flannel', 'calico']) {
    const [alone] = (await runFromEvents(join(folder, name, 'events.jsonl'))).legs
    const merged = whole.legs.find(({ cluster }) => cluster.name === name)
    const below = (outcome: Outcome): Outcome =>
      outcome.evidence === undefined ? outcome : { ...outcome, evidence: `${name}/${outcome.evidence}` }
    expect(merged).toEqual({ ...alone, outcomes: alone?.outcomes.map(below) })
  }
  expect(whole.legs[1]?.outcomes.find(({ evidence }) => evidence !== undefined)?.evidence).toMatch(
    /^calico\/flannel\/evidence\//,
  )
  expect(whole.verdict).toEqual({
    exitCode: 1,
    text: '35 checks passed on flannel; 15 of 35 checks failed on calico',
  })
  expect(said['flannel']).toEqual(expect.arrayContaining(['images', 'create', 'checks', '']))
  expect(await readFile(join(folder, 'calico', 'output.log'), 'utf8')).toMatch(/^told \d+ events\n$/)
})

test.each([
  ['crash', 'ended with exit code 7'],
  ['killed', 'was ended by SIGKILL'],
])('a leg that ends by %s has no verdict, and the other keeps its own', async (how, words) => {
  const { journal, folder, leg } = await matrixOf('flannel', 'calico')
  await Promise.all([leg('green', 'flannel'), leg(how, 'calico')])
  const { legs, verdict } = journal.run()
  expect(legs[1]?.setupFailure).toEqual({
    phase: 'create',
    what: `the process of the leg ${words}`,
    seen: '  told 3 events',
    next: `look into ${join(folder, 'calico')}/output.log, or run \`cni-conformance test calico.yaml\` alone`,
  })
  expect(verdict).toEqual({
    exitCode: 3,
    text: `35 checks passed on flannel; no verdict on calico: set-up failed in phase create: the process of the leg ${words}`,
  })
})

test('a signal to one leg is no abort of the others', async () => {
  const { journal, leg } = await matrixOf('flannel', 'calico')
  const green = leg('green', 'flannel')
  const ended = await leg('waits', 'calico', 'create')
  await green
  expect(ended.how).toBe('ended with exit code 143')
  expect(journal.run().legs.map(({ abortedBy }) => abortedBy)).toEqual([undefined, 'SIGTERM'])
  expect(journal.run().verdict.exitCode).toBe(143)
})

test('a journal that cannot be read ends the leg', async () => {
  const { journal, leg } = await matrixOf('flannel')
  await leg('garbage', 'flannel')
  expect(journal.run().legs[0]?.setupFailure).toMatchObject({
    what: 'the process of the leg could not be followed',
    seen: expect.stringMatching(/events\.jsonl:5: not a line of JSON$/),
  })
})

test('what an earlier run left in the folder is not taken for this one', async () => {
  const { journal, folder, leg } = await matrixOf('flannel')
  await mkdir(join(folder, 'flannel'))
  await writeFile(join(folder, 'flannel', 'run.json'), 'old')
  await writeFile(join(folder, 'flannel', 'events.jsonl'), 'old\n')
  await leg('green', 'flannel')
  expect(journal.run().verdict.exitCode).toBe(0)
  expect(await readdir(join(folder, 'flannel'))).toEqual(['events.jsonl', 'output.log'])
})

test('a program that does not start is the end of its leg', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cnic-matrix-'))
  const end = await runLegProcess([], {
    folder: join(folder, 'leg'),
    onEvent: () => undefined,
    onStart: () => undefined,
    program: join(folder, 'nowhere.ts'),
  })
  expect(end).toEqual({ how: 'ended with exit code 1', printed: expect.stringContaining('MODULE_NOT_FOUND') })
})
