import { conformance } from '../helpers/conformance.ts'
import { egressChecks } from './egress.checks.ts'

conformance('egress', egressChecks)
