import * as fc from 'fast-check'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { UsageError } from '../helpers/errors.ts'
import { contradictionsIn } from './consistency.ts'
import { foldEvents } from './fold.ts'
import { hostileMergedRun, hostileRun } from './hostile.testdata.ts'
import { renderJunit } from './junit.ts'
import { renderMarkdown } from './markdown.ts'
import { mergeRuns, type MergeInput } from './merge.ts'
import { parseRun, type Run } from './model.ts'
import {
  cniFailure,
  crossNodeDown,
  deadLegEvents,
  legEvents,
  outcomesOf,
  runStarted,
  runWith,
  timed,
} from './run.testdata.ts'
import { renderOverview, renderRun } from './terminal.ts'

const stream = new PassThrough()

function input(run: Run, name: string, folder = name): MergeInput {
  return { run: structuredClone(run), file: `${name}.json`, folder }
}

function conflicts(...inputs: MergeInput[]): readonly string[] {
  try {
    mergeRuns(inputs, 'merged')
  } catch (error) {
    if (error instanceof UsageError) return error.problems
    throw error
  }
  return []
}

/** A green leg on one machine, a red one on another, a day later. */
function twoMachines(): Run {
  const calico = input(runWith(outcomesOf(crossNodeDown), 'calico'), 'calico', '../b/reports')
  calico.run.machine = { ...calico.run.machine, os: 'Fedora Linux 43', cpus: 16 }
  calico.run.run = {
    ...calico.run.run,
    id: 'cafe0001',
    startedAt: '2026-11-22T08:00:00Z',
    endedAt: '2026-11-22T08:02:00Z',
  }
  return mergeRuns([input(runWith(outcomesOf()), 'flannel', '../a'), calico], 'merged')
}

test('a merged run says of each leg what it has only one of, and is a run like any other', () => {
  const run = twoMachines()
  expect(run).toMatchObject({
    run: {
      id: 'merged',
      startedAt: '2026-11-21T08:00:00.000Z',
      endedAt: '2026-11-22T08:02:00Z',
      partial: false,
    },
    verdict: { exitCode: 1, text: '35 checks passed on flannel; 15 of 35 checks failed on calico' },
    legs: [
      {
        cluster: { name: 'flannel' },
        origin: { run: { id: '5e1f00d1' }, machine: { cpus: 2 }, folder: '../a' },
      },
      { cluster: { name: 'calico' }, origin: { run: { id: 'cafe0001' }, machine: { cpus: 16 } } },
    ],
  })
  expect(parseRun('run.json', JSON.parse(JSON.stringify(run)))).toEqual(run)
  expect(contradictionsIn(run, 'run.json', run.tool.version)).toEqual([])
})

test('evidence is where it was, seen from the merged report', () => {
  const failed = twoMachines().legs[1]?.outcomes.find(({ outcome }) => outcome === 'failed')
  expect(failed?.evidence).toBe('../b/reports/flannel/evidence/pod-to-pod.cross-node.tcp')
})

test('what was merged can be merged again, and loses nothing by it', () => {
  const two = twoMachines()
  const three = mergeRuns(
    [input(two, 'two', 'first'), input(runWith(outcomesOf(), 'cilium'), 'cilium')],
    'three',
  )
  expect(three.legs.map(({ origin }) => [origin?.run.id, origin?.folder])).toEqual([
    ['5e1f00d1', 'a'],
    ['cafe0001', 'b/reports'],
    ['5e1f00d1', 'cilium'],
  ])
})

test('what a matrix took stays with its legs', () => {
  const parallel = { jobs: 2, budgetMiB: 2_700, peakMiB: 1_900 }
  const run = mergeRuns([input({ ...runWith(outcomesOf()), parallel }, 'a')], 'merged')
  expect([run.parallel, run.legs[0]?.origin?.parallel]).toEqual([undefined, parallel])
})

test('conflicts are refused, one line each', () => {
  const flannel = runWith(outcomesOf())
  const other = runWith(outcomesOf(crossNodeDown))
  const newer = { ...runWith(outcomesOf(), 'calico'), tool: { name: 'cni-conformance', version: '9.0.0' } }
  const asked = structuredClone(runWith(outcomesOf(), 'cilium'))
  for (const leg of asked.legs) leg.cluster.checksSha256 = 'ef'.repeat(32)
  expect(
    conflicts(
      input(flannel, 'a'),
      input(flannel, 'b'),
      input(other, 'c'),
      input(newer, 'd'),
      input(asked, 'e'),
      input({ ...flannel, legs: [] }, 'f'),
    ),
  ).toEqual([
    'f.json: legs: there are none: nothing to merge',
    'd.json: tool: made by "cni-conformance 9.0.0", but a.json by "cni-conformance 0.1.0"',
    'b.json: legs[0].cluster.name: "flannel" is in a.json too, with the same results; give each leg once',
    'c.json: legs[0].cluster.name: "flannel" is in a.json too, with other results; give each leg once',
    'e.json: legs[0].cluster.checksSha256: "cilium" was asked other checks than the legs of a.json; use the same --check and --profile',
  ])
  expect(conflicts()).toEqual(['nothing to merge'])
})

