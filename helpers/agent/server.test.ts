import { expect, test } from 'vitest'
import { maxReceipts, Receipts } from './server.ts'

test('receipts are bounded: the oldest is forgotten', () => {
  const receipts = new Receipts()
  for (let n = 0; n <= maxReceipts; n += 1) receipts.add(`oneway-${n}`)
  expect(receipts.received(['oneway-0', 'oneway-1', `oneway-${maxReceipts}`])).toEqual([
    'oneway-1',
    `oneway-${maxReceipts}`,
  ])
})
