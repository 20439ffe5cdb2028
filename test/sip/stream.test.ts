import fc from 'fast-check'
import t from 'tap'
import { SipStream, scanMessage } from '../../lib/sip/index.js'
import { sipText } from '../../lib/testing/index.js'
import type { StreamPart } from '../../types/sip.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const headers = (method: string, number: number): [string, string][] => [
  ['Via', 'SIP/2.0/TCP 192.168.7.10:5060;branch=z9hG4bK1'],
  ['From', '<sip:a@test.invalid>;tag=a'],
  ['To', '<sip:b@test.invalid>'],
  ['Call-ID', `c${number}`],
  ['CSeq', `${number} ${method}`],
]
const message = (number: number, body = ''): string =>
  sipText('OPTIONS sip:b@test.invalid SIP/2.0', headers('OPTIONS', number), body)
const response = (number: number, body = ''): string => sipText('SIP/2.0 200 OK', headers('INVITE', number), body)

/** One part in a line: a message's text, `~` and filler, `!` and why it ended. */
function textOf(part: StreamPart): string {
  if (part.kind === 'filler') return `~${Buffer.from(part.bytes).toString('latin1')}`
  if (part.kind !== 'message') return `!${part.kind} ${part.reason}`
  const { range } = part.message
  return Buffer.from(part.message.bytes.subarray(range.start, range.end)).toString('latin1')
}

/** Parts of a stream that comes in these pieces; filler is joined, as a cut may fall into it. `rest` is what was left unread. */
function read(pieces: readonly Uint8Array[], maxBytes?: number): { parts: string[]; rest: string; held: number } {
  const stream = new SipStream(maxBytes === undefined ? {} : { maxBytes })
  const parts: string[] = []
  let held = 0
  let rest = ''
  for (const piece of pieces) {
    if (stream.isOver) rest += Buffer.from(piece).toString('latin1')
    else {
      stream.push(Buffer.from(piece))
      for (let part = stream.next(); part; part = stream.next()) {
        const text = textOf(part)
        if (text.startsWith('~') && parts.at(-1)?.startsWith('~')) parts.push(parts.pop()! + text.slice(1))
        else parts.push(text)
      }
      held = Math.max(held, stream.size)
      if (stream.isOver) rest += Buffer.from(stream.rest()).toString('latin1')
    }
  }
  return { parts, rest: rest + Buffer.from(stream.rest()).toString('latin1'), held }
}

