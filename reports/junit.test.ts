import * as fc from 'fast-check'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { expect, test } from 'vitest'
import { hostileMergedRun, hostileRun } from './hostile.testdata.ts'
import { renderJunit } from './junit.ts'
import { crossNodeDown, deadRun, outcomesOf, runWith } from './run.testdata.ts'

interface Suite {
  tests: string
  failures: string
  errors: string
  skipped: string
}
interface Case {
  classname: string
  name: string
  failure?: { type: string; message: string; '#text': string }
  error?: { type: string; message: string }
  skipped?: { message: string }
}
interface Junit {
  testsuites: Suite & { testsuite: (Suite & { name: string; testcase?: Case[]; properties?: unknown })[] }
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  isArray: (name) => name === 'testsuite' || name === 'testcase',
})

function parse(xml: string): Junit['testsuites'] {
  expect(XMLValidator.validate(xml)).toBe(true)
  return (parser.parse(xml) as Junit).testsuites
}

const numbers = ({ tests, failures, errors, skipped }: Suite): number[] =>
  [tests, failures, errors, skipped].map(Number)

test('a green run', () => {
  const xml = renderJunit(runWith(outcomesOf()))
  const suites = parse(xml)
  expect(numbers(suites)).toEqual([35, 0, 0, 0])
  expect(suites.testsuite[0]?.testcase?.[5]).toMatchObject({
    classname: 'flannel.pod-to-pod',
    name: 'pod-to-pod/same-node/tcp',
  })
  const values = [
    ['cni', 'flannel'],
    ['cni.version', 'v0.28.9'],
    ['cni.encapsulation', 'vxlan'],
    ['kubernetes', 'v1.37.0'],
    ['ipFamily', 'ipv4'],
    ['kubeProxy', 'iptables'],
    ['kernel', '6.18.0'],
  ]
  for (const [name, value] of values) expect(xml).toContain(`<property name="${name}" value="${value}"/>`)
})

test('a failure carries both ends, what was seen and where the evidence lies', () => {
  const suites = parse(renderJunit(runWith(outcomesOf(crossNodeDown))))
  expect(numbers(suites)).toEqual([35, 15, 0, 0])
  const failed = suites.testsuite[0]?.testcase?.find(
    ({ name }) => name === 'pod-to-pod/cross-node/tcp',
  )?.failure
  expect(failed?.type).toBe('ProbeFailed')
  expect(failed?.message).toMatch(/^timed-out, expected reached: worker1-a -> worker2-a/)
  expect(failed?.['#text']).toMatch(/cni-conformance\/worker2-a on flannel-worker2 \(10\.244\.2\.2:8081\)/)
  expect(failed?.['#text']).toMatch(/^evidence {2}flannel\/evidence\/pod-to-pod\.cross-node\.tcp$/m)
})

test('a failed set-up is an error of every check', () => {
  const suites = parse(renderJunit(deadRun()))
  expect(numbers(suites)).toEqual([35, 0, 35, 0])
  expect(suites.testsuite[0]?.testcase?.[0]?.error).toMatchObject({
    type: 'ClusterNotReady',
    message: expect.stringMatching(/^set-up failed in phase cni: waited 300 s/),
  })
})

test('what was skipped says why', () => {
  const outcomes = outcomesOf().map((each, index) => {
    if (index === 1)
      return { ...each, level: 'extended' as const, outcome: 'unsupported' as const, reason: 'no icmp' }
    return index === 2 ? { ...each, outcome: 'expected' as const, reason: 'timed-out, see issue' } : each
  })
  const suites = parse(renderJunit(runWith(outcomes)))
  expect(numbers(suites)).toEqual([35, 0, 0, 2])
  expect(suites.testsuite[0]?.testcase?.map(({ skipped }) => skipped?.message).filter(Boolean)).toEqual([
    'unsupported: no icmp',
    'expected: timed-out, see issue',
  ])
})

test('a run without legs is an error, not an empty success', () => {
  expect(numbers(parse(renderJunit({ ...runWith([]), legs: [] })))).toEqual([1, 0, 1, 0])
})

test('whatever the strings: well-formed, counts add up, red exactly when the exit code is not 0', () => {
  fc.assert(
    fc.property(fc.oneof(hostileRun, hostileMergedRun), (run) => {
      const xml = renderJunit(run)
      // oxlint-disable-next-line no-control-regex
      expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/)
      expect(xml.isWellFormed()).toBe(true)
      const suites = parse(xml)
      for (const suite of suites.testsuite) {
        const cases = suite.testcase ?? []
        const having = (key: 'failure' | 'error' | 'skipped'): number =>
          cases.filter((each) => key in each).length
        expect(numbers(suite)).toEqual([cases.length, having('failure'), having('error'), having('skipped')])
      }
      const sum = (key: keyof Suite): number =>
        suites.testsuite.reduce((total, suite) => total + Number(suite[key]), 0)
      expect(numbers(suites)).toEqual([sum('tests'), sum('failures'), sum('errors'), sum('skipped')])
      expect(Number(suites.failures) + Number(suites.errors) === 0).toBe(run.verdict.exitCode === 0)
    }),
    { numRuns: 300 },
  )
})
