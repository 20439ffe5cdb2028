import t, { type Test } from 'tap'
import { sipText } from '../../lib/testing/index.js'
import { edited, endpoint, flowOf, INSIDE, OUTSIDE, PEER, scanned, World } from './world.js'

const flow = flowOf(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000), endpoint(PEER, 5060))

function notify(type: string, body: string): string {
  const headers: [string, string][] = [
    ['Via', `SIP/2.0/UDP ${INSIDE}:5060;branch=z9hG4bK1;rport`],
    ['From', '<sip:101@test.invalid>;tag=a'],
    ['To', '<sip:102@test.invalid>;tag=b'],
    ['Call-ID', 'watch@phone'],
    ['CSeq', '7 NOTIFY'],
    ['Event', 'dialog'],
    ['Content-Type', type],
  ]
  return sipText('NOTIFY sip:102@test.invalid SIP/2.0', headers, body)
}

/** The body as the far side gets it; checks Content-Length, that a retransmission is the same, and that the way back undoes it. */
function out(t: Test, world: World, text: string): string {
  const pass = (message: string, way: 'out' | 'in') =>
    edited(message, world.engine.plan(scanned(message), flow, way, world.now))
  const there = pass(text, 'out')
  t.equal(pass(text, 'out'), there, 'a retransmission')
  t.equal(pass(there, 'in'), text, 'the way back')
  const [head = '', ...rest] = there.split('\r\n\r\n')
  const body = rest.join('\r\n\r\n')
  t.equal(Number(/Content-Length: (\d+)/.exec(head)?.[1]), body.length)
  return body
}

t.test('a dialog that can be picked up: its targets lead outside, names lose no text (RFC 4235)', async (t) => {
  const info = (entity: string, target: string, foreign: string) =>
    `<dialog-info entity="sip:101@${entity}"><dialog id="1" call-id="x@${INSIDE}"><local><target uri="sip:101@${target}"/></local>` +
    `<remote><target uri="sip:103@${foreign}"/></remote></dialog></dialog-info>`
  const body = out(t, new World(), notify('application/dialog-info+xml', info(INSIDE, INSIDE, '198.51.100.9:5062')))
  t.equal(body, info(OUTSIDE, `${OUTSIDE}:40000`, '198.51.100.9:5062').replace(`x@${OUTSIDE}`, `x@${INSIDE}`))
})

t.test('another phone behind the same proxy is named by its own outside end', async (t) => {
  const world = new World()
  const other = world.engine.bindingOf(endpoint('192.168.7.77', 5062), endpoint(OUTSIDE, 45678))
  world.engine.bindings.hold(other)
  const contact = (at: string) => `<presence><tuple id="t"><contact>sip:103@${at}</contact></tuple></presence>`
  const body = out(t, world, notify('application/pidf+xml', contact('192.168.7.77:5062')))
  t.equal(body, contact(`${OUTSIDE}:45678`))
})

t.test('parts of a list have lengths of their own (RFC 4662)', async (t) => {
  const part = (at: string, isLong: boolean) => {
    const text = `<contact>sip:101@${at}</contact>`
    return `--b\r\nContent-Type: application/pidf+xml\r\n${isLong ? `Content-Length: ${text.length}\r\n` : ''}\r\n${text}\r\n`
  }
  const list = (at: string) => `${part(at, true)}${part(at, false)}--b--\r\n`
  const body = out(t, new World(), notify('multipart/related;type="application/rlmi+xml";boundary=b', list(INSIDE)))
  t.equal(body, list(`${OUTSIDE}:40000`))
})

t.test('a body of another kind stays', async (t) => {
  const body = `call sip:101@${INSIDE}:5060 or look at http://${INSIDE}/`
  t.equal(out(t, new World(), notify('text/plain', body)), body)
})
