import { conformance } from '../helpers/conformance.ts'
import { coverageChecks } from './coverage.checks.ts'

conformance('coverage', coverageChecks)
