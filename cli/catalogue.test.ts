import { expect, test } from 'vitest'
import { checks } from '../suites/catalogue.ts'
import { faults } from '../suites/faults/catalogue.ts'
import { requirements } from '../suites/requirements.ts'
import { catalogueMarkdown } from './catalogue.ts'

test('every check, number and fault has one place in the catalogue, and every link leads to one', () => {
  const text = catalogueMarkdown()
  const anchors = [...text.matchAll(/<a id="([^"]*)">/g)].map(([, name]) => name)
  expect(anchors).toHaveLength(checks.length + Object.keys(requirements).length + faults.length)
  expect(new Set(anchors).size).toBe(anchors.length)
  const links = [...text.matchAll(/\]\(#([^)]*)\)/g)].map(([, name]) => name)
  expect(links.filter((name) => !anchors.includes(name))).toEqual([])
  expect(links.length).toBeGreaterThan(checks.length)
})

test('no requirement is without a check, and no check without a fault', () => {
  const text = catalogueMarkdown()
  expect(text).not.toContain('Not covered by a check yet')
  expect(text).not.toContain('Not turned red by a fault yet')
})
