import { expect, test } from 'vitest'
import { undeclared } from '../helpers/outcome.ts'
import { renderHtml } from './html/page.ts'
import type { Leg, Run } from './model.ts'
import { parseRun } from './model.ts'
import { outcomesOf, runWith } from './run.testdata.ts'
import { cniText, identityText } from './summary.ts'

/** A run on a cluster that stood already, which nobody has described. */
function guestRun(): Run {
  const run = runWith(outcomesOf(undefined))
  const legs = run.legs.map((leg): Leg => {
    const { cni: _cni, kubeProxy: _kubeProxy, mtu: _mtu, ...identity } = leg.identity
    const definition = {
      kubernetes: undeclared,
      network: { ipFamily: undeclared, kubeProxy: undeclared },
      cni: { name: undeclared, version: undeclared },
      features: [],
    }
    const given = { context: 'staging', server: 'https://api.example:6443' }
    return { ...leg, identity, cluster: { ...leg.cluster, name: 'staging', definition, given } }
  })
  return { ...run, legs }
}

test('what nobody has declared is said to be unknown, once', () => {
  const [leg] = guestRun().legs
  if (leg === undefined) throw new Error('no leg')
  expect(identityText(leg)).toBe(
    'Kubernetes v1.37.0 · CNI unknown · kube-proxy unknown · 3 nodes · Linux 6.18.0 · context staging at https://api.example:6443',
  )
  expect(cniText({ name: 'aws-vpc-cni', version: undeclared })).toBe('aws-vpc-cni')
})

test('such a run can be read again, and the page does not call what was measured different from it', () => {
  const run = parseRun('run.json', JSON.parse(JSON.stringify(guestRun())))
  expect(run.legs[0]?.cluster.given).toEqual({ context: 'staging', server: 'https://api.example:6443' })
  const page = renderHtml(run)
  expect(page).toContain('CNI unknown')
  expect(page).not.toContain('differs</strong>')
  expect(page).not.toContain('unknown unknown')
})
