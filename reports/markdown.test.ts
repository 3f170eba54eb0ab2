import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Outcome } from '../helpers/observation.ts'
import { summaryLimitBytes } from './capped.ts'
import { hostileMergedRun, hostileRun } from './hostile.testdata.ts'
import { betweenNodes, largeRun, pullFailure, runOf } from './html/page.testdata.ts'
import { renderMarkdown } from './markdown.ts'
import { crossNodeDown, deadRun, outcomesOf, runWith } from './run.testdata.ts'

test('a green run', () => {
  expect(renderMarkdown(runWith(outcomesOf())).split('\n').slice(0, 16).join('\n')).toMatchInlineSnapshot(`
    "## ✅ 35 checks passed on flannel

    35 passed · 53.0 s · exit code 0 (all required checks passed)

    ### flannel

    Kubernetes v1.37.0 · flannel v0.28.9 (vxlan, bridge + iptables) · kube-proxy iptables · ipv4 · MTU 1450 · 3 nodes · Linux 6.18.0

    loopback ✅ 2/2 → same node ✅ 3/3 → other node ✅ 5/5 → service ✅ 3/3 → DNS ✅ 16/16

    Phases: images 600 ms · create 28.4 s · cni 15.9 s · fixtures 2.3 s · traffic 640 ms · checks 1.1 s · delete 2.4 s

    | loopback |  | median | why |
    |---|---|---|---|
    | loopback/between-containers/http | ✅ passed | 0.2 ms |  |
    | loopback/between-containers/udp | ✅ passed | 0.3 ms |  |"
  `)
})

