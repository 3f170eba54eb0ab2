import { conformance } from '../helpers/conformance.ts'
import { podChecks } from './pod.checks.ts'

conformance('pod', podChecks)
