import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Outcome } from '../../helpers/observation.ts'
import { hostileRun } from '../hostile.testdata.ts'
import { mergeRuns } from '../merge.ts'
import { crossNodeDown, deadRun, outcomesOf, runWith } from '../run.testdata.ts'
import { evidenceLink } from './failures.ts'
import { markup, type Markup } from './markup.ts'
import { betweenNodes, largeRun, pullFailure, runOf, threeLegs } from './page.testdata.ts'
import { renderHtml } from './page.ts'

test('what is put into a template is text, in content and in attributes', () => {
  const hostile = `</p><script>alert("x")</script>' onload='y`
  expect(markup`<p title="${hostile}">${hostile}${undefined}${false}${[1, 'a&b']}</p>`.toString()).toBe(
    '<p title="&lt;/p&gt;&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39; onload=&#39;y">&lt;/p&gt;&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39; onload=&#39;y1a&amp;b</p>',
  )
})

test('control characters, escape sequences and overrides of the direction do not reach the page', () => {
  expect(markup`${'\u001b[31mred\u001b[0m \u202eevil \u0000\ud800'}`.toString()).toBe('red evil \ufffd')
})

test('what merely looks like markup is no markup', () => {
  const lookalike = { toString: () => '<b>' } as unknown as Markup
  expect(() => markup`${lookalike}`).toThrow(TypeError)
})

test('evidence is linked only where it lies beside the page', () => {
  expect(evidenceLink('flannel/evidence/dns.udp').toString()).toBe(
    '<a href="./flannel/evidence/dns.udp/">flannel/evidence/dns.udp</a>',
  )
  expect(evidenceLink('a?b/c#d').toString()).toContain('href="./a%3Fb/c%23d/"')
  expect(evidenceLink('javascript:alert(1)').toString()).toContain('href="./javascript%3Aalert(1)/"')
  expect(evidenceLink('../a/evidence').toString()).toContain('href="./../a/evidence/"')
  for (const path of ['/etc/passwd', '..', 'a/../b', './a', 'https://example.org', 'a//b', '', '\ud800'])
    expect(evidenceLink(path).toString()).not.toContain('href')
})

/** Every tag that stands in our templates, and none besides. */
const ours =
  /^<\/?(a|article|body|br|button|caption|circle|code|col|colgroup|dd|details|div|dl|dt|figcaption|figure|footer|form|g|h[1-4]|head|header|html|input|label|li|main|meta|nav|option|output|p|path|pre|rect|script|section|select|small|span|strong|style|summary|svg|table|tbody|td|text|th|thead|time|title|tr|ul)[ >]/