test('a broken run names the layer and folds the details away', () => {
  const text = renderMarkdown(runWith(outcomesOf(crossNodeDown)))
  expect(text).toMatch(/^## ❌ 15 of 35 checks failed on flannel\n/)
  expect(text).toContain(
    'loopback ✅ 2/2 → same node ✅ 3/3 → other node ❌ 0/5 → service ❌ 0/3 → DNS ❌ 10/16',
  )
  expect(text).toContain('**Likely layer: other node**: pods on the same node reach each other')
  expect(text.match(/<details>/g)).toHaveLength(15)
})

test('a failed set-up', () => {
  const text = renderMarkdown(deadRun())
  expect(text).toMatch(/^## ⚠️ no verdict on flannel: set-up failed in phase cni/)
  expect(text).toContain('**Set-up failed in phase cni**\n\n```text\nwaited 300 s')
})

test('hostile strings stay text', () => {
  const [first, ...rest] = outcomesOf()
  if (first === undefined) throw new Error('no outcomes')
  const reason = 'a | b\n`code` <script> @everyone [x](y) ``` ![i](j)'
  const text = renderMarkdown(runWith([{ ...first, outcome: 'failed', reason }, ...rest]))
  expect(text.split('\n').find((line) => line.includes('@'))).toBe(
    '| loopback/between-containers/http | ❌ failed | a &#124; b &#96;code&#96; &#60;script> @&#8203;everyone &#91;x&#93;(y) &#96;&#96;&#96; !&#91;i&#93;(j) |',
  )
})

test('whatever the strings: no HTML of theirs, and a table row has its cells', () => {
  fc.assert(
    fc.property(fc.oneof(hostileRun, hostileMergedRun), (run) => {
      const text = renderMarkdown(run)
      // oxlint-disable-next-line no-control-regex
      expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
      const outside = withoutFences(text)
      expect(outside.replaceAll(/<\/?(details|summary)>/g, '')).not.toContain('<')
      const many = run.legs.length > 1
      // The checks of a topic, what did not pass, and the matrix.
      const cells = [5, many ? 5 : 4, ...(many ? [run.legs.length + 2] : [])]
      const tables = outside.split(/\n(?!\|)/).map((part) => part.split('\n').slice(1))
      for (const table of tables.filter(({ length }) => length > 0)) {
        const counts = new Set(table.map((line) => line.match(/\|/g)?.length ?? 0))
        expect(counts.size).toBe(1)
        expect(cells).toContain([...counts][0])
      }
    }),
    { numRuns: 300 },
  )
})

/** What is left when a reader of Markdown has taken the fenced blocks out. */
function withoutFences(text: string): string {
  let fence: string | undefined
  const outside: string[] = []
  for (const line of text.split('\n')) {
    if (fence === undefined) {
      fence = /^(`{3,})text$/.exec(line)?.[1]
      if (fence === undefined) outside.push(line)
    } else if (/^`+$/.test(line) && line.length >= fence.length) fence = undefined
  }
  expect(fence).toBeUndefined()
  return outside.join('\n')
}

test('what is wrong comes first, on all legs: reasons, then details, then every check', () => {
  const text = renderMarkdown(
    runOf([
      { name: 'green', cni: 'flannel' },
      { name: 'red', cni: 'calico', broken: betweenNodes },
      { name: 'dead', cni: 'cilium', failure: pullFailure },
    ]),
  )
  const parts = ['### green', '### dead', '| did not pass | leg |', '<details>', '### Every check on green']
  const places = parts.map((part) => text.indexOf(part))
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(places[0]).toBeGreaterThan(0)
  expect(text).toContain(
    '| pod-to-pod/cross-node/tcp | red | ❌ failed | timed-out, expected reached: worker1-a -> worker2-a via pod-ip over tcp: no answer in 3000 ms at connect |',
  )
  // The set-up of `dead` is told once, not for each of its checks.
  expect(text.slice(0, text.indexOf('### Every check on green'))).not.toContain('⚠️ not-run')
})

/** What a summary shows and what it says that it leaves out, by kind. */
function shownAndLeft(text: string): { details: number; rows: number; left: Record<string, number> } {
  const [, note = ''] =
    /\n\*\*No room for (.*): all of it is in run\.json and junit\.xml\.\*\*\n$/.exec(text) ?? []
  const counted = [...note.matchAll(/(\d+) ([a-z ]+?)s?(?:, |$)/g)]
  const at = text.search(/\n### Every check|\n\| [a-z-]+ \| {2}\| median/)
  const every = at < 0 ? '' : text.slice(at)
  return {
    details: text.match(/<details>/g)?.length ?? 0,
    rows: every.match(/^\| \S+\/.*\|$/gm)?.length ?? 0,
    left: Object.fromEntries(counted.map(([, number, kind = '']) => [kind, Number(number)])),
  }
}

test('thirty legs of two hundred checks fit, with every failure in full', () => {
  const run = largeRun(30, 200)
  const text = renderMarkdown(run)
  const failed = run.legs.flatMap(({ outcomes }) => outcomes.filter(({ outcome }) => outcome === 'failed'))
  expect(failed.length).toBeGreaterThan(50)
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(summaryLimitBytes)
  const { details, rows, left } = shownAndLeft(text)
  expect(details).toBe(failed.length)
  expect(rows + (left['row'] ?? 0)).toBe(30 * 200)
})

test('never above the limit: what does not fit is counted by kind, what failed last', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 0, max: 6_000 }),
      fc.boolean(),
      (legs, checks, length, broken) => {
        const plans = Array.from({ length: legs }, (_, leg) => ({
          name: `leg-${leg}`,
          cni: 'flannel' as const,
          change: () => manyOutcomes(checks, broken, 'ü|'.repeat(length / 2)),
        }))
        const text = renderMarkdown(runOf(plans))
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(summaryLimitBytes)
        const { details, rows, left } = shownAndLeft(text)
        expect(details + (left['failure detail'] ?? 0)).toBe(broken ? legs * checks : 0)
        expect(rows + (left['row'] ?? 0)).toBe(legs * checks)
        // Nothing that passed is shown in place of something that failed.
        expect((left['failure detail'] ?? 0) > 0 ? rows : 0).toBe(0)
        expect((left['reason'] ?? 0) > 0 ? details : 0).toBe(0)
      },
    ),
    { numRuns: 25, examples: [[30, 200, 6_000, true]] },
  )
}, 60_000)

function manyOutcomes(checks: number, broken: boolean, reason: string): Outcome[] {
  const [first] = outcomesOf(broken ? crossNodeDown : undefined).filter(
    ({ outcome }) => (outcome === 'failed') === broken,
  )
  if (first === undefined) throw new Error('no outcomes')
  return Array.from({ length: checks }, (_, index) => ({ ...first, check: `many/check-${index}`, reason }))
}

test('what one leg says without end leaves room for the others', () => {
  const seen = 'npm error '.repeat(200_000)
  const text = renderMarkdown(
    runOf([
      { name: 'dead', cni: 'cilium', failure: { ...pullFailure, seen } },
      { name: 'red', cni: 'calico', broken: betweenNodes },
    ]),
  )
  expect(text).toContain('npm error npm error')
  expect(text).toContain('✗ red: pod-to-pod/cross-node/tcp')
  expect(text).toContain('### Every check on red')
})
