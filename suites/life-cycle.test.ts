import { conformance } from '../helpers/conformance.ts'
import { lifeCycleChecks } from './life-cycle.checks.ts'

conformance('life cycle', lifeCycleChecks)
