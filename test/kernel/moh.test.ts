import t, { type Test } from 'tap'
import { openNftables } from '../../lib/nftables/index.js'
import { conntrackEntries, SipPeer, sdpText, until, whyNoLab } from '../../lib/testing/index.js'
import type { Family } from '../../types/endpoint.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

/** A call, its music server (the second phone's address), and how to hold and resume it. */
async function held(t: Test, family: Family, heldMedia?: 'drop' | 'pass') {
  // The second phone's address is only known with the lab; the prefix covers it.
  const sources = family === 4 ? ['192.168.7.11'] : ['fd00:7::/64']
  const moh = { sources, ...(heldMedia ? { heldMedia } : {}) }
  const scene = await Scene.open({ family, phones: 2, helper: { media: { ports: [30000, 30100] }, moh } })
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
  const music = await scene.inside(17000, 1)
  const to = bob.endpoint.local
  const setup = { caller: alice, callee: bob, to, callerMedia: audio.local, calleeMedia: far.local }
  const { invite, arrived, answered } = await call(setup)
  const nftables = openNftables({ netns: scene.lab.gateway.path })
  t.teardown(() => nftables.close())
  let cseq = 1
  let farPort = 6000
  const reinvite = async (direction: 'sendonly' | 'sendrecv') => {
    cseq++
    const body = sdpText({ address: audio.local.address, ports: [4000], version: cseq, direction })
    await alice.inDialog('INVITE', invite, answered, to, { body, cseq })
    const again = await bob.receiveRequest('INVITE')
    await bob.respond(again, 200, { body: sdpText({ address: far.local.address, ports: [farPort], version: cseq }) })
    await alice.response(200)
    const count = async () => (await nftables.listElements('inet', 'cthelper', `music_far${family}`)).length
    await until(async () => (await count()) === (direction === 'sendonly' ? 1 : 0))
    return again
  }
  const moveFar = (port: number) => {
    farPort = port
  }
  return { scene, alice, bob, audio, far, music, arrived, reinvite, moveFar, nftables, invite, answered, to }
}

for (const family of [4, 6] as const) {
  t.test(
    `IPv${family}: music from another host leaves as the call's own, as long as it is held`,
    { skip },
    async (t) => {
      const { scene, audio, far, music, arrived, reinvite } = await held(t, family)
      const events: string[] = []
      scene.sip.on('hold', () => events.push('hold')).on('resume', () => events.push('resume'))
      const own = target(arrived)
      t.match(await hears(audio, far.local, far), { packets: 5, from: own }, 'the call')
      t.notSame((await hears(music, far.local, far)).from, own, 'not held: music is a stranger')
      for (let round = 0; round < 5; round++) {
        t.same(target(await reinvite('sendonly')), own, 'held, ports as they were')
        t.match(await hears(music, far.local, far), { packets: 5, from: own }, 'music as from the call')
        t.match(await hears(far, own, audio), { packets: 0 }, 'what the held party says goes nowhere')
        t.same(target(await reinvite('sendrecv')), own)
        t.match(await hears(far, own, audio), { packets: 5 }, 'resumed: the call again, in')
        t.match(await hears(audio, far.local, far), { packets: 5, from: own }, 'and out')
      }
      t.same(events, ['hold', 'resume', 'hold', 'resume', 'hold', 'resume', 'hold', 'resume', 'hold', 'resume'])
      t.same(scene.errors, [])
    },
  )
}

t.test('held music has no conntrack', { skip }, async (t) => {
  const { scene, far, music, arrived, reinvite } = await held(t, 4)
  await reinvite('sendonly')
  t.match(await hears(music, far.local, far), { packets: 5, from: target(arrived) })
  const entries = await conntrackEntries(scene.lab.gateway)
  t.notOk(
    entries.some(({ original }) => original.source.address === music.local.address),
    'witness: conntrack -L',
  )
  t.ok(entries.length > 0)
})

t.test('the held party passes by option; a move of the far end takes the music along', { skip }, async (t) => {
  const { scene, audio, far, music, arrived, reinvite, moveFar } = await held(t, 4, 'pass')
  const own = target(arrived)
  await reinvite('sendonly')
  t.match(await hears(far, own, audio), { packets: 5 }, 'heldMedia pass')
  const moved = await scene.outside(6200, 'mediaServer')
  moveFar(6200)
  await reinvite('sendonly')
  await until(async () => {
    const { from } = await hears(music, moved.local, moved, 1)
    return from?.port === own.port && from.address === own.address
  })
  t.notSame((await hears(music, far.local, far)).from, own, 'nothing for where it was')
})

t.test('the end of the call and a flushed table', { skip }, async (t) => {
  const { scene, alice, bob, far, music, arrived, reinvite, nftables, invite, answered, to } = await held(t, 4)
  const own = target(arrived)
  await reinvite('sendonly')
  const repaired = new Promise((resolve) => scene.sip.once('repair', resolve))
  scene.lab.gateway.runSync(['nft', 'delete', 'table', 'inet', 'cthelper'])
  await repaired
  t.match(await hears(music, far.local, far), { packets: 5, from: own }, 'the repaired table knows who is held')
  await alice.inDialog('BYE', invite, answered, to, { cseq: 9 })
  await bob.respond(await bob.receiveRequest('BYE'), 200)
  await alice.response(200)
  const left = async () => {
    const sets = ['music_far4', 'music_address4', 'music_port4', 'music_held4']
    const lists = await Promise.all(sets.map((set) => nftables.listElements('inet', 'cthelper', set)))
    return lists.flat().length
  }
  await until(async () => (await left()) === 0)
  t.notSame((await hears(music, far.local, far)).from, own)
  t.same(scene.errors, [])
})
