import { runLegProcess } from '../leg-process.ts'

/** A matrix reduced to one leg, for tests that kill it. Arguments: the leg's folder, then its command line. */

const [folder = '', ...argv] = process.argv.slice(2)
await runLegProcess(argv, {
  folder,
  onEvent: () => undefined,
  onStart: ({ pid }) => process.stdout.write(`${pid}\n`),
})
