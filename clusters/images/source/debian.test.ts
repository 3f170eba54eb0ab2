import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { installedVersions, mirrorInDeb822, mirrorInList } from './debian.ts'

test('the mirror of a suite in deb822 format', () => {
  const text = `# a comment
Types: deb deb-src
# URIs: http://commented.test/debian
URIs: http://mirror.test/debian http://second.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
`
  expect(mirrorInDeb822(text, 'bookworm')).toBe('http://mirror.test/debian')
  expect(mirrorInDeb822(text, 'bookworm-security')).toBe('http://mirror.test/debian-security')
  expect(mirrorInDeb822(text, 'trixie')).toBeUndefined()
})

test.for([
  'Types: deb\nURIs: cdrom:[Debian]/\nSuites: bookworm\nComponents: main\n',
  'Types: deb-src\nURIs: http://m.test/\nSuites: bookworm\nComponents: main\n',
  'Enabled: no\nTypes: deb\nURIs: http://m.test/\nSuites: bookworm\nComponents: main\n',
  'Types: deb\nURIs: http://m.test/\nSuites: bookworm\nComponents: contrib\n',
  'Types: deb\nURIs: http://m.test/\nSuites: bookworm-backports\nComponents: main\n',
])('no mirror in %j', (text) => {
  expect(mirrorInDeb822(text, 'bookworm')).toBeUndefined()
})

test('fields of deb822 may go over several lines and be written in any case', () => {
  const text =
    'types: deb\nuris:\n http://m.test/debian\nSUITES:\n bookworm\n bookworm-updates\nComponents: main\n'
  expect(mirrorInDeb822(text, 'bookworm')).toBe('http://m.test/debian')
})

test('the mirror of a suite in one-line format', () => {
  const text = `# deb http://commented.test/debian bookworm main
deb-src http://source.test/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.test/debian bookworm contrib main # why
deb http://late.test/debian bookworm main
`
  expect(mirrorInList(text, 'bookworm')).toBe('http://mirror.test/debian')
  expect(mirrorInList(text, 'trixie')).toBeUndefined()
})

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)

test('both formats say the same of the same entry', () => {
  fc.assert(
    fc.property(word, word, fc.subarray(['main', 'contrib', 'non-free']), (name, suite, components) => {
      const uri = `http://${name}.test/debian`
      const expected = components.includes('main') ? uri : undefined
      expect(mirrorInList(`deb ${uri} ${suite} ${components.join(' ')}`, suite)).toBe(expected)
      const stanza = `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components.join(' ')}\n`
      expect(mirrorInDeb822(stanza, suite)).toBe(expected)
    }),
  )
})

test('any text at all has a mirror or none', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('deb', ' ', '\n', ':', '#', '[', 'Types', 'URIs', 'http://x') }),
      (text) => {
        mirrorInList(text, 'bookworm')
        mirrorInDeb822(text, 'bookworm')
      },
    ),
  )
})

test('installed packages with their versions', () => {
  const status =
    'Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2+b7\nDescription: GNU\n shell\n\nPackage: jq\nVersion: 1.6\n\n'
  expect(installedVersions(status)).toEqual(['bash 5.2.15-2+b7', 'jq 1.6'])
})
