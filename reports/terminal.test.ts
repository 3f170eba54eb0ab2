import * as fc from 'fast-check'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { hostileRun } from './hostile.testdata.ts'
import { crossNodeDown, deadRun, outcomesOf, runWith } from './run.testdata.ts'
import { renderLeg, renderRun, renderSummary } from './terminal.ts'
import type { Run } from './model.ts'

const stream = new PassThrough()
const folder = 'reports/runs/latest'
const text = (run: Run, columns = 100): string => renderRun(run, { stream, columns, folder })

test('all green: the ladder, the checks, where the time went', () => {
  expect(text(runWith(outcomesOf()))).toMatchInlineSnapshot(`
    "flannel  Kubernetes v1.37.0 · flannel v0.28.9 (vxlan, bridge + iptables) · kube-proxy iptables ·
             ipv4 · MTU 1450 · 3 nodes · Linux 6.18.0

      loopback ✓ 2/2 → same node ✓ 3/3 → other node ✓ 5/5 → service ✓ 3/3 → DNS ✓ 16/16

      loopback/between-containers  ✓ http 0.2 ms  ✓ udp 0.3 ms
      loopback                     ✓ shared-namespace 0.5 ms
      pod                          ✓ placement 0.6 ms
      pod/address                  ✓ unique 0.7 ms
      pod-to-pod/same-node         ✓ tcp 0.9 ms  ✓ udp 1.0 ms  ✓ http 0.2 ms  ✓ source-address 1.0 ms
      pod-to-pod/cross-node        ✓ tcp 0.3 ms  ✓ udp 0.5 ms  ✓ http 0.6 ms  ✓ delivery-there 0.7 ms
                                   ✓ delivery-back 0.9 ms  ✓ source-address 0.2 ms
      service/cluster-ip           ✓ tcp 0.3 ms  ✓ udp 0.5 ms  ✓ http 0.6 ms
      service/name                 ✓ short 0.7 ms  ✓ namespaced 0.9 ms  ✓ fqdn 1.0 ms
                                   ✓ other-namespace 0.2 ms
      dns                          ✓ resolv-conf 0.3 ms
      dns/service-ip               ✓ service-udp 0.5 ms  ✓ service-tcp 0.6 ms  ✓ headless-udp 0.7 ms
                                   ✓ headless-tcp 0.9 ms  ✓ pod-udp 1.0 ms  ✓ pod-tcp 0.2 ms
      dns/each-server              ✓ service-udp 0.3 ms  ✓ service-tcp 0.5 ms  ✓ headless-udp 0.6 ms
                                   ✓ headless-tcp 0.7 ms  ✓ pod-udp 0.9 ms  ✓ pod-tcp 1.0 ms

      phases    images 600 ms · create 28.4 s · cni 15.9 s · fixtures 2.3 s · traffic 640 ms ·
                checks 1.1 s · delete 2.4 s

    ✓ 35 checks passed on flannel
      checks    35 passed, 0 failed
      time      53.0 s
      exit code 0, all required checks passed
      reports   reports/runs/latest/{report.html,run.json,junit.xml,summary.md}"
  `)
})

test('set-up failed: what, what was seen, what to do', () => {
  expect(text(deadRun())).toMatchInlineSnapshot(`
    "flannel  Kubernetes v1.37.0 · flannel v0.28.9 · kube-proxy iptables · ipv4

    ! set-up failed in phase cni
      what      waited 300 s (budget cniReadyMs) for DaemonSet kube-flannel/kube-flannel-ds to be ready
                on 3 nodes
      seen      0 of 3 ready
                kube-flannel-ds-x7k2p on flannel-worker: ImagePullBackOff:
                ghcr.io/flannel-io/flannel:v0.28.9
      next      look at \`cni-conformance doctor\`, or run again with --keep=on-failure and look at the
                pods
      cost      35 checks did not run

      phases    images 600 ms · cni ✗ 5 min 0 s

    ! no verdict on flannel: set-up failed in phase cni: waited 300 s (budget cniReadyMs) for DaemonSet
    kube-flannel/kube-flannel-ds to be ready on 3 nodes
      checks    0 passed, 0 failed, 35 not run
      time      6.0 s
      exit code 3, inconclusive: no verdict about the network
      reports   reports/runs/latest/{report.html,run.json,junit.xml,summary.md}"
  `)
})

