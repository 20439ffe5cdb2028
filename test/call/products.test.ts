/** Messages in the manner of real products through the engine: which places change to what, the way back, and the retransmission. */
import t from 'tap'
import { sdpText, sipText } from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import { changed } from '../corpus/change.js'
import { crossings } from '../corpus/crossings.js'
import { products, sampleOf, samples } from '../corpus/messages.js'
import { endpoint, World } from './world.js'

const GATEWAY = endpoint('192.0.2.10', 41_022)
const NETWORK = endpoint('198.51.100.20', 5060)
const GATEWAY6 = endpoint('2001:db8:cafe::1', 41_022)
const NETWORK6 = endpoint('2001:db8:cafe::20', 5060)

/** Passes messages of one flow through one engine. */
function passing(inside: Endpoint): (message: string, way: Way) => Promise<string> {
  const world = new World({ ports: [30_000, 30_999], ways: 'live' })
  const flow = inside.address.includes(':')
    ? world.flow(inside, GATEWAY6, NETWORK6)
    : world.flow(inside, GATEWAY, NETWORK)
  return (message, way) => world.pass(way, message, flow)
}

/** The INVITE to which a response is the answer, as it came the other way. */
function invited(text: string): string {
  const headerOf = (name: RegExp): string => {
    const line = text.split('\r\n').find((it) => name.test(it)) ?? ''
    return line.slice(line.indexOf(':') + 1).trim()
  }
  return sipText(
    'INVITE sip:x@test.invalid SIP/2.0',
    [
      ['Via', headerOf(/^v(ia)?:/i)],
      ['From', headerOf(/^f(rom)?:/i)],
      ['To', headerOf(/^t(o)?:/i).replace(/;tag=.*/, '')],
      ['Call-ID', headerOf(/^(call-id|i):/i)],
      ['CSeq', headerOf(/^cseq:/i)],
      ['Content-Type', 'application/sdp'],
    ],
    sdpText({ address: NETWORK.address, ports: [6000, 6002] }),
  )
}

for (const [name, way, inside, changes] of crossings) {
  t.test(`${name}, ${way} by ${inside.address}:${inside.port}`, async (t) => {
    const { bytes, statusCode, method } = sampleOf(name)
    const text = Buffer.from(bytes).toString('latin1')
    const pass = passing(inside)
    const other: Way = way === 'out' ? 'in' : 'out'
    if (statusCode > 0 && method === 'INVITE') await pass(invited(text), other)
    const there = await pass(text, way)
    t.equal(there, changed(text, changes))
    t.equal(await pass(text, way), there, 'a retransmission')
    // What is held at 0.0.0.0 says nothing of whose it is: passed the other way it would be the inside's own.
    if (!/^c=IN IP4 0\.0\.0\.0/m.test(text)) t.equal(await pass(there, other), text, 'and back')
  })
}

t.test('every sample crosses, of every product a request and a response', async (t) => {
  const crossed = new Set(crossings.map(([name]) => name))
  t.same(
    samples.map(({ name }) => name).filter((name) => !crossed.has(name)),
    [],
  )
  for (const [product, list] of Object.entries(products)) {
    if (product === 'grammar') continue
    t.ok(list.some(({ statusCode }) => statusCode === 0) && list.some(({ statusCode }) => statusCode > 0), product)
  }
})