test('whatever the strings: only our own tags, one script, one style, whole attributes', () => {
  fc.assert(
    fc.property(hostileRun, (run) => {
      const page = renderHtml(run)
      // oxlint-disable-next-line no-control-regex
      expect(page).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
      const body = withoutAssets(page)
      for (const tag of body.match(/<[^!].*?>/gs) ?? []) {
        expect(tag).toMatch(ours)
        // Quotes only around values, so no value has ended early.
        expect(tag.replaceAll(/ [a-z-]+="[^"<>]*"/gi, '')).toMatch(/^<\/?[a-z0-9]+( open| hidden)*\/?>$/)
      }
      expect(body.replaceAll(/<[^>]*>/gs, '')).not.toMatch(/[<>"']/)
    }),
    { numRuns: 200 },
  )
})

/** The page without the content of its script and its style, of which there is one each. */
function withoutAssets(page: string): string {
  expect(page.match(/<script/g)).toHaveLength(1)
  expect(page.match(/<style/g)).toHaveLength(1)
  return page
    .replace(/<script>.*<\/script>/s, '<script></script>')
    .replace(/<style>.*<\/style>/s, '<style></style>')
}

test('the page names no address but sources that a person may follow', () => {
  const page = renderHtml(runOf(threeLegs))
  expect(page).not.toMatch(/ src=|@import|url\(|srcset|<link|<iframe/)
  expect(page).toMatch(/default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'/)
})

test('every anchor that is linked is there, once', () => {
  for (const run of [runOf(threeLegs), runWith(outcomesOf(crossNodeDown)), deadRun(), largeRun(30, 200)]) {
    const page = renderHtml(run)
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, id] of page.matchAll(/ href="#([^"]*)"/g)) expect(ids).toContain(id)
  }
})

test('a cell for each check on each leg, in colour, mark and word', () => {
  const run = runOf(threeLegs.map((leg) => (leg.name === 'calico' ? { ...leg, broken: betweenNodes } : leg)))
  const page = renderHtml(run)
  const matrix = page.slice(page.indexOf('class="matrix'), page.indexOf('id="findings"'))
  const rows = matrix.match(/<tr><th scope="row">.*/g) ?? []
  const row = rows.find((each) => each.includes('pod-to-pod/cross-node/tcp')) ?? ''
  expect(row.match(/<td class="[pf]">/g)).toEqual(['<td class="p">', '<td class="f">', '<td class="p">'])
  expect(row).toMatch(/<td class="f"><a href="#failed-1-0">failed<\/a>/)
  expect(rows).toHaveLength(run.legs[0]?.outcomes.length ?? 0)
})

test('a failed check shows both ends, the ladder its first broken rung', () => {
  const page = renderHtml(runWith(outcomesOf(crossNodeDown)))
  expect(page).toContain(
    'Path from cni-conformance/worker1-a on node flannel-worker 10.244.1.2:8081 to cni-conformance/worker2-a on node flannel-worker2 10.244.2.2:8081, pod-ip over tcp: timed-out, expected reached; 0 of 1 answered, 1 sent',
  )
  expect(page).toContain('other node failed, 0 of 5 passed, the first broken rung')
  expect(page).toContain('<strong>Likely layer: other node.</strong>')
})

test('a leg that never came up says why, and none of its cells is green', () => {
  const page = renderHtml(runOf([{ name: 'cilium', cni: 'cilium', failure: pullFailure }]))
  expect(page).toContain('<strong>Set-up failed in phase cni.</strong>')
  expect(page).toContain('ImagePullBackOff')
  expect(page).not.toContain('<td class="p">')
})

test('Weave is declared only, and a CNI that did not run is not measured', () => {
  const page = renderHtml(runWith(outcomesOf()))
  const row = page.match(/<th scope="row">Weave Net.*/)?.[0]
  expect(row).toContain('archived upstream since June 2024; declared only')
  expect(row).toMatch(/<td colspan="4"><span class="dim">not measured<\/span><\/td><\/tr>$/)
})

test('what became of a feature is told by the checks that need it, whatever their names', () => {
  const [flannel, calico] = threeLegs
  if (flannel === undefined || calico === undefined) throw new Error('no legs')
  const renamed = (outcomes: Outcome[]): Outcome[] =>
    (calico.change?.(outcomes) ?? outcomes).map((each, at) => ({ ...each, check: `renamed/check-${at}` }))
  const page = renderHtml(runOf([flannel, { ...calico, change: renamed }]))
  expect(page).toContain('<td>network-policy: 4 unsupported</td>')
  expect(page).toContain('<td>network-policy: 4 passed</td>')
  expect(page).toContain('<td>4 of 4 passed</td>')
})

test('a cluster that turned out other than declared is marked', () => {
  const run = runOf(threeLegs)
  const [leg] = run.legs
  if (leg === undefined) throw new Error('no leg')
  leg.identity.kubernetes = 'v1.36.3'
  expect(renderHtml(run)).toContain('v1.36.3 <strong>differs</strong>')
})

test('a merged run: where each leg comes from, and each machine', () => {
  const [first, second] = threeLegs.map((leg) => runOf([leg]))
  if (first === undefined || second === undefined) throw new Error('no runs')
  second.machine = { ...second.machine, cpus: 64 }
  const run = mergeRuns(
    [first, second].map((each, index) => ({ run: each, file: `${index}/run.json`, folder: `leg-${index}` })),
    'merged',
  )
  const page = renderHtml({ ...run, parallel: { jobs: 2, budgetMiB: 4_000, peakMiB: 2_345 } })
  expect(page).toContain('<h3>Machine of flannel</h3>')
  expect(page).toContain('<h3>Machine of calico</h3>')
  expect(page).toContain('from run 5e1f00d1')
  expect(page).toContain('64 CPUs')
  expect(page).toContain('2,345 MiB at most, 4,000 MiB planned for 2 legs at once')
})

test('what checks measured besides round trips', () => {
  const run = runOf(threeLegs)
  const outcomes = run.legs[1]?.outcomes.slice(0, 3) ?? []
  outcomes.forEach((outcome, index) => {
    outcome.measurements = [{ name: 'policy created to enforced', ms: 100 * (index + 1) }]
  })
  expect(renderHtml(run)).toMatch(
    /<td>policy created to enforced<\/td><th scope="row">calico<\/th>.*>3<.*>100 ms<.*>200 ms<.*>300 ms</,
  )
})

test('no more than 3 MB, also when every check of thirty legs failed', () => {
  expect(Buffer.byteLength(renderHtml(largeRun(30, 200)))).toBeLessThan(3_000_000)
  const broken = () => ({ verdict: 'timed-out', detail: 'no answer '.repeat(20) }) as const
  const many = Array.from({ length: 30 }, (_, index) => ({
    name: `leg-${index}`,
    cni: 'calico' as const,
    broken,
    change: (outcomes: ReturnType<typeof outcomesOf>) =>
      Array.from({ length: 6 }, (_, round) =>
        outcomes.map((each) => ({ ...each, check: `${each.check}-${round}` })),
      ).flat(),
  }))
  const page = renderHtml(runOf(many))
  expect(Buffer.byteLength(page)).toBeLessThan(3_000_000)
  expect(page).toMatch(/\d+ more failed checks did not fit on this page: see run\.json and junit\.xml\./)
})
