import { conformance } from '../helpers/conformance.ts'
import { serviceChecks } from './service.checks.ts'

conformance('service', serviceChecks)
