import { fileURLToPath } from 'node:url'
import { conformance } from '../helpers/conformance.ts'
import { loadOwnChecks } from './own/own-checks.ts'

/** The file that docs/write-a-check.md starts from, as a user would run it. */
const loaded = await loadOwnChecks([fileURLToPath(new URL('../docs/my-checks.yaml', import.meta.url))])

conformance(
  'own checks',
  loaded.flatMap(({ checks }) => checks),
)
