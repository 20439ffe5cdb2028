import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeRtp,
  encodeRtp,
  endpointText,
  pause,
  RtpMeter,
  rtpNumber,
  SipPeer,
  SipText,
  sdpTarget,
  sdpText,
  sendRtp,
  sipText,
  UdpEndpoint,
} from '../../lib/testing/index.js'
import { runs } from '../law.js'

const open = () => UdpEndpoint.open(undefined, { address: '127.0.0.1', port: 0 })

t.test('RTP: encode, decode', async (t) => {
  const packet = fc.record(
    {
      payloadType: fc.integer({ min: 0, max: 127 }),
      marker: fc.boolean(),
      sequence: fc.integer({ min: 0, max: 0xffff }),
      timestamp: fc.integer({ min: 0, max: 0xffffffff }),
      ssrc: fc.integer({ min: 0, max: 0xffffffff }),
      payload: fc.uint8Array({ maxLength: 200 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(packet, (packet) => void deepStrictEqual(decodeRtp(encodeRtp(packet)), packet)),
    runs(50),
  )
  // RFC 3550 5.1: version 2, marker, PCMU, sequence 0, timestamp 0, SSRC 0x01020304.
  t.equal(Buffer.from(rtpNumber(0, 0x01020304)).toString('hex', 0, 12), '8080000000000000' + '01020304')
  t.equal(decodeRtp(new Uint8Array(11)), undefined)
  t.equal(decodeRtp(new Uint8Array(20)), undefined, 'version 0')
})

t.test('UDP endpoints: queue, counters, timeouts, silence', async (t) => {
  const [left, right] = [await open(), await open()]
  t.teardown(() => right.close())
  for (const text of ['one', 'two', 'three']) await left.send(text, right.local)
  const two = await right.receive({ where: ({ bytes }) => bytes.toString() === 'two' })
  t.same(two.from, left.local)
  t.equal((await right.receive()).bytes.toString(), 'one')
  t.equal(right.count({ address: '127.0.0.1', port: 9 }), 0)
  await t.rejects(right.receive({ timeoutMs: 20, where: () => false }), {
    code: 'ERR_TIMEOUT',
    message: /queued: 127\.0\.0\.1:/,
  })
  await t.rejects(right.expectSilence(10), /expected silence, heard .* "three"/)
  t.equal(right.count(left.local), 3)
  await right.expectSilence(10)
  await left.send('late', right.local)
  await right.receive().then(({ bytes }) => t.equal(bytes.toString(), 'late'))
  await left.send('drained', right.local)
  await pause(20)
  t.equal(right.drain().length, 1)
  left.close()
  await t.rejects(UdpEndpoint.open(undefined, right.local), { code: 'ERR_KERNEL', message: /EADDRINUSE/ })
  await t.rejects(UdpEndpoint.open(undefined, { address: 'x', port: 1 }), { code: 'ERR_ARGUMENT' })
})

t.test('RTP streams are metered by sender and source', async (t) => {
  const [left, other, right] = [await open(), await open(), await open()]
  for (const endpoint of [left, other, right]) t.teardown(() => endpoint.close())
  const meter = new RtpMeter(right)
  const options = { ssrc: 9, rate: 1000 }
  t.equal(await sendRtp(left, right.local, { ...options, count: 5, sequence: 0xfffe }), 5)
  await sendRtp(other, right.local, { ...options, count: 2 })
  await left.send(rtpNumber(0, 9, 0xfffe), right.local)
  await left.send('no RTP', right.local)
  await right.receive({ where: ({ bytes }) => bytes.toString() === 'no RTP' })
  t.equal(meter.received(9), 7)
  t.equal(meter.received(9, left.local), 5)
  t.equal(meter.received(8), 0)
  t.same(
    meter.sources(9),
    [left, other].map(({ local }) => endpointText(local)),
  )
  t.same(
    meter.heard.map(({ received, duplicates }) => [received, duplicates]),
    [
      [6, 1],
      [2, 0],
    ],
  )
  meter.close()
  await left.send(rtpNumber(7, 9), right.local)
  await right.receive({ where: ({ bytes }) => bytes.length > 100 && bytes[3] === 7 })
  t.equal(meter.received(9), 7, 'closed')
})

t.test('SIP texts: lengths in bytes, replaced headers, what is read back', async (t) => {
  const text = new SipText(
    sipText(
      'INVITE sip:b@x SIP/2.0',
      [
        ['Via', 'a'],
        ['via', 'b'],
        ['From', '<sip:a@x>;tag=7'],
      ],
      'v=0\r\n\xe9',
    ),
  )
  t.equal(text.get('content-length'), '6')
  t.equal(text.body, 'v=0\r\n\xe9')
  t.same(text.all('VIA'), ['a', 'b'])
  t.match(text, { isRequest: true, method: 'INVITE', status: 0, uri: 'sip:b@x' })
  t.equal(text.tag('From'), '7')
  t.equal(text.tag('To'), '')
  const response = new SipText('SIP/2.0 180 Ringing\r\nCSeq: 4 INVITE\r\n\r\n')
  t.match(response, { isRequest: false, method: 'INVITE', status: 180, uri: '', body: '' })
  t.equal(new SipText('SIP/2.0 200 OK').get('Via'), '')
})

t.test('SDP: written, and its target read', async (t) => {
  for (const address of ['10.0.0.1', 'fd00::1']) {
    t.same(sdpTarget(sdpText({ address, ports: [4000, 4002] })), { address, port: 4000 })
  }
  t.same(sdpTarget('v=0\r\nc=IN IP4 1.1.1.1\r\nm=audio 5 RTP/AVP 0\r\nc=IN IP4 2.2.2.2/127\r\n'), {
    address: '2.2.2.2',
    port: 5,
  })
  t.equal(sdpTarget('v=0\r\n'), undefined)
  t.match(
    sdpText({ address: '10.0.0.1', ports: [1], version: 3, direction: 'sendonly' }),
    /o=- 1 3 IN IP4 10\.0\.0\.1\r\n[\s\S]*a=sendonly\r\n$/,
  )
})

t.test('SIP peers: register, call, hang up', async (t) => {
  const [alice, bob] = [new SipPeer(await open(), 'alice'), new SipPeer(await open(), 'bob')]
  for (const { endpoint } of [alice, bob]) t.teardown(() => endpoint.close())
  const to = bob.endpoint.local
  await alice.register(to, 60)
  const register = await bob.receiveRequest('REGISTER')
  t.equal(register.get('Expires'), '60')
  t.equal(register.all('To').length, 1)
  await bob.respond(register, 200, { headers: [['Contact', `${register.get('Contact')};expires=60`]] })
  t.match((await alice.response(200)).get('Contact'), /expires=60$/)

  const invite = await alice.request('INVITE', to, {
    body: sdpText({ address: '127.0.0.1', ports: [4000] }),
    headers: [['Subject', 'x']],
  })
  const asked = await bob.receiveRequest('INVITE')
  t.equal(asked.get('Content-Type'), 'application/sdp')
  t.equal(asked.get('Subject'), 'x')
  await bob.respond(asked, 100)
  t.equal((await alice.response(100)).tag('To'), '')
  await bob.respond(asked, 200)
  const answer = await alice.response(200)
  await alice.ack(invite, answer, to)
  const ack = await bob.receiveRequest('ACK')
  t.same(
    [ack.get('CSeq'), ack.get('Call-ID'), ack.tag('To'), ack.uri],
    ['1 ACK', asked.get('Call-ID'), 'tbob', `sip:bob@${endpointText(to)}`],
  )
  await alice.inDialog('BYE', invite, answer, to)
  t.equal((await bob.receiveRequest('BYE')).get('CSeq'), '2 BYE')
  await t.rejects(bob.respond(invite, 200), /received request/)
})
