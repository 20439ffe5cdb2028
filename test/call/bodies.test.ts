import t from 'tap'
import { sipText } from '../../lib/testing/index.js'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, scanned, sdp, World } from './world.js'

const FAR = '198.51.100.77'

/** A message of the usual call whose body has this type, and further headers. */
function typed(text: string, type: string, body: string, headers: readonly (readonly [string, string])[] = []): string {
  const head = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n')
  const [start, ...lines] = head.filter((line) => !/^Content-(Type|Length):/.test(line))
  const all = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const)
  return sipText(start!, [...all, ...headers, ['Content-Type', type]], body)
}

const part = (type: string, text: string, ...headers: string[]): string =>
  ['--b', `Content-Type: ${type}`, ...headers, '', text].join('\r\n')
const multipart = (...parts: string[]): string => `${parts.join('\r\n')}\r\n--b--\r\n`
const mixed = 'multipart/mixed;boundary=b'
const early = (address: string, port: number): string =>
  part('application/sdp', sdp(address, port), 'Content-Disposition: early-session')

const ports = (text: string): number[] => [...text.matchAll(/m=audio (\d+)/g)].map((match) => Number(match[1]))
const inbound = (world: World): string[] => world.ways().filter((way) => way.includes(`>${OUTSIDE}:`))
const ranged = (options = {}) => new World({ ports: [30000, 30099], ...options })