/** The text cut at these places. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const all = bytes(text)
  const at = [0, ...places.map((it) => it % (all.length + 1)).sort((a, b) => a - b), all.length]
  return at.slice(1).map((end, i) => all.subarray(at[i]!, end))
}

const one = message(1, 'v=0\r\nfour\r\n\r\nlines\r\n')

t.test('messages, one a piece, several a piece, a byte a piece', async (t) => {
  const [two, three] = [response(2), message(3, 'x')]
  const text = `\r\n\r\n${one}${two}\r\n${three}`
  const parts = ['~\r\n\r\n', one, two, '~\r\n', three]
  t.same(read([bytes(text)]).parts, parts)
  t.same(read(Array.from(bytes(text), (byte) => Uint8Array.of(byte))).parts, parts)
  for (let at = 0; at <= text.length; at++) {
    const { parts: found, rest } = read(cut(text, [at]))
    if (found.join('|') !== parts.join('|') || rest !== '') t.fail(`cut at ${at}: ${JSON.stringify(found)}`)
  }
  t.same(read(cut(one, [one.length - 1]).slice(0, 1)), { parts: [], rest: one.slice(0, -1), held: one.length - 1 })
})

t.test('line ends by LF alone, folds, compact Content-Length, a length of its own for each', async (t) => {
  const odd = message(1, 'abc').replace('Content-Length: 3', 'l:\r\n 3').replace(/\r\n/g, '\n')
  t.same(read([bytes(odd + one)]).parts, [odd, one])
  t.same(read(Array.from(bytes(odd + one), (byte) => Uint8Array.of(byte))).parts, [odd, one])
})

const endings: readonly [string, string, string][] = [
  ['\x16\x03\x01\x02\0', 'foreign not-sip', 'TLS'],
  ['\0\x01\0\0\x21\x12\xa4\x42', 'foreign stun', 'STUN'],
  ['POST / HTTP/1.1\r\nHost: x\r\n\r\n', 'foreign not-sip', 'HTTP'],
  ['GET\0', 'foreign not-sip', 'a control character in the first line'],
  ['\r\nhello\r\n', 'foreign not-sip', 'behind an empty line'],
  ['OPTIONS sip:a@b SIP/3.0\r\n', 'malformed sip-version', 'another version'],
  [one.replace(/Content-Length: \d+/, 'X: 1'), 'malformed content-length-missing', 'no Content-Length'],
  [one.replace(/Content-Length: \d+/, 'Content-Length: -1'), 'malformed content-length-invalid', 'a bad one'],
  [one.replace(/Content-Length: \d+/, 'Content-Length: 99999999'), 'malformed content-length-too-large', 'a huge one'],
  [one.replace('To:', 'To'), 'malformed header-line', 'a broken line'],
]
for (const [text, reason, name] of endings) {
  t.test(`the end of reading: ${name}`, async (t) => {
    const whole = text + one
    for (const pieces of [[bytes(whole)], Array.from(bytes(whole), (byte) => Uint8Array.of(byte))]) {
      const { parts, rest } = read(pieces)
      const filler = parts[0]?.startsWith('~') ? parts.shift()!.slice(1) : ''
      t.same(parts, [`!${reason}`])
      t.equal(filler + rest, whole, 'every byte is left, in order')
    }
    const behind = read([bytes(one + whole)])
    t.match(behind.parts.at(-1), /^!malformed/, 'behind a message it is a broken one')
    t.equal(behind.parts.filter((it) => it === one).length, 1, 'and no message after it is found')
  })
}

t.test('a slipstream: SIP inside of HTTP is never read, wherever the pieces end', async (t) => {
  const text = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${one.length}\r\n\r\n${one}`
  for (let at = 1; at < text.length; at++) {
    const { parts, rest } = read(cut(text, [at]))
    if (parts.join() !== '!foreign not-sip' || rest !== text) t.fail(`cut at ${at}`)
  }
  t.pass()
})

t.test('bounds: a header without end, a line without end', async (t) => {
  const endless = message(1).slice(0, -2) + 'x: y\r\n'.repeat(500)
  t.same(read(cut(endless, [700, 1400, 2100]), 2000).parts, ['!malformed message-too-large'])
  t.same(read(cut('A'.repeat(5000), [700, 1400, 2100]), 2000).parts, ['!malformed message-too-large'])
  const large = message(1, 'b'.repeat(1990))
  t.same(
    read(cut(large, [10, 900, 1800]), 2000).parts,
    ['!malformed content-length-too-large'],
    'header and body in all',
  )
  const fits = message(1, 'b'.repeat(1500))
  t.same(read(cut(fits.repeat(4), [10, 900, 1800]), 2000).parts, [fits, fits, fits, fits])
})

t.test('linear: a byte at a time costs what the bytes cost', async (t) => {
  const time = (length: number) => {
    const text = bytes(message(1, 'b'.repeat(length)).replace('Call-ID: ', `Call-ID: ${'c'.repeat(length)}`))
    const from = process.hrtime.bigint()
    const { parts } = read(
      Array.from(text, (byte) => Uint8Array.of(byte)),
      1 << 20,
    )
    t.equal(parts.length, 1)
    return Number(process.hrtime.bigint() - from) / text.length
  }
  time(10_000)
  const [short, long] = [time(10_000), time(160_000)]
  // Rescanning would make it sixteen times.
  t.ok(long < short * 6, `${short.toFixed(0)} ns a byte, then ${long.toFixed(0)}`)
})

t.test('law: however a stream is cut, it is the same messages', async (t) => {
  const part = fc.oneof(
    fc.constantFrom('\r\n', '\r\n\r\n', '\n'),
    fc
      .tuple(fc.nat({ max: 99 }), fc.string({ unit: 'binary', maxLength: 60 }))
      .map(([number, body]) => message(number, bytes(body).toString('latin1'))),
    fc.nat({ max: 99 }).map((number) => response(number, 'INVITE sip:x@y SIP/2.0\r\n\r\n')),
    fc.constantFrom('GET / HTTP/1.0\r\n\r\n', 'INVITE sip:x@y SIP/2.0\r\n\r\n', '\0\0', 'x'),
  )
  const stream = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (text, places) => {
      const whole = read([bytes(text)])
      const pieces = read(cut(text, places))
      if (whole.parts.join('|') !== pieces.parts.join('|') || whole.rest !== pieces.rest)
        throw new Error(`${JSON.stringify(whole)} and ${JSON.stringify(pieces)}`)
      const given = pieces.parts.map((it) => (it.startsWith('~') ? it.slice(1) : it.startsWith('!') ? '' : it)).join('')
      if (given + pieces.rest !== text) throw new Error('bytes are lost')
      for (const it of pieces.parts) {
        if (it.startsWith('~') || it.startsWith('!')) continue
        const scan = scanMessage(bytes(it), 0, it.length)
        if (scan.state !== 'found' || scan.value.range.end !== it.length) throw new Error('not one message')
      }
    }),
    { numRuns: 500 },
  )
  t.pass()
})
