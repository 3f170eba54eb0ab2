import XMLBuilder from 'fast-xml-builder'
import type { Outcome } from '../helpers/observation.ts'
import { detailTextIn } from './detail.ts'
import type { Leg, Run } from './model.ts'
import { originText, runMillis } from './summary.ts'
import { oneLine } from './text.ts'
import { openEndsOf } from './verdict.ts'

/**
 * JUnit XML of a run: a suite for each leg, a case for each check. Shapes and what readers make of them:
 * https://github.com/testmoapp/junitxml. Sonobuoy, Jenkins and GitLab show the `message` of skipped and error.
 */
export function renderJunit(run: Run): string {
  const suites = run.legs.map((leg) => suiteOf(leg, run))
  // A file without a case reads as success; nothing that ran is none.
  if (suites.length === 0)
    suites.push(withCounts([problemCase('run', run.verdict.text)], { '@_name': 'run' }))
  const xml = builder.build({
    '?xml': { '@_version': '1.0', '@_encoding': 'UTF-8' },
    testsuites: {
      '@_name': oneLine(run.tool.name),
      ...totalsOf(suites),
      '@_time': seconds(runMillis(run)),
      '@_timestamp': run.run.startedAt,
      testsuite: suites,
    },
  })
  return `${xml.trimEnd()}\n`
}

const builder = new XMLBuilder({
  ignoreAttributes: false,
  suppressBooleanAttributes: false,
  suppressEmptyNode: true,
  format: true,
})

interface Counts {
  '@_tests': number
  '@_failures': number
  '@_errors': number
  '@_skipped': number
}

interface Problem {
  '@_type': string
  '@_message': string
  '#text'?: string
}

interface Case {
  '@_classname': string
  '@_name': string
  '@_time': string
  properties?: { property: Property[] }
  failure?: Problem
  error?: Problem
  skipped?: { '@_message': string }
}

interface Property {
  '@_name': string
  '@_value': string
}

interface Suite extends Counts {
  '@_name': string
  testcase: Case[]
}

function suiteOf(leg: Leg, run: Run): Suite {
  const name = oneLine(leg.cluster.name)
  const textOf = detailTextIn(leg.outcomes)
  const cases = leg.outcomes.map((outcome) => caseOf(outcome, name, textOf))
  // What keeps the leg from being green must be red here too, also when every check has its outcome.
  const open = openEndsOf(leg)
  if (open.length > 0 && !cases.some(({ error }) => error !== undefined))
    cases.push(problemCase(name, open.join(', ')))
  const ms = leg.phases.reduce((sum, phase) => sum + phase.ms, 0)
  return withCounts(cases, {
    '@_name': name,
    '@_time': seconds(ms),
    '@_timestamp': leg.phases[0]?.startedAt ?? (leg.origin ?? run).run.startedAt,
    properties: { property: propertiesOf(leg, run) },
  })
}

function withCounts(cases: Case[], attributes: Pick<Suite, '@_name'> & Record<string, unknown>): Suite {
  const counts = {
    '@_tests': cases.length,
    '@_failures': cases.filter(({ failure }) => failure !== undefined).length,
    '@_errors': cases.filter(({ error }) => error !== undefined).length,
    '@_skipped': cases.filter(({ skipped }) => skipped !== undefined).length,
  }
  return { ...attributes, ...counts, testcase: cases }
}

function totalsOf(suites: readonly Suite[]): Counts {
  const sum = (key: keyof Counts): number => suites.reduce((total, suite) => total + suite[key], 0)
  return {
    '@_tests': sum('@_tests'),
    '@_failures': sum('@_failures'),
    '@_errors': sum('@_errors'),
    '@_skipped': sum('@_skipped'),
  }
}

function propertiesOf({ cluster, identity, provenance, origin }: Leg, whole: Run): Property[] {
  const { definition } = cluster
  const { run, machine } = origin ?? whole
  const values: Record<string, string | undefined> = {
    cni: identity.cni?.name ?? definition.cni.name,
    'cni.version': identity.cni?.version ?? definition.cni.version,
    'cni.encapsulation': identity.cni?.encapsulation,
    kubernetes: identity.kubernetes ?? definition.kubernetes,
    ipFamily: definition.network.ipFamily,
    kubeProxy: identity.kubeProxy ?? definition.network.kubeProxy,
    kernel: identity.kernel ?? machine.kernel,
    features: definition.features.join(' '),
    providers: [...new Set(provenance.map(({ provider }) => provider))].join(' '),
    machine: origin === undefined ? undefined : originText(origin),
    run: run.id,
    filter: run.partial ? (run.filter ?? 'yes') : undefined,
  }
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [property(name, value)],
  )
}

const property = (name: string, value: string): Property => ({ '@_name': name, '@_value': oneLine(value) })

function caseOf(outcome: Outcome, leg: string, textOf: (outcome: Outcome) => string): Case {
  const id = oneLine(outcome.check)
  const reason = oneLine(outcome.reason ?? 'no reason given')
  const described: Case = {
    '@_classname': `${leg}.${id.split('/')[0]}`,
    '@_name': id,
    '@_time': seconds(outcome.durationMs),
    properties: {
      property: [
        property('outcome', outcome.outcome),
        property('level', outcome.level),
        property('requirement', outcome.requirement),
        ...(outcome.own === true ? [property('own', 'yes')] : []),
      ],
    },
  }
  const text = (): { '#text': string } => ({ '#text': textOf(outcome) })
  switch (outcome.outcome) {
    case 'passed':
      return described
    case 'failed':
      return { ...described, failure: { '@_type': 'ProbeFailed', '@_message': reason, ...text() } }
    case 'not-run':
      return { ...described, error: { '@_type': 'ClusterNotReady', '@_message': reason, ...text() } }
    case 'unsupported':
    case 'expected':
      return { ...described, skipped: { '@_message': `${outcome.outcome}: ${reason}` } }
  }
}

/** A case for what belongs to no check. */
function problemCase(leg: string, message: string): Case {
  return {
    '@_classname': `${leg}.run`,
    '@_name': 'verdict',
    '@_time': seconds(0),
    error: { '@_type': 'Inconclusive', '@_message': oneLine(message) },
  }
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(3)
