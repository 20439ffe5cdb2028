import fc from 'fast-check'
import t from 'tap'
import { uriBodies } from '../../lib/sip/index.js'
import { runs } from '../law.js'
import { bytesOf, found, request } from './message.js'

/** Every place of the bodies, as `header host:port`; a missing port is left out. */
function places(headers: string, body: string): string[] {
  const bytes = Buffer.concat([request(headers), Buffer.from(body, 'latin1')])
  return uriBodies(found(bytes)).flatMap(({ fields }) =>
    fields.map(({ header, host, port }) => {
      const tail = port ? `:${bytesOf(bytes, port)}` : ''
      return `${header} ${bytesOf(bytes, host)}${tail}`
    }),
  )
}

const dialogInfo = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="partial" entity="sip:101@10.0.0.5">
 <dialog id="as7d900as8" call-id="a84b4c76e66710@10.0.0.5" direction="recipient">
  <state>early</state>
  <remote><identity display="A &lt;b&gt;">sip:102@10.0.0.6:5062</identity>
   <target uri="sip:102@10.0.0.6:5062;transport=udp"/></remote>
  <local><target uri='sips:101@[2001:db8::5]:5071'/></local>
 </dialog>
</dialog-info>`

t.test('dialog-info: targets are places, entities and identities are names (RFC 4235)', async (t) => {
  t.strictSame(places('Content-Type: application/dialog-info+xml', dialogInfo), [
    'body-identity 10.0.0.5',
    'body-identity 10.0.0.6:5062',
    'body 10.0.0.6:5062',
    'body [2001:db8::5]:5071',
  ])
})

t.test('what other bodies say', async (t) => {
  const pidf = `<presence entity="pres:a@b"><tuple id="x"><contact priority="0.8">sip:101@10.0.0.5:5060</contact></tuple></presence>`
  t.strictSame(places('Content-Type: application/pidf+xml;charset=utf-8', pidf), ['body 10.0.0.5:5060'], 'RFC 3863')
  const summary = 'Messages-Waiting: yes\r\nMessage-Account: sip:vm@10.0.0.9\r\nVoice-Message: 2/8 (0/2)\r\n'
  t.strictSame(places('Content-Type: application/simple-message-summary', summary), ['body 10.0.0.9'], 'RFC 3842')
  const fragment = 'SIP/2.0 200 OK\r\nContact: "x" <sip:102@10.0.0.6:5070;ob>;expires=5\r\n'
  t.strictSame(places('Content-Type: message/sipfrag;version=2.0', fragment), ['body 10.0.0.6:5070'], 'RFC 3420')
  const reginfo = `<reginfo><registration aor="sip:1@10.0.0.5"><contact><uri>sip:1@10.0.0.5:6000</uri></contact></registration></reginfo>`
  t.strictSame(places('Content-Type: application/reginfo+xml', reginfo), [
    'body-identity 10.0.0.5',
    'body 10.0.0.5:6000',
  ])
})

t.test('only parts of these types, unencoded, and only whole URIs', async (t) => {
  const uri = 'sip:101@10.0.0.5:5060'
  t.strictSame(places('Content-Type: text/plain', uri), [])
  t.strictSame(places('Content-Type: application/pidf+xml\r\nContent-Encoding: gzip', uri), [])
  t.strictSame(places('Content-Type: application/pidf+xml', `gossip:a@10.0.0.5 xsip:b@10.0.0.5 sip: sip:a@:5 ${uri}`), [
    'body 10.0.0.5:5060',
  ])
  const parts = `--b\r\nContent-Type: application/rlmi+xml\r\n\r\n<list uri="sip:l@10.0.0.1"/>\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/pidf+xml\r\n\r\n<contact>${uri}</contact>\r\n--b--\r\n`
  t.strictSame(places('Content-Type: multipart/related;boundary=b', parts), ['body 10.0.0.1', 'body 10.0.0.5:5060'])
})

t.test('law: fields lie in their part, ascending', async (t) => {
  const shard = fc.oneof(
    fc.constantFrom(
      'sip:',
      'sips:',
      '@',
      '10.0.0.5',
      ':',
      '5060',
      '<',
      '>',
      '"',
      "'",
      'uri=',
      '<identity>',
      ';',
      ' ',
      '[::1]',
    ),
    fc.string({ maxLength: 3 }),
  )
  fc.assert(
    fc.property(fc.array(shard, { maxLength: 60 }), (shards) => {
      const bytes = Buffer.concat([
        request('Content-Type: application/pidf+xml'),
        Buffer.from(shards.join(''), 'latin1'),
      ])
      for (const { part, fields } of uriBodies(found(bytes))) {
        let at = part.start
        for (const { host, hostPortEnd } of fields) {
          if (host.start < at || hostPortEnd > part.end || host.end > hostPortEnd) return false
          at = hostPortEnd
        }
      }
      return true
    }),
    runs(1000),
  )
  t.pass()
})
