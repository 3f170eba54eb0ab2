import { conformance } from '../helpers/conformance.ts'
import { loopbackChecks } from './loopback.checks.ts'

conformance('loopback', loopbackChecks)