test('every report of a merged run has every leg and every check', () => {
  const run = twoMachines()
  const junit = renderJunit(run)
  expect(junit.match(/<testcase /g)).toHaveLength(70)
  expect(junit).toContain('<property name="run" value="cafe0001"/>')
  expect(junit).toContain(
    'value="run cafe0001 · 2026-11-22 08:00 UTC · Fedora Linux 43 · 16 CPUs · 24 GiB · Docker 20.10.24"',
  )
  const markdown = renderMarkdown(run)
  expect(markdown).toContain('| pod-to-pod/cross-node | ✅ 6/6 | ❌ 0/6 |')
  expect(markdown).toContain('From run cafe0001 · 2026-11-22 08:00 UTC · Fedora Linux 43')
  expect(markdown.match(/<details>/g)).toHaveLength(15)
  const text = renderRun(run, { stream, columns: 100 })
  expect(text).toContain(
    '  from      run cafe0001 · 2026-11-22 08:00 UTC · Fedora Linux 43 · 16 CPUs · 24 GiB',
  )
  expect(text).toContain('  time      1442 min 0 s from the first start to the last end')
})

test('three legs on one page: each, the matrix, what is not green, the summary', () => {
  const run = foldEvents(
    timed([
      runStarted('flannel', 'calico', 'cilium'),
      ...legEvents('flannel', outcomesOf()),
      ...legEvents(
        'calico',
        outcomesOf((check) => (check.endsWith('cluster-ip/udp') ? refused : undefined)),
      ),
      ...deadLegEvents('cilium', cniFailure),
      { type: 'parallel', parallel: { jobs: 3, budgetMiB: 4_050, peakMiB: 2_877 } },
      { type: 'run-ended' },
    ]),
  )
  expect(renderOverview(run, { stream, columns: 100, folder: 'reports/runs/latest' })).toMatchInlineSnapshot(`
    "flannel  Kubernetes v1.37.0 · flannel v0.28.9 (vxlan, bridge + iptables) · kube-proxy iptables ·
             ipv4 · MTU 1450 · 3 nodes · Linux 6.18.0

    calico  Kubernetes v1.37.0 · flannel v0.28.9 (vxlan, bridge + iptables) · kube-proxy iptables · ipv4
            · MTU 1450 · 3 nodes · Linux 6.18.0
      likely    service: pods reach each other by pod IP, Services do not answer: the Service rules on
                the nodes (kube-proxy or what stands in for it)
                - all 2 broken probes ended refused: something on the way answers and says no
                - only udp is broken, tcp and http pass
                - loopback, same node and other node below it pass
                - DNS above it passes

    cilium  Kubernetes v1.37.0 · cilium v0.28.9 · kube-proxy iptables · ipv4

    ! set-up failed in phase cni
      what      waited 300 s (budget cniReadyMs) for DaemonSet kube-flannel/kube-flannel-ds to be ready
                on 3 nodes
      seen      0 of 3 ready
                kube-flannel-ds-x7k2p on flannel-worker: ImagePullBackOff:
                ghcr.io/flannel-io/flannel:v0.28.9
      next      look at \`cni-conformance doctor\`, or run again with --keep=on-failure and look at the
                pods
      cost      35 checks did not run

                                   flannel  calico  cilium
      loopback/between-containers  ✓ 2      ✓ 2     ! 2
      loopback                     ✓ 1      ✓ 1     ! 1
      pod                          ✓ 1      ✓ 1     ! 1
      pod/address                  ✓ 1      ✓ 1     ! 1
      pod-to-pod/same-node         ✓ 4      ✓ 4     ! 4
      pod-to-pod/cross-node        ✓ 6      ✓ 6     ! 6
      service/cluster-ip           ✓ 3      ✗ 2/3   ! 3
      service/name                 ✓ 4      ✓ 4     ! 4
      dns                          ✓ 1      ✓ 1     ! 1
      dns/service-ip               ✓ 6      ✓ 6     ! 6
      dns/each-server              ✓ 6      ✓ 6     ! 6

      not green everywhere    flannel  calico  cilium
      service/cluster-ip/udp  ✓        ✗       !

    ✗ 35 checks passed on flannel; 1 of 35 checks failed on calico; no verdict on cilium: set-up failed
    in phase cni: waited 300 s (budget cniReadyMs) for DaemonSet kube-flannel/kube-flannel-ds to be
    ready on 3 nodes
      likely    on calico, service: pods reach each other by pod IP, Services do not answer: the Service
                rules on the nodes (kube-proxy or what stands in for it)
      checks    69 passed, 1 failed, 35 not run
      time      111.0 s
      memory    2,877 MiB at most, 4,050 MiB planned for 3 legs at once
      exit code 1, conformance failure
      reports   reports/runs/latest/{report.html,run.json,junit.xml,summary.md}
      details   cni-conformance report reports/runs/latest"
  `)
})