test('cross-node broken: the layer first and last, both ends of each path in between', () => {
  const lines = text(runWith(outcomesOf(crossNodeDown))).split('\n')
  expect(lines.slice(0, 26).join('\n')).toMatchInlineSnapshot(`
    "flannel  Kubernetes v1.37.0 · flannel v0.28.9 (vxlan, bridge + iptables) · kube-proxy iptables ·
             ipv4 · MTU 1450 · 3 nodes · Linux 6.18.0

      loopback ✓ 2/2 → same node ✓ 3/3 → other node ✗ 0/5 → service ✗ 0/3 → DNS ✗ 10/16

      likely    other node: pods on the same node reach each other, pods on other nodes do not: the
                overlay or the routing between nodes (tunnel port blocked, wrong FDB entry or route,
                MTU, a firewall between the nodes)
                - all 8 broken probes ended timed-out: packets vanish without a word
                - loopback and same node below it pass
                - service and DNS above it fail too, perhaps only as a consequence

      loopback/between-containers  ✓ http 0.2 ms  ✓ udp 0.3 ms
      loopback                     ✓ shared-namespace 0.5 ms
      pod                          ✓ placement 0.6 ms
      pod/address                  ✓ unique 0.7 ms
      pod-to-pod/same-node         ✓ tcp 0.9 ms  ✓ udp 1.0 ms  ✓ http 0.2 ms  ✓ source-address 1.0 ms
      pod-to-pod/cross-node        ✗ tcp  ✗ udp  ✗ http  ✗ delivery-there  ✗ delivery-back
                                   ✗ source-address
      service/cluster-ip           ✗ tcp  ✗ udp  ✗ http
      service/name                 ✓ short 0.7 ms  ✓ namespaced 0.9 ms  ✓ fqdn 1.0 ms
                                   ✓ other-namespace 0.2 ms
      dns                          ✓ resolv-conf 0.3 ms
      dns/service-ip               ✗ service-udp  ✗ service-tcp  ✗ headless-udp  ✗ headless-tcp
                                   ✗ pod-udp  ✗ pod-tcp
      dns/each-server              ✓ service-udp 0.3 ms  ✓ service-tcp 0.5 ms  ✓ headless-udp 0.6 ms"
  `)
  const at = lines.findIndex((line) => line.startsWith('✗ pod-to-pod/cross-node/udp'))
  expect(lines.slice(at, at + 14).join('\n')).toMatchInlineSnapshot(`
    "✗ pod-to-pod/cross-node/udp core, covers P3
      must      What pod-to-pod/cross-node/udp checks MUST hold on every node, in both directions.
      path      cni-conformance/worker1-a on flannel-worker (10.244.1.2:8081) →
                cni-conformance/worker2-a on flannel-worker2 (10.244.2.2:8081), pod-ip over udp
      seen      timed-out, expected reached: no answer in 1000 ms at connect; 0 of 1 answered, 3 sent
      path      cni-conformance/worker2-a on flannel-worker2 (10.244.2.2:8081) →
                cni-conformance/worker1-a on flannel-worker (10.244.1.2:8081), pod-ip over udp
      seen      timed-out, expected reached: no answer in 1000 ms at connect; 0 of 1 answered, 3 sent
      how much  0 of 2 probes as expected; the check took 1.0 s
      beside it ✓ loopback/between-containers/udp, ✓ pod-to-pod/same-node/udp,
                ✗ pod-to-pod/cross-node/tcp, ✗ pod-to-pod/cross-node/http
      evidence  reports/runs/latest/flannel/evidence/pod-to-pod.cross-node.udp

    ✗ pod-to-pod/cross-node/http core, covers P3"
  `)
  expect(lines.slice(-9).join('\n')).toMatchInlineSnapshot(`
    "
    ✗ 15 of 35 checks failed on flannel
      likely    other node: pods on the same node reach each other, pods on other nodes do not: the
                overlay or the routing between nodes (tunnel port blocked, wrong FDB entry or route,
                MTU, a firewall between the nodes)
      checks    20 passed, 15 failed
      time      53.0 s
      exit code 1, conformance failure
      reports   reports/runs/latest/{report.html,run.json,junit.xml,summary.md}"
  `)
})

test('what is not a failure is told by its reason', () => {
  const outcomes = outcomesOf().map((each) => {
    if (each.check.startsWith('service/name'))
      return { ...each, outcome: 'not-run' as const, reason: 'worker1-a: the stream ended' }
    return each.check === 'pod/placement'
      ? { ...each, outcome: 'expected' as const, reason: 'known until 2027-01-01' }
      : each
  })
  const leg = runWith(outcomes).legs[0]
  if (leg === undefined) throw new Error('no leg')
  expect(renderLeg(leg, { stream, columns: 80 }).split('\n').slice(-13).join('\n')).toMatchInlineSnapshot(`
    "                               ✓ pod-udp 0.9 ms  ✓ pod-tcp 1.0 ms

    ~ 1 check deviated as expected
      why       known until 2027-01-01
      which     pod/placement

    ! 4 checks not run
      why       worker1-a: the stream ended
      which     service/name/short  service/name/namespaced  service/name/fqdn
                service/name/other-namespace

      phases    images 600 ms · create 28.4 s · cni 15.9 s · fixtures 2.3 s ·
                traffic 640 ms · checks 1.1 s · delete 2.4 s"
  `)
})

test('a probe that was sent again shows it, also when it passed', () => {
  const outcomes = outcomesOf().map((each) => ({
    ...each,
    observations: each.observations.map((seen) =>
      each.check === 'pod-to-pod/same-node/udp' ? { ...seen, attempts: 2 } : seen,
    ),
  }))
  expect(text(runWith(outcomes))).toContain('✓ udp 1.0 ms, resent 2×')
})

test('a partial run says so', () => {
  const run = runWith(outcomesOf())
  run.run = { ...run.run, partial: true, filter: "--check 'dns/**'" }
  expect(renderSummary(run, { stream })).toContain("  partial   only --check 'dns/**'")
})

test('whatever the strings and the width: no escape sequence of theirs, no line end inside a line', () => {
  fc.assert(
    fc.property(hostileRun, fc.integer({ min: 1, max: 300 }), (run, columns) => {
      // oxlint-disable-next-line no-control-regex
      expect(text(run, columns)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    }),
    { numRuns: 300 },
  )
})

test('lines keep to the width', () => {
  for (const columns of [80, 100, 120]) {
    const tooLong = text(runWith(outcomesOf(crossNodeDown)), columns)
      .split('\n')
      .filter((line) => line.length > columns && !line.startsWith('  evidence '))
    expect(tooLong).toEqual([])
  }
})
