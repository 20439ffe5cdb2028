import t from 'tap'
import { Music, type MusicMaps } from '../../lib/alg/music.js'
import type { MusicStream } from '../../lib/nftables/index.js'

/** Maps as the kernel has them, and how they came to be so. */
class FakeMaps implements MusicMaps {
  readonly content = new Map<string, unknown>()
  readonly steps: string[] = []
  failure: Error | undefined

  async replaceElements(...[, , set, [element]]: Parameters<MusicMaps['replaceElements']>): Promise<void> {
    if (this.failure) throw this.failure
    const { key, value } = element as { key: readonly unknown[]; value?: unknown }
    this.steps.push(`+${set}`)
    this.content.set(`${set} ${key.join(':')}`, value)
  }

  async deleteElements(...[, , set, [element]]: Parameters<MusicMaps['deleteElements']>): Promise<void> {
    this.steps.push(`-${set}`)
    this.content.delete(`${set} ${(element as unknown[]).join(':')}`)
  }
}

const stream = (port: number, outsidePort: number): MusicStream => ({
  family: 4,
  far: { address: '203.0.113.20', port },
  outside: { address: '203.0.113.1', port: outsidePort },
})

function open(dropsHeld = true) {
  const maps = new FakeMaps()
  const errors: Error[] = []
  const music = new Music({ maps, table: 'cthelper', dropsHeld, onError: (error) => errors.push(error) })
  return { maps, errors, music }
}

t.test('a hold fills the maps, the gate last; a resume empties them, the gate first', async (t) => {
  const { maps, music } = open()
  const call = {}
  music.update({ call, streams: [stream(6000, 30000)] })
  music.update({ call, streams: [stream(6000, 30000)] })
  await music.settled()
  t.same(maps.steps, ['+music_address4', '+music_port4', '+music_far4', '+music_held4'], 'once')
  t.equal(maps.content.get('music_port4 203.0.113.20:6000'), 30000)
  t.ok(maps.content.has('music_held4 203.0.113.1:30000'))
  t.equal(music.size, 1)
  music.update({ call, streams: [] })
  music.update({ call, streams: [] })
  await music.settled()
  t.same(maps.steps.slice(4), ['-music_held4', '-music_far4', '-music_port4', '-music_address4'])
  t.equal(maps.content.size, 0)
  t.equal(music.size, 0)
})

t.test('hold, resume, hold before the first is done: the last word counts', async (t) => {
  const { maps, music } = open(false)
  const call = {}
  music.update({ call, streams: [stream(6000, 30000)] })
  music.update({ call, streams: [] })
  music.update({ call, streams: [stream(6002, 30002)] })
  await music.settled()
  t.same([...maps.content.keys()].sort(), [
    'music_address4 203.0.113.20:6002',
    'music_far4 203.0.113.20:6002',
    'music_port4 203.0.113.20:6002',
  ])
})

t.test('two calls to one far end: the later has it, and what is left of them the first again', async (t) => {
  const { maps, music } = open(false)
  const [first, second] = [{}, {}]
  music.update({ call: first, streams: [stream(6000, 30000)] })
  music.update({ call: second, streams: [stream(6000, 30002)] })
  await music.settled()
  t.equal(maps.content.get('music_port4 203.0.113.20:6000'), 30002)
  music.update({ call: second, streams: [] })
  await music.settled()
  t.equal(maps.content.get('music_port4 203.0.113.20:6000'), 30000)
})

t.test('a table made anew holds what is held; a refusal is reported and does not stop what follows', async (t) => {
  const { maps, errors, music } = open()
  const call = {}
  music.update({ call, streams: [stream(6000, 30000)] })
  t.same(music.reinstalled(), [stream(6000, 30000)])
  await music.settled()
  maps.failure = new Error('no such table')
  music.update({ call, streams: [stream(6002, 30002)] })
  await music.settled()
  t.equal(errors.length, 1)
  maps.failure = undefined
  music.update({ call, streams: [stream(6004, 30004)] })
  await music.settled()
  t.ok(maps.content.has('music_far4 203.0.113.20:6004'))
})
