import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '../../helpers/await.ts'
import { openJournal } from '../../reports/journal.ts'
import { crossNodeDown, legEvents, outcomesOf, runStarted } from '../../reports/run.testdata.ts'

/** Stands in for `cni-conformance test`: writes the journal of a leg, and ends as it is told. */

const [how = '', leg = '', folder = ''] = process.argv.slice(2)
const journal = openJournal(join(folder, 'events.jsonl'))
const events = legEvents(leg, outcomesOf(how === 'red' ? crossNodeDown : undefined))
const told = how === 'green' || how === 'red' ? events : events.slice(0, 3)

process.on('SIGTERM', () => {
  journal.emit({ type: 'aborted', by: 'SIGTERM' })
  process.exit(143)
})
journal.emit(runStarted(leg))
for (const event of told) {
  journal.emit(event)
  await sleep(2)
}
console.log(`told ${told.length} events`)
if (how === 'crash') process.exit(7)
if (how === 'killed') process.kill(process.pid, 'SIGKILL')
if (how === 'garbage') appendFileSync(journal.path, 'no journal\n')
if (how === 'garbage' || how === 'waits') await sleep(60_000)
journal.emit({ type: 'run-ended' })
journal.close()
