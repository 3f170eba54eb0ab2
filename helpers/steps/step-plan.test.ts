import { describe, expect, test } from 'vitest'
import { cellsOf, nothingMade, type Cell } from './step-cells.ts'
import { bindSteps, lanesOf, phasesOf } from './step-plan.ts'
import { couldControl } from './step-verdict.ts'
import { healthyWorld } from '../world.testdata.ts'
import { lifeCycleChecks } from '../../suites/life-cycle.checks.ts'
import { networkPolicyChecks } from '../../suites/network-policy.checks.ts'

const world = healthyWorld()
const bound = networkPolicyChecks.map((check) => bindSteps(check, world))

describe.each(bound.map((each) => ({ id: each.check.id, each })))('$id', ({ each }) => {
  const [, under] = each.steps
  const cells: Cell[] =
    under === undefined
      ? []
      : cellsOf(each, under, { ...nothingMade, policies: [...each.policies.values()] }, world, true)
  const denied = cells.filter(({ allowed }) => !allowed)

  test('denies on the same node and across nodes', () => {
    const sameNode = denied.filter(({ from, to }) => from.node === to.node)
    expect(sameNode.length).toBeGreaterThan(0)
    expect(denied.length - sameNode.length).toBeGreaterThan(0)
  })

  test('has a control beside for both ends of every deny', () => {
    const bare = denied.filter(
      (deny) =>
        !cells.some((cell) => couldControl(cell, deny.from, deny)) ||
        !cells.some((cell) => couldControl(cell, deny.to, deny)),
    )
    expect(bare.map(({ from, to, protocol }) => `${from.name} -> ${to.name} ${protocol}`)).toEqual([])
  })

  test('asks the same flows before and after, with no policy in force', () => {
    const [before, , after] = each.steps
    expect(before?.role).toBe('control')
    expect(before?.flows).toEqual(under?.flows)
    expect(after?.flows).toEqual(under?.flows)
    expect(after?.delete.toSorted()).toEqual([...each.policies.keys()].toSorted())
  })
})

test('names of the policies are names, and no two are the same', () => {
  const names = bound.flatMap(({ policies }) =>
    [...policies.values()].map(({ metadata }) => metadata?.name ?? ''),
  )
  expect(new Set(names).size).toBe(names.length)
  expect(names.filter((name) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))).toEqual([])
})

test('checks of one phase leave each other’s pods alone, and no check is lost', () => {
  const phases = phasesOf(bound, world)
  expect(
    phases
      .flat()
      .map(({ check }) => check.id)
      .toSorted(),
  ).toEqual(networkPolicyChecks.map(({ id }) => id).toSorted())
  for (const phase of phases) {
    for (const one of phase) {
      const others = phase.filter((each) => each !== one).flatMap(({ policies }) => [...policies.values()])
      for (const step of one.steps) {
        const cells = (policies: typeof others) =>
          cellsOf(one, step, { ...nothingMade, policies }, world, true).map(({ allowed }) => allowed)
        const own = [...one.policies.values()]
        // The engine itself says that the policies of the others change nothing for this check.
        expect(cells([...own, ...others])).toEqual(cells(own))
      }
    }
  }
})

test('what waits for time to pass goes on beside the others, unless a policy of theirs is about its pods', () => {
  const ids = (lanes: ReturnType<typeof lanesOf>) => lanes.map((lane) => lane.map(({ check }) => check.id))
  const life = lifeCycleChecks.map((check) => bindSteps(check, world))
  const [busy = [], patient = []] = ids(lanesOf(life, world))
  expect(patient).toEqual(['life-cycle/service/record', 'life-cycle/service/affinity-time-out'])
  expect([...busy, ...patient].toSorted()).toEqual(lifeCycleChecks.map(({ id }) => id).toSorted())
  const [all = [], none] = ids(lanesOf([...life, ...bound], world))
  expect(none).toEqual([])
  expect(all).toHaveLength(life.length + bound.length)
})
