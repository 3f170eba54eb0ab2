import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { hostileMergedRun, hostileRun } from './hostile.testdata.ts'
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

    | loopback | | median | why |
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
    '| loopback/between-containers/http | ❌ failed | 0.2 ms | a &#124; b &#96;code&#96; &#60;script> @&#8203;everyone &#91;x&#93;(y) &#96;&#96;&#96; !&#91;i&#93;(j) |',
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
      const cells = run.legs.length + 2
      const tables = outside.split(/\n(?!\|)/).map((part) => part.split('\n').slice(1))
      for (const table of tables.filter(({ length }) => length > 0)) {
        const counts = new Set(table.map((line) => line.match(/\|/g)?.length ?? 0))
        expect(counts.size).toBe(1)
        // Three columns of reasons, or one for each leg of a matrix: the same for five pipes.
        expect([5, cells]).toContain([...counts][0])
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

test('never above 900 KiB: what does not fit is counted', () => {
  const many = Array.from({ length: 60 }, () => outcomesOf(crossNodeDown)).flat()
  const unique = many.map((each, index) => ({
    ...each,
    check: `${each.check}-${index}`,
    requirement: 'ü'.repeat(900),
  }))
  const text = renderMarkdown(runWith(unique))
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(900 * 1024)
  expect(Buffer.byteLength(text)).toBeGreaterThan(890 * 1024)
  expect(text).toMatch(/\*\*\d+ more parts did not fit: see run\.json and junit\.xml\.\*\*\n$/)
})
