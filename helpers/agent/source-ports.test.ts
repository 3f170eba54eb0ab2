import { expect, test } from 'vitest'
import { SourcePorts, portTries, type PortRange } from './source-ports.ts'
import { Trial } from './trial.ts'

const taken = Object.assign(new Error('taken'), { code: 'EADDRINUSE', syscall: 'bind' })

test('no port comes again before all others of its range; the ranges share none', () => {
  const ports = new SourcePorts(0.9)
  const take = (range: PortRange, count: number) =>
    new Set(Array.from({ length: count }, () => ports.take(range)))
  const [direct, service] = [take('direct', 10_000), take('service', 28_232)]
  expect([direct.size, service.size]).toEqual([10_000, 28_232])
  expect([Math.min(...direct), Math.max(...direct)]).toEqual([10_000, 19_999])
  expect([Math.min(...service), Math.max(...service)]).toEqual([32_768, 60_999])
})

test('a taken port is passed over', async () => {
  const tried: number[] = []
  const ports = new SourcePorts(0)
  const trial = new Trial(1_000, () => ports.take('direct'))
  trial.withSourcePort((port, failed) => {
    tried.push(port)
    if (tried.length < 3) failed(taken)
    else trial.end('answered')
  })
  await expect(trial.ending).resolves.toMatchObject({ end: 'answered' })
  expect(tried).toEqual([10_000, 10_001, 10_002])
})

test('when no port is to be had, that is no finding about the network', async () => {
  let tries = 0
  const ports = new SourcePorts(0)
  const trial = new Trial(1_000, () => ports.take('direct'))
  trial.withSourcePort((_port, failed) => {
    tries += 1
    failed(taken)
  })
  await expect(trial.ending).resolves.toMatchObject({ end: 'local-error', detail: 'EADDRINUSE bind' })
  expect(tries).toBe(portTries)
})