t.test('a session and an early session in one body (RFC 3959)', async (t) => {
  const world = ranged()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  const both = multipart(early(FAR, 7000), part('application/sdp', sdp(FAR, 6000)))
  const progress = typed(response(183, 'INVITE', { to: 'b' }), mixed, both)
  t.equal(await world.in(progress), progress, 'nothing of ours in it')
  t.ok(world.ways().includes(`${INSIDE}:4000>${FAR}:6000`), 'the session, whose description comes second')
  t.notOk(
    world.ways().some((way) => way.endsWith(`>${FAR}:7000`)),
    'the early session is not answered yet',
  )

  const answer = typed(request('PRACK', { to: 'b', cseq: 2 }), mixed, multipart(early(INSIDE, 4500)))
  const out = await world.out(answer)
  t.same(ports(out), [30002])
  t.equal(scanned(out).body.end, out.length, 'Content-Length')
  t.ok(world.ways().includes(`${INSIDE}:4500>${FAR}:7000`))
  t.ok(world.media(endpoint(FAR, 7000), endpoint(OUTSIDE, 30002)), 'early media of the other session')
  t.ok(world.ways().includes(`${INSIDE}:4000>${FAR}:6000`), 'the session stands beside it')
  await world.in(response(200, 'PRACK', { to: 'b', cseq: 2 }))

  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
  t.same(
    inbound(world),
    [`${FAR}:0>${OUTSIDE}:30000`, `${FAR}:0>${OUTSIDE}:30001`],
    'answered: the early session is over',
  )
  t.equal(world.engine.size.ports, 2)
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('an early session offered from inside', async (t) => {
  const world = ranged()
  await world.in(request('INVITE', { body: sdp(FAR, 6000) }))
  const both = multipart(part('application/sdp', sdp(INSIDE, 4000)), early(INSIDE, 4500))
  const text = typed(response(183, 'INVITE', { to: 'b' }), mixed, both)
  const out = await world.out(text)
  t.same(ports(out), [30000, 30002], 'both are mapped')
  t.ok(inbound(world).includes(`${PEER}:0>${OUTSIDE}:30002`))
  t.equal(await world.out(text), out, 'again')
  const answer = typed(request('PRACK', { to: 'b', cseq: 2 }), mixed, multipart(early(FAR, 7000)))
  await world.in(answer)
  t.ok(world.ways().includes(`${INSIDE}:4500>${FAR}:7000`))
  await world.in(request('CANCEL'))
  await world.out(response(487, 'INVITE', { to: 'b' }))
  t.same(world.sizes(), NOTHING)
})

const signature = part('application/pkcs7-signature', 'MIIB', 'Content-Transfer-Encoding: base64')
const signedType = 'multipart/signed;boundary=b;protocol="application/pkcs7-signature";micalg=sha-256'
const signedBody = multipart(part('application/sdp', sdp(INSIDE, 4000)), signature)
const signed = typed(request('INVITE'), signedType, signedBody)

t.test('a signed description', async (t) => {
  const leaving = ranged()
  const out = await leaving.out(signed)
  t.ok(out.endsWith(signedBody), 'left alone: the signature holds')
  t.same(leaving.refusals(), ['body-signed'])
  t.same(leaving.ways(), [])

  const editing = ranged({ signed: 'edit' })
  t.same(ports(await editing.out(signed)), [30000])
  t.same(editing.refusals(), ['body-signed'], 'said before it breaks')
  t.same(inbound(editing), [`${PEER}:0>${OUTSIDE}:30000`, `${PEER}:0>${OUTSIDE}:30001`])

  const routed = ranged()
  const flow = routed.flow(endpoint(INSIDE, 5060), endpoint(INSIDE, 5060))
  t.equal(await routed.out(signed, flow), signed, 'where nothing is translated nothing breaks')
  t.same(routed.refusals(), [])
  t.equal(routed.ways().length, 2, 'and its media gets its pinholes')
})

t.test('what cannot be read is said', async (t) => {
  const cases: readonly (readonly [string, string, readonly (readonly [string, string])[], string])[] = [
    ['S/MIME', 'application/pkcs7-mime;smime-type=enveloped-data', [], 'body-encrypted'],
    ['OpenPGP', 'multipart/encrypted;boundary=b;protocol="application/pgp-encrypted"', [], 'body-encrypted'],
    ['gzip', 'application/sdp', [['Content-Encoding', 'gzip']], 'body-encoded'],
    ['base64', 'application/sdp', [['Content-Transfer-Encoding', 'base64']], 'body-encoded'],
  ]
  for (const [name, type, headers, reason] of cases) {
    const world = ranged()
    const body = sdp(INSIDE, 4000)
    t.ok((await world.out(typed(request('INVITE'), type, body, headers))).endsWith(body), `${name}: as it was`)
    t.same(world.refusals(), [reason], name)
    t.same(world.ways(), [])
  }
  const inner = ranged()
  const sealed = part('application/pkcs7-mime', 'MIIC')
  await inner.out(typed(request('INVITE'), mixed, multipart(part('application/sdp', sdp(INSIDE, 4000)), sealed)))
  t.same(inner.refusals(), ['body-encrypted'], 'in a part')
  t.equal(inbound(inner).length, 2, 'the other part is read')
  const message = ranged()
  await message.out(typed(request('MESSAGE'), 'application/pkcs7-mime', 'MIIC'))
  t.same(message.refusals(), [], 'a message of another kind describes no media')
})

t.test('Identity', async (t) => {
  const old =
    '"ZYNBbHC00VMZr2kZt6VmCvPonWJMGvQTBDqghoWeLxJfzB2a1pxAr3VgrB0SsSAaifsRdiOPoQZYOy2wrVghuhcsMbHWUSFxI6p6q5TOQXHMmz6uEo3svJsSH49thyGn"'
  const passport = 'eyJhbGciOiJFUzI1NiJ9.eyJkZXN0Ijp7fX0.c2ln;info=<https://192.168.7.10/cert>;alg=ES256;ppt=shaken'
  const lines = `${sdp(INSIDE, 4000)}a=fingerprint:sha-256 4A:AD:B9:B1\r\n`
  for (const [value, refusals] of [
    [old, ['identity-broken']],
    [passport, []],
  ] as const) {
    const world = ranged()
    const out = await world.out(request('INVITE', { body: lines, headers: [['Identity', value]] }))
    t.match(out, `\r\nIdentity: ${value}\r\n`, 'byte for byte')
    t.match(out, '\r\na=fingerprint:sha-256 4A:AD:B9:B1\r\n')
    t.same(ports(out), [30000])
    t.same(world.refusals(), refusals)
  }
})
