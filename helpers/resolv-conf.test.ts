import { expect, test } from 'vitest'
import { resolvConfProblems } from './resolv-conf.ts'
import { healthyWorld } from './world.testdata.ts'

const world = healthyWorld()
const podNamed = (name: string) => {
  const pod = [...world.pods, ...world.hosts].find((each) => each.name === name)
  if (pod === undefined) throw new Error(`no pod ${name}`)
  return pod
}
const search = (namespace: string): string =>
  `search ${namespace}.svc.cluster.local svc.cluster.local cluster.local example.org`
const files = {
  first: `nameserver 10.96.0.10\n${search('cnic-main')}\noptions ndots:5\n`,
  ofHosts: `nameserver 10.96.0.10\n${search('cnic-host')}\noptions ndots:5\n`,
  node: 'nameserver 192.0.2.53\nsearch example.org\noptions edns0\n',
  own: 'nameserver 10.96.0.10\nsearch cnic-main.svc.cluster.local\noptions ndots:2\n',
}

test.each([
  ['worker1-a', files.first],
  ['worker1-host', files.ofHosts],
  ['worker2-host', files.node],
  ['worker1-other', files.own],
])('%s has what its dnsPolicy says', (name, text) => {
  expect(resolvConfProblems(podNamed(name), text, world)).toEqual([])
})

test.each([
  ['worker1-a', files.node, ['nameserver 192.0.2.53', 'search example.org', 'without ndots:5']],
  ['worker1-host', files.first, ['search cnic-main.svc']],
  ['worker2-host', files.first, ["nameserver 10.96.0.10, the cluster's", 'of the cluster']],
  ['worker2-host', '', ['no nameserver at all']],
  ['worker1-other', files.first, ['without ndots:2']],
  ['worker1-other', files.node, ['nameserver 192.0.2.53', 'search example.org', 'without ndots:2']],
  // The last line counts.
  ['worker1-other', `${files.own}search elsewhere.org\n`, ['search elsewhere.org']],
])('%s has something else: %j', (name, text, parts) => {
  const problems = resolvConfProblems(podNamed(name), text, world)
  expect(problems).toHaveLength(parts.length)
  for (const [index, part] of parts.entries()) expect(problems[index]).toContain(part)
})
