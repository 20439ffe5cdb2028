import fc from 'fast-check'
import t from 'tap'
import { splice, splicedLength } from '../../lib/base/range.js'
import type { Edit } from '../../types/range.js'
import { runs } from '../law.js'

/** Bytes, sorted edits of them without overlap, and what room the target has behind the result. */
const cases = fc
  .record({
    source: fc.uint8Array({ minLength: 1, maxLength: 120 }),
    cuts: fc.array(fc.nat(120), { maxLength: 12 }),
    texts: fc.array(fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 9 }), {
      minLength: 6,
      maxLength: 6,
    }),
    spare: fc.constantFrom(0, 3, 200),
    offset: fc.constantFrom(0, 5),
    skip: fc.nat(4),
  })
  .map(({ source, cuts, texts, spare, offset, skip }) => {
    const start = Math.min(skip, source.length)
    const places = cuts.map((cut) => start + (cut % (source.length - start + 1))).sort((a, b) => a - b)
    const edits: Edit[] = []
    for (let i = 0; i + 1 < places.length; i += 2)
      edits.push({ start: places[i]!, end: places[i + 1]!, text: texts[i / 2]! })
    return { source, start, edits, spare, offset }
  })

/** The same by cutting and joining text. */
function joined(source: Uint8Array, start: number, edits: readonly Edit[]): string {
  const whole = Buffer.from(source).toString('latin1')
  let result = ''
  let from = start
  for (const { start: at, end, text } of edits) {
    result += whole.slice(from, at) + text
    from = end
  }
  return result + whole.slice(from)
}

t.test('splice is cutting and joining, whether the edits grow, shrink or do both', async () => {
  fc.assert(
    fc.property(cases, ({ source, start, edits, spare, offset }) => {
      const length = splicedLength(source.length - start, edits)
      const target = new Uint8Array(offset + length + spare).fill(7)
      const before = Uint8Array.from(source)
      const end = splice(source, start, source.length, edits, target, offset)
      const written = Buffer.from(target.subarray(offset, end)).toString('latin1')
      return (
        end === offset + length &&
        written === joined(source, start, edits) &&
        target.subarray(0, offset).every((byte) => byte === 7) &&
        Buffer.compare(source, before) === 0
      )
    }),
    runs(2000),
  )
})
