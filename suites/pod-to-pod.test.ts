import { conformance } from '../helpers/conformance.ts'
import { podToPodChecks } from './pod-to-pod.checks.ts'

conformance('pod to pod', podToPodChecks)
