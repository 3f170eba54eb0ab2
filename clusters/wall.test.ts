import { expect, test } from 'vitest'
import { keepServicesInside } from './wall.ts'

test('each node gets one rule for each family of Service addresses', async () => {
  const ran: string[] = []
  await keepServicesInside(['a', 'b'], '10.96.0.0/16,fd00:10:96::/112', (node, argv) => {
    ran.push(`${node}: ${argv.join(' ')}`)
    return Promise.resolve('')
  })
  const rule = '-w 5 -t mangle -A POSTROUTING -o eth0 -d'
  expect(ran.toSorted()).toEqual(
    ['a', 'b'].flatMap((node) => [
      `${node}: ip6tables ${rule} fd00:10:96::/112 -j DROP`,
      `${node}: iptables ${rule} 10.96.0.0/16 -j DROP`,
    ]),
  )
})
