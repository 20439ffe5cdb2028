import t from 'tap'
import { responseTo, scanMessage } from '../../lib/sip/index.js'

const sender = { address: '198.51.100.7', port: 4321 }

function answer(...lines: string[]): string[] {
  const bytes = Buffer.from(['INVITE sip:b@x SIP/2.0', ...lines, 'Content-Length: 0', '', ''].join('\r\n'), 'latin1')
  const scan = scanMessage(bytes, 0, bytes.length)
  if (scan.state !== 'found') throw new Error(scan.reason)
  return responseTo(scan.value, 403, 'No', sender, 'tag1').split('\r\n')
}

t.test('what a response has of its request', async (t) => {
  const lines = answer(
    'v: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKa, SIP/2.0/UDP two;rport;branch=z9hG4bKb',
    'Via: SIP/2.0/UDP three;rport',
    'f: <sip:a@x>;tag=f',
    't: <sip:b@x>',
    'i: call',
    'CSeq: 7 INVITE',
    'Subject: not this',
  )
  t.same(lines, [
    'SIP/2.0 403 No',
    'Via: SIP/2.0/UDP 10.0.0.1;rport=4321;received=198.51.100.7;branch=z9hG4bKa, SIP/2.0/UDP two;rport;branch=z9hG4bKb',
    'Via: SIP/2.0/UDP three;rport',
    'From: <sip:a@x>;tag=f',
    'To: <sip:b@x>;tag=tag1',
    'Call-ID: call',
    'CSeq: 7 INVITE',
    'Content-Length: 0',
    '',
    '',
  ])
})

t.test('a tag and an rport that are there stay', async (t) => {
  const [, via, , to] = answer(
    'Via: SIP/2.0/UDP h;rport=9;branch=z',
    'From: <sip:a@x>;tag=f',
    'To: <sip:b@x>;tag=t',
    'Call-ID: c',
    'CSeq: 1 INVITE',
  )
  t.equal(via, 'Via: SIP/2.0/UDP h;rport=9;branch=z')
  t.equal(to, 'To: <sip:b@x>;tag=t')
})
