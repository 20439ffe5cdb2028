import t from 'tap'
import { sipText } from '../../lib/testing/index.js'
import { fresh, message, natted, there } from './rewriting.js'
import { INSIDE, OUTSIDE, World } from './world.js'

t.test('session descriptions', async (t) => {
  const base = ['v=0', `o=- 1 1 IN IP4 ${INSIDE}`, 's=-', `c=IN IP4 ${INSIDE}`, 't=0 0']
  const cases: readonly [string, string[], string[]][] = [
    ['o=, c= and m=', ['m=audio 4000 RTP/AVP 0'], ['m=audio 30000 RTP/AVP 0']],
    ['a=rtcp', ['m=audio 4000 RTP/AVP 0', 'a=rtcp:4009'], ['m=audio 30000 RTP/AVP 0', 'a=rtcp:30001']],
    [
      'a=rtcp with an address',
      ['m=audio 4000 RTP/AVP 0', `a=rtcp:4009 IN IP4 ${INSIDE}`],
      ['m=audio 30000 RTP/AVP 0', `a=rtcp:30001 IN IP4 ${OUTSIDE}`],
    ],
    [
      'a=rtcp on the RTP port',
      ['m=audio 4000 RTP/AVP 0', 'a=rtcp-mux', 'a=rtcp:4000'],
      ['m=audio 30000 RTP/AVP 0', 'a=rtcp-mux', 'a=rtcp:30000'],
    ],
    [
      'c= of a stream',
      ['m=audio 4000 RTP/AVP 0', `c=IN IP4 ${INSIDE}`],
      ['m=audio 30000 RTP/AVP 0', `c=IN IP4 ${OUTSIDE}`],
    ],
    ['port/n', ['m=audio 4000/2 RTP/AVP 0'], ['m=audio 30000/2 RTP/AVP 0']],
    ['port 0', ['m=audio 0 RTP/AVP 0', 'm=video 4002 RTP/AVP 96'], ['m=audio 0 RTP/AVP 0', 'm=video 30000 RTP/AVP 96']],
    [
      'streams',
      ['m=audio 4000 RTP/AVP 0', 'm=video 4002 RTP/AVP 96'],
      ['m=audio 30000 RTP/AVP 0', 'm=video 30002 RTP/AVP 96'],
    ],
    ['fax', ['m=image 4000 udptl t38'], ['m=image 30000 udptl t38']],
    ['what is neither UDP nor TCP stays', ['m=audio 4000 SCTP x'], ['m=audio 4000 SCTP x']],
    [
      'a foreign stream stays',
      ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 192.168.7.99'],
      ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 192.168.7.99'],
    ],
    [
      'text stays',
      ['m=audio 4000 RTP/AVP 0', `a=note:${INSIDE} 4000`, `i=${INSIDE}`],
      ['m=audio 30000 RTP/AVP 0', `a=note:${INSIDE} 4000`, `i=${INSIDE}`],
    ],
  ]
  for (const [name, given, expected] of cases) {
    const world = new World({ ports: [30000, 30999] })
    const wrap = (lines: readonly string[]) =>
      sipText(
        'INVITE sip:two@test.invalid SIP/2.0',
        [
          ['Via', 'SIP/2.0/UDP h.invalid'],
          ['From', '<sip:a@h.invalid>;tag=a'],
          ['To', '<sip:b@h.invalid>'],
          ['Call-ID', 'c'],
          ['CSeq', '1 INVITE'],
          ['Content-Type', 'application/sdp'],
        ],
        `${lines.join('\r\n')}\r\n`,
      )
    const text = wrap([...base, ...given])
    const out = there(world, text, fresh(natted), 'out')
    const outside = base.map((line) => line.replace(INSIDE, OUTSIDE))
    t.equal(out, wrap([...outside, ...expected]), name)
    t.equal(there(world, text, fresh(natted), 'out'), out, `${name}: again`)
    if (name !== 'a foreign stream stays') t.equal(there(world, out, fresh(natted), 'in'), text, `${name}: and back`)
  }
})

t.test('Content-Length', async (t) => {
  const world = new World({ ports: [30000, 30999] })
  const body = `v=0\r\no=- 1 1 IN IP4 ${INSIDE}\r\ns=-\r\nc=IN IP4 ${INSIDE}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`
  const head = 'CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n'
  for (const length of [`Content-Length: ${body.length}\r\n`, `l:  00${body.length} \r\n`, '']) {
    const text = `${message([], 'INVITE sip:a@h.invalid SIP/2.0').slice(0, -2).replace('CSeq: 1 OPTIONS\r\n', head)}${length}\r\n${body}`
    const out = there(world, text, fresh(natted), 'out')
    const written = /^(?:Content-Length|l):\s*(\d+)/m.exec(out)?.[1]
    const sent = out.slice(out.indexOf('\r\n\r\n') + 4)
    if (length) t.equal(Number(written), sent.length, length.trim())
    else t.equal(written, undefined, 'none over UDP: none made')
    t.match(sent, `c=IN IP4 ${OUTSIDE}`)
  }
  const part = `--b\r\nContent-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}\r\n--b\r\nContent-Type: text/plain\r\n\r\n${INSIDE} 4000\r\n--b--\r\n`
  const text = sipText(
    'INVITE sip:a@h.invalid SIP/2.0',
    [
      ['Via', 'SIP/2.0/UDP h.invalid'],
      ['From', '<sip:a@h.invalid>;tag=a'],
      ['To', '<sip:b@h.invalid>'],
      ['Call-ID', 'm'],
      ['CSeq', '1 INVITE'],
      ['Content-Type', 'multipart/mixed;boundary=b'],
    ],
    part,
  )
  const out = there(world, text, fresh(natted), 'out')
  const sent = out.slice(out.indexOf('\r\n\r\n') + 4)
  t.equal(/^Content-Length: (\d+)/m.exec(out)?.[1], String(sent.length), 'of the message')
  const inner = /Content-Length: (\d+)\r\n\r\n([\s\S]*?)\r\n--b/.exec(sent)!
  t.equal(Number(inner[1]), inner[2]!.length, 'of the part')
  t.match(sent, `${INSIDE} 4000\r\n--b--`, 'the other part stays')
})
