import { Buffer } from 'node:buffer'

/** 16-bit mono sound and its samples a second. */
export interface Sound {
  readonly rate: number
  readonly samples: Int16Array
}

/** The loudest pitch of a stretch of sound. `hz` is 0 for silence; `level` is the tone's amplitude, 1 is full scale. */
export interface Pitch {
  readonly hz: number
  readonly level: number
}

/** What every phone speaks and records: G.711's rate. */
export const RATE = 8000
const HEADER_BYTES = 44
const AMPLITUDE = 8000
const FULL_SCALE = 32768
/** Below this, what is left is noise of coding, or a packet's worth of tone in a second of silence. */
const SILENCE = 0.02

/** A WAV file of one steady tone. */
export function toneWav(hz: number, seconds: number): Buffer {
  const count = RATE * seconds
  const file = Buffer.alloc(HEADER_BYTES + count * 2)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(file.length - 8, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  file.writeUInt32LE(16, 16)
  file.writeUInt16LE(1, 20)
  file.writeUInt16LE(1, 22)
  file.writeUInt32LE(RATE, 24)
  file.writeUInt32LE(RATE * 2, 28)
  file.writeUInt16LE(2, 32)
  file.writeUInt16LE(16, 34)
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(count * 2, 40)
  for (let i = 0; i < count; i++) {
    file.writeInt16LE(Math.round(AMPLITUDE * Math.sin((2 * Math.PI * hz * i) / RATE)), HEADER_BYTES + i * 2)
  }
  return file
}

/** Reads a WAV file that may still be growing: its lengths are not believed, its data runs to the end. */
export function readWav(file: Buffer): Sound {
  if (file.length < HEADER_BYTES) return { rate: RATE, samples: new Int16Array(0) }
  const samples = new Int16Array((file.length - HEADER_BYTES) >> 1)
  for (let i = 0; i < samples.length; i++) samples[i] = file.readInt16LE(HEADER_BYTES + i * 2)
  // Linphone writes the header when the recording ends; until then it is zeros.
  return { rate: file.readUInt32LE(24) || RATE, samples }
}

/** One A-law byte (G.711) as a 16-bit sample. */
export function decodeAlaw(byte: number): number {
  const code = byte ^ 0x55
  const segment = (code >> 4) & 7
  const base = ((code & 15) << 4) + 8
  const magnitude = segment === 0 ? base : (base + 0x100) << (segment - 1)
  return code & 0x80 ? magnitude : -magnitude
}

/** Amplitude of one frequency (Goertzel), 1 is full scale. */
export function levelAt({ samples, rate }: Sound, hz: number): number {
  if (samples.length === 0) return 0
  const turn = 2 * Math.cos((2 * Math.PI * hz) / rate)
  let [last, before] = [0, 0]
  for (const sample of samples) [last, before] = [sample + turn * last - before, last]
  const power = last * last + before * before - turn * last * before
  return (2 * Math.sqrt(Math.max(0, power))) / samples.length / FULL_SCALE
}

/** The loudest pitch between 300 and 1500 Hz, in steps of ten. */
export function pitch(sound: Sound): Pitch {
  let loudest: Pitch = { hz: 0, level: SILENCE }
  for (let hz = 300; hz <= 1500; hz += 10) {
    const level = levelAt(sound, hz)
    if (level > loudest.level) loudest = { hz, level }
  }
  return loudest.hz === 0 ? { hz: 0, level: 0 } : loudest
}
