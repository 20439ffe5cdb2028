import fc from 'fast-check'
import t from 'tap'
import { FramedStream } from '../../lib/proxy/framed-stream.js'
import type { Frame, Framed } from '../../types/define.js'
import { runs } from '../law.js'

/** `M` + length + so many bytes: a message; `F` + length: filler; anything else is foreign. */
const lengths: Frame = (bytes) => {
  const [kind, length] = bytes
  if (kind !== 77 && kind !== 70) return { state: 'foreign' }
  if (length === undefined) return { state: 'incomplete' }
  if (kind === 70) return { state: 'filler', end: 2 + length }
  return bytes.length < 2 + length ? { state: 'incomplete', size: 2 + length } : { state: 'message', end: 2 + length }
}

interface Read {
  readonly parts: string[]
  readonly errors: string[]
  /** All bytes that came out, in order. */
  readonly bytes: number[]
}

function read(pieces: readonly Uint8Array[], frame: Frame = lengths, maxBytes = 200): Read {
  const errors: string[] = []
  const stream = new FramedStream({ frame, way: 'out', maxBytes, onError: ({ message }) => errors.push(message) })
  const parts: string[] = []
  const bytes: number[] = []
  let isFiller = false
  for (const piece of pieces) {
    stream.push(piece)
    for (let part = stream.next(); part; part = stream.next()) {
      if (part.kind === 'filler') {
        bytes.push(...part.bytes)
        // Filler comes as it comes.
        if (!isFiller) parts.push('filler')
        isFiller = true
        continue
      }
      isFiller = false
      if (part.kind === 'message') bytes.push(...part.message)
      parts.push(part.kind === 'message' ? `message ${part.message.length}` : `${part.kind} ${part.reason}`)
      if ('reason' in part) break
    }
  }
  bytes.push(...stream.rest())
  return { parts, errors, bytes }
}

const message = (length: number) => [77, length, ...Array.from({ length }, (_, i) => i)]
const filler = (length: number) => [70, length, ...new Array<number>(length).fill(77)]

t.test('law: how the bytes come in pieces does not matter, and none is lost', async (t) => {
  const unit = fc.oneof(fc.nat({ max: 60 }).map(message), fc.nat({ max: 60 }).map(filler), fc.constant([0, 1, 2]))
  const cuts = fc.array(fc.nat(), { maxLength: 10 })
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 8 }), cuts, (units, places) => {
      const whole = Uint8Array.from(units.flat())
      const at = [0, ...places.map((it) => it % (whole.length + 1)).sort((a, b) => a - b), whole.length]
      const pieces = at.slice(1).map((end, i) => whole.slice(at[i], end))
      const [one, many] = [read([whole]), read(pieces)]
      if (`${many.bytes}` !== `${whole}`) throw new Error('bytes are lost')
      // Two fillers in one piece are told apart; in one part after the other they are not.
      const merged = (parts: string[]) => parts.filter((it, i) => it !== 'filler' || parts[i - 1] !== 'filler')
      if (`${merged(one.parts)}` !== `${merged(many.parts)}`) throw new Error(`${one.parts} or ${many.parts}`)
    }),
    runs(300),
  )
  t.pass()
})

t.test('filler longer than any message goes on as it comes, and is not kept', async (t) => {
  const stream = new FramedStream({
    frame: () => ({ state: 'filler', end: 1_000_000 }),
    way: 'in',
    maxBytes: 10,
    onError: (error) => t.fail(error.message),
  })
  let passed = 0
  let most = 0
  for (let left = 1_000_000; left > 0; left -= 1000) {
    stream.push(new Uint8Array(1000))
    const part = stream.next()
    if (part?.kind === 'filler') passed += part.bytes.length
    most = Math.max(most, stream.size)
  }
  t.same([passed, most], [1_000_000, 0])
})

t.test('filler behind filler goes on as one', async (t) => {
  const stream = new FramedStream({
    frame: lengths,
    way: 'in',
    maxBytes: 99,
    onError: (error) => t.fail(error.message),
  })
  stream.push(Uint8Array.from([...filler(5), ...filler(0), ...filler(7), ...message(3), ...filler(2)]))
  const sizes: unknown[] = []
  for (let part = stream.next(); part; part = stream.next()) if (part.kind === 'filler') sizes.push(part.bytes.length)
  t.same(sizes, [18, 4])
})

t.test('too large: said at once where the size is known, else when it is', async (t) => {
  t.same(read([Uint8Array.from([77, 250])]).parts, ['malformed message-too-large'])
  t.same(read([Uint8Array.from(message(199))]).parts, ['malformed message-too-large'])
  const never: Frame = () => ({ state: 'incomplete' })
  t.same(read([new Uint8Array(200)], never).parts, [])
  t.same(read([new Uint8Array(201)], never).parts, ['malformed message-too-large'])
})

t.test('frame goes on where it said, and is not asked in vain', async (t) => {
  const asked: [number, number][] = []
  const frame: Frame = (bytes, from) => {
    const { length } = bytes
    asked.push([length, from])
    if (length >= 9) return { state: 'message', end: 9 }
    return length < 3 ? { state: 'incomplete', from: length + 40 } : { state: 'incomplete', size: 9 }
  }
  read(
    Array.from({ length: 11 }, () => new Uint8Array(1)),
    frame,
  )
  t.same(asked, [
    [1, 0],
    [2, 41],
    [3, 42],
    [9, 0],
    [1, 0],
    [2, 41],
  ])
})

t.test('what cannot be, and what is thrown, is reported, and the rest is left', async (t) => {
  const bytes = Uint8Array.from([1, 2, 3])
  for (const [said, why] of [
    [{ state: 'message', end: 4 }, /a message ends at 4 of 3 bytes/],
    [{ state: 'message', end: 0 }, /a message ends at 0/],
    [{ state: 'filler', end: Number.NaN }, /filler ends at NaN/],
    [{ state: 'incomplete', size: 3 }, /3 bytes are asked for/],
    [{ state: 'incomplete', from: -1 }, /from -1/],
    [{ state: 'whole' }, /"whole"/],
    [undefined, /undefined is said/],
  ] as const) {
    const { parts, errors, bytes: left } = read([bytes], () => said as Framed)
    t.same(parts, ['malformed frame-failed'])
    t.match(errors, [why])
    t.same(left, [1, 2, 3])
  }
  const failing: Frame = () => {
    throw new Error('broken')
  }
  t.match(read([bytes], failing), { parts: ['malformed frame-failed'], errors: ['broken'] })
})
