import t from 'tap'
import { decodeAlaw, levelAt, pitch, RATE, readWav, toneWav } from './tone.js'

t.test('a tone is known by its pitch', async (t) => {
  for (const hz of [440, 500, 700, 1300]) {
    const sound = readWav(toneWav(hz, 1))
    t.equal(pitch(sound).hz, hz)
    t.ok(Math.abs(pitch(sound).level - 8000 / 32768) < 0.01)
    t.ok(levelAt(sound, hz + 100) < 0.01)
  }
})

t.test('silence, next to nothing and noise have none', async (t) => {
  const silence = (length: number) => ({ rate: RATE, samples: new Int16Array(length) })
  t.same(pitch(silence(RATE)), { hz: 0, level: 0 })
  t.same(pitch(silence(0)), { hz: 0, level: 0 })
  const { samples } = readWav(toneWav(500, 1))
  const crumb = new Int16Array(RATE)
  crumb.set(samples.subarray(0, 400))
  t.same(pitch({ rate: RATE, samples: crumb }), { hz: 0, level: 0 }, '50 ms of tone in a second')
  let seed = 1
  const noise = Int16Array.from({ length: RATE }, () => {
    seed = (seed * 16807) % 2147483647
    return (seed % 4000) - 2000
  })
  t.same(pitch({ rate: RATE, samples: noise }), { hz: 0, level: 0 })
})

t.test('of two tones the louder is named', async (t) => {
  const [low, high] = [readWav(toneWav(500, 1)).samples, readWav(toneWav(900, 1)).samples]
  const mixed = low.map((sample, i) => sample / 4 + high[i]!)
  t.equal(pitch({ rate: RATE, samples: mixed }).hz, 900)
  t.ok(levelAt({ rate: RATE, samples: mixed }, 500) > 0.05)
})

t.test('a growing file is read to its end, a beginning one is empty', async (t) => {
  const file = toneWav(500, 1)
  file.writeUInt32LE(0, 40)
  t.equal(readWav(file).samples.length, RATE)
  t.equal(readWav(file.subarray(0, 1044)).samples.length, 500)
  t.equal(readWav(file.subarray(0, 20)).samples.length, 0)
})

// Values of ITU-T G.711 table 1a, scaled to 16 bits: the smallest, the largest, and one inside.
t.test('A-law', async (t) => {
  for (const [byte, sample] of [
    [0xd5, 8],
    [0x55, -8],
    [0xaa, 32256],
    [0x2a, -32256],
    [0xc5, 264],
  ] as const) {
    t.equal(decodeAlaw(byte), sample, `0x${byte.toString(16)}`)
  }
})
