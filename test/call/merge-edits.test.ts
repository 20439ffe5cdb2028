import fc from 'fast-check'
import t from 'tap'
import { splice, splicedLength } from '../../lib/base/range.js'
import { mergeEdits } from '../../lib/call/index.js'
import { bodyParts } from '../../lib/sip/index.js'
import type { Edit } from '../../types/range.js'
import { request, scanned, sdp } from './world.js'

const text = request('INVITE', { body: sdp('192.168.7.10', 4000), headers: [['User-Agent', 'x']] })
const message = scanned(text)
const parts = bodyParts(message, () => true)
const { body, contentLength } = message

function made(edits: readonly Edit[]): string {
  const source = Buffer.from(text, 'latin1')
  const target = Buffer.alloc(splicedLength(source.length, edits))
  splice(source, 0, source.length, edits, target, 0)
  return target.toString('latin1')
}

/** Edits of disjoint places, none on the Content-Length, dealt to two. */
const dealt = fc
  .record({
    cuts: fc.array(fc.nat(text.length), { minLength: 4, maxLength: 16 }),
    texts: fc.array(fc.string({ unit: fc.constantFrom('a', 'ü', '0'), maxLength: 5 }), { minLength: 8, maxLength: 8 }),
    whose: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
  })
  .map(({ cuts, texts, whose }) => {
    const places = [...new Set(cuts)].sort((a, b) => a - b)
    const edits: { edit: Edit; isOurs: boolean }[] = []
    for (let i = 0; i + 1 < places.length; i += 2) {
      const edit = { start: places[i]!, end: places[i + 1]!, text: texts[i / 2]! }
      const spans = edit.start < body.start && edit.end > body.start
      const meets = edit.start < contentLength!.end && contentLength!.start < edit.end
      if (!spans && !meets) edits.push({ edit, isOurs: whose[i / 2]! })
    }
    return edits
  })

t.test('together they are what each makes by itself, and the length is that of the body', async () => {
  fc.assert(
    fc.property(dealt, (edits) => {
      const [ours, theirs] = [true, false].map((isOurs) =>
        edits.filter((it) => it.isOurs === isOurs).map(({ edit }) => edit),
      )
      const merged = mergeEdits(message, parts, ours!, theirs!)!
      const all = edits.map(({ edit }) => edit)
      const grown = all
        .filter(({ start }) => start >= body.start)
        .map(({ start, end, text }) => text.length - (end - start))
      const total = grown.reduce((sum, it) => sum + it, 0)
      const length = { ...contentLength!, text: String(body.end - body.start + total) }
      return (
        made(merged) ===
        made([...all, ...(total === 0 ? [] : [length])].sort((a, b) => a.start - b.start || a.end - b.end))
      )
    }),
  )
})

t.test('edits that meet are no edits', async (t) => {
  const edit = (start: number, end: number): Edit => ({ start, end, text: 'x' })
  t.equal(mergeEdits(message, parts, [edit(10, 20)], [edit(15, 17)]), undefined)
  t.equal(mergeEdits(message, parts, [], [edit(10, 20), edit(19, 21)]), undefined)
  t.equal(mergeEdits(message, parts, [edit(10, 20)], [edit(15, 15)]), undefined, 'an insertion within')
  t.equal(mergeEdits(message, parts, [], [{ ...contentLength!, text: '7' }]), undefined, 'Content-Length is ours')
  t.ok(mergeEdits(message, parts, [edit(10, 20)], [edit(20, 20), edit(9, 10)]), 'side by side is fine')
})