const refused = { verdict: 'refused', detail: 'ECONNREFUSED at connect' } as const

test('thirty legs: the matrix is cut into blocks that fit', () => {
  const names = Array.from({ length: 30 }, (_, at) => `cluster-${at}-with-a-long-name`)
  const run = foldEvents(
    timed([
      runStarted(...names),
      ...names.flatMap((name) => legEvents(name, outcomesOf())),
      { type: 'run-ended' },
    ]),
  )
  const lines = renderOverview(run, { stream, columns: 100 }).split('\n')
  const heads = lines.filter((line) => /^ {3,}cluster-/.test(line))
  expect(heads).toHaveLength(10)
  expect(heads.every((line) => line.length <= 100)).toBe(true)
  expect(lines.filter((line) => line.includes('pod-to-pod/cross-node  '))).toHaveLength(10)
})

test('whatever the strings: no escape sequence, no line end inside a line, the verdict stays', () => {
  fc.assert(
    fc.property(fc.oneof(hostileRun, hostileMergedRun), fc.integer({ min: 1, max: 300 }), (run, columns) => {
      for (const text of [renderOverview(run, { stream, columns }), renderRun(run, { stream, columns })]) {
        // oxlint-disable-next-line no-control-regex
        expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200f\u202e\u2066]/)
      }
      fc.pre(run.legs.length > 0)
      expect(mergeRuns([input(run, 'a')], 'again').verdict).toEqual(run.verdict)
    }),
    { numRuns: 300 },
  )
})

test('a report that was changed by hand contradicts itself', () => {
  const change = (edit: (run: Run) => void, version = '0.1.0'): string[] => {
    const run = structuredClone(runWith(outcomesOf(crossNodeDown)))
    edit(run)
    return contradictionsIn(run, 'run.json', version)
  }
  const outcomeAt = (run: Run, at: number) => {
    const outcome = run.legs[0]?.outcomes[at]
    if (outcome === undefined) throw new Error('no outcome')
    return outcome
  }
  expect(change(() => undefined)).toEqual([])
  expect(change((run) => (run.verdict = { exitCode: 0, text: 'all is well' }))).toEqual([
    'run.json: verdict.exitCode: it is 0, but 1 follows from the outcomes ("15 of 35 checks failed on flannel")',
  ])
  expect(change((run) => (run.verdict.text = '1 of 35 checks failed on flannel'))).toEqual([
    'run.json: verdict.text: it is "1 of 35 checks failed on flannel", but "15 of 35 checks failed on flannel" follows from the outcomes',
  ])
  // Another version may use other words, but not another exit code.
  expect(change((run) => (run.verdict.text = 'in other words'), '0.2.0')).toEqual([])
  expect(change((run) => (run.verdict.exitCode = 0), '0.2.0')).toHaveLength(1)
  expect(change((run) => (outcomeAt(run, 8).outcome = 'passed'))).toEqual([
    'run.json: legs[0].outcomes[8].outcome: passed, although observations[0] saw timed-out and expected reached',
    'run.json: verdict.text: it is "15 of 35 checks failed on flannel", but "14 of 35 checks failed on flannel" follows from the outcomes',
  ])
  expect(change((run) => (outcomeAt(run, 0).observations = []))).toEqual([
    'run.json: legs[0].outcomes[0].outcome: passed, although there is no observation',
  ])
  const step = { name: 'deny', role: 'control' as const, probes: 8, asExpected: 7, ms: 1 }
  expect(change((run) => (outcomeAt(run, 0).steps = [step]))).toEqual([
    'run.json: legs[0].outcomes[0].outcome: passed, although in steps[0] 7 of 8 probes were as expected',
  ])
  expect(change((run) => (outcomeAt(run, 0).check = 'pod/placement'))).toEqual([
    'run.json: legs[0].outcomes: check "pod/placement" is there twice',
  ])
  expect(change((run) => run.legs.push(...run.legs))).toEqual([
    'run.json: legs: "flannel" is there twice',
    expect.stringContaining('verdict.text'),
  ])
})
