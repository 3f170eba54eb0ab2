import { expect, test } from 'vitest'
import { parseFixtureImages, upstreamFixtureImages } from './images.ts'

test('upstream unless said otherwise', async () => {
  expect(await upstreamFixtureImages()).toEqual({
    node: expect.stringMatching(/^docker\.io\/library\/node:/),
    agnhost: expect.stringMatching(/^registry\.k8s\.io\/e2e-test-images\/agnhost:/),
  })
  const copy = 'r.example:5000/team/node:24@sha256:00'
  expect(parseFixtureImages([`node=${copy}`])).toEqual({ node: copy })
  expect(parseFixtureImages([])).toEqual({})
})

test('everything wrong with them is said at once', () => {
  expect(() => parseFixtureImages(['node', 'nod=a', 'agnhost=a b', 'agnhost=', 'node=a', 'node=b'])).toThrow(
    [
      '--fixture-image: expected node=REF or agnhost=REF, got "node"',
      '--fixture-image: unknown image "nod"; did you mean "node"?',
      '--fixture-image: "a b" is no reference of an image',
      '--fixture-image: "" is no reference of an image',
      '--fixture-image: node is given twice',
    ].join('\n'),
  )
})
