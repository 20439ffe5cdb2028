import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import {
  conntrackEntries,
  expectations,
  type SipPeer,
  SipText,
  sdpText,
  sipText,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { answered, FirewallLab, type FirewallLabOptions, sdpOf } from './firewall-lab.js'
import { hears } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

async function open(t: Test, options: FirewallLabOptions): Promise<FirewallLab> {
  const lab = await FirewallLab.open(options)
  t.teardown(() => lab.close())
  return lab
}

/** A request of the called side within the dialog. */
function back(asterisk: SipPeer, invite: SipText, ok: SipText, cseq: number, method: string, body?: string) {
  return asterisk.request(method, invite.from!, {
    callId: invite.get('Call-ID'),
    cseq,
    headers: [
      ['From', ok.get('To')],
      ['To', ok.get('From')],
    ],
    ...(body ? { body } : {}),
  })
}

const asText = ({ startLine, headers, body }: SipText): string => sipText(startLine, headers.slice(0, -1), body)

for (const [layout, family] of [
  ['routed', 4],
  ['routed', 6],
  ['bridged', 4],
  ['bridged', 6],
] as const) {
  t.test(`IPv${family}, ${layout}: ways for the media of a call, and for nothing else`, { skip }, async (t) => {
    const lab = await open(t, { layout, family })
    const { asterisk, phone } = await lab.peers()
    const [audio, far, stranger] = [
      await lab.inside(10, 12000),
      await lab.outside(20, 6000),
      await lab.outside(66, 6000),
    ]
    const elsewhere = await lab.inside(11, 14000)
    t.equal(await lab.sweep(stranger), 0, 'before the call the range is closed')
    t.match(await hears(far, audio.local, audio), { packets: 0 }, 'to the phone as well')

    const call = await answered(phone, asterisk, sdpOf(far), sdpOf(audio))
    t.equal(asText(call.arrived), asText(call.invite), 'the INVITE arrives as it was sent')
    t.equal(asText(call.heard), asText(call.ok), 'so does the answer')
    t.match(await hears(far, audio.local, audio), { packets: 5, from: far.local }, 'audio in')
    t.match(await hears(audio, far.local, far), { packets: 5, from: audio.local }, 'audio out')
    t.equal(await lab.sweep(stranger), 0, 'during the call the range is closed to a stranger')
    t.match(await hears(far, elsewhere.local, elsewhere), { packets: 0 }, 'and the phone reaches no other host')

    await back(asterisk, call.arrived, call.ok, 7, 'INVITE', sdpOf(elsewhere))
    const moved = await phone.receiveRequest('INVITE')
    await phone.respond(moved, 200, { body: sdpOf(far) })
    await asterisk.response(200)
    await back(asterisk, call.arrived, call.ok, 7, 'ACK')
    await phone.receiveRequest('ACK')
    t.match(await hears(far, elsewhere.local, elsewhere), { packets: 5 }, 'after the re-INVITE: to the other gateway')
    t.match(await hears(elsewhere, far.local, far), { packets: 5 }, 'and from it')
    t.match(await hears(far, audio.local, audio), { packets: 0 }, 'the old way is shut')
    t.match(await hears(audio, far.local, far), { packets: 0 }, 'both ways')

    await back(asterisk, call.arrived, call.ok, 8, 'BYE')
    await phone.respond(await phone.receiveRequest('BYE'), 200)
    await asterisk.response(200)
    t.match(await hears(far, elsewhere.local, elsewhere), { packets: 0 }, 'after BYE the live flow is shut')
    t.match(await hears(elsewhere, far.local, far), { packets: 0 }, 'both ways')
    t.equal(await lab.sweep(stranger), 0, 'after the call the range is closed')
    t.same(await expectations(lab.filter), [])
    const entries = await conntrackEntries(lab.filter)
    const media = entries.filter(({ original: it }) => it.protocol === 17 && it.destination.port !== 5060)
    t.same(media, [], 'no anchor and no media flow is left')
    lab.filter.nft('insert rule inet filter forward udp dport 10000-20000 accept')
    t.ok((await lab.sweep(stranger)) > 9000, 'the witness does see who gets in')
    t.same([lab.refusals, lab.errors], [[], []])
  })
}

t.test('nothing opens for what is refused', { skip }, async (t) => {
  const lab = await open(t, { layout: 'routed', family: 4 })
  const { asterisk, phone } = await lab.peers()
  const [audio, far] = [await lab.inside(10, 12000), await lab.outside(20, 6000)]
  for (const status of [401, 407, 403]) {
    const [out, into] = [
      { caller: asterisk, callee: phone, offer: audio },
      { caller: phone, callee: asterisk, offer: far },
    ]
    for (const { caller, callee, offer } of [out, into]) {
      const invite = await caller.request('INVITE', callee.endpoint.local, { body: sdpOf(offer) })
      const arrived = await callee.receiveRequest('INVITE')
      t.same(await expectations(lab.filter), [], 'an offer alone opens nothing')
      await callee.respond(arrived, status)
      const refused = await caller.response(status)
      await caller.ack(invite, refused, callee.endpoint.local)
      await callee.receiveRequest('ACK')
    }
    t.match(await hears(far, audio.local, audio), { packets: 0 }, `${status}: nothing comes in`)
  }
  t.same(lab.opened, [])
  t.same(await expectations(lab.filter), [])
})

t.test('provisional answers with a description open the way; CANCEL shuts it', { skip }, async (t) => {
  const lab = await open(t, { layout: 'routed', family: 4 })
  const { asterisk, phone } = await lab.peers()
  const [audio, far] = [await lab.inside(10, 12000), await lab.outside(20, 6000)]
  const to = phone.endpoint.local
  const invite = await asterisk.request('INVITE', to, { body: sdpOf(audio) })
  const arrived = await phone.receiveRequest('INVITE')
  t.match(await hears(far, audio.local, audio), { packets: 0 }, 'not before the called side says something')
  await phone.respond(arrived, 183, { body: sdpOf(far) })
  await asterisk.response(183)
  t.match(await hears(far, audio.local, audio), { packets: 5 }, 'ringing tones')
  const branch = /branch=([^;]+)/.exec(invite.get('Via'))![1]!
  const dialog = { callId: invite.get('Call-ID'), fromTag: invite.tag('From'), branch }
  await asterisk.request('CANCEL', to, dialog)
  await phone.respond(await phone.receiveRequest('CANCEL'), 200)
  await asterisk.response(200)
  await phone.respond(arrived, 487)
  await asterisk.response(487)
  t.match(await hears(far, audio.local, audio), { packets: 0 })
  t.same(await expectations(lab.filter), [])
})

t.test('a phone behind its own NAT is latched to its signalling address', { skip }, async (t) => {
  const lab = await open(t, { layout: 'routed', family: 4 })
  const { asterisk, phone } = await lab.peers()
  const [audio, natted, second] = [
    await lab.inside(10, 12000),
    await lab.outside(20, 41000),
    await lab.outside(20, 42000),
  ]
  const elsewhere = await lab.outside(30, 41000)
  const offer = sdpText({ address: '192.168.1.5', ports: [4000] })
  await answered(phone, asterisk, offer, sdpOf(audio))
  t.match(await hears(elsewhere, audio.local, audio), { packets: 0 }, 'another host of the internet is not it')
  t.match(await hears(natted, audio.local, audio), { packets: 5 }, 'the first port of the address is')
  t.match(await hears(audio, natted.local, natted), { packets: 5 }, 'and is answered')
  t.match(await hears(second, audio.local, audio), { packets: 0 }, 'a second one is not')
})

t.test('the description is not delivered before its way stands', { skip }, async (t) => {
  const lab = await open(t, { layout: 'routed', family: 4 })
  const { asterisk, phone } = await lab.peers()
  const calls = 60
  let isHeard = 0
  for (let i = 0; i < calls; i++) {
    const [audio, far] = [await lab.inside(10, 12000 + 2 * i), await lab.outside(20, 16000 + 2 * i)]
    const to: Endpoint = audio.local
    // The phone speaks in the very moment in which the answer reaches it, once.
    const stop = phone.endpoint.onDatagram(({ bytes, from }) => {
      if (SipText.of({ bytes, from, atMs: 0 }).status === 200) void far.send('now', to)
    })
    await answered(phone, asterisk, sdpOf(far), sdpOf(audio))
    stop()
    const heard = await audio.receive().catch(() => undefined)
    if (heard) isHeard++
  }
  t.equal(isHeard, calls)
})

t.test('descriptions may name hosts of the cluster, and nobody else', { skip }, async (t) => {
  const lab = await open(t, { layout: 'routed', family: 4, helper: { media: { hosts: ['192.0.2.8/30'] } } })
  const { asterisk, phone } = await lab.peers()
  const [within, without, far] = [await lab.inside(11, 12000), await lab.inside(12, 12000), await lab.outside(20, 6000)]
  await answered(phone, asterisk, sdpOf(far), sdpOf(within))
  t.match(await hears(far, within.local, within), { packets: 5 })
  await answered(phone, asterisk, sdpOf(far), sdpOf(without))
  t.match(await hears(far, without.local, without), { packets: 0 })
  t.same(lab.refusals, ['address-foreign'])
})

const modules = (): string => {
  try {
    return readFileSync('/proc/modules', 'latin1')
  } catch {
    return ''
  }
}
const isLoaded = (): boolean => /^nf_nat_sip /m.test(modules())
const whyNot =
  skip || (modules() === '' && 'needs a kernel with loadable modules') || (isLoaded() && 'nf_nat_sip was loaded before')

t.test('no NAT function is needed', { skip: whyNot }, async (t) => {
  const lab = await open(t, { layout: 'routed', family: 4 })
  const { asterisk, phone } = await lab.peers()
  const [audio, far] = [await lab.inside(10, 12000), await lab.outside(20, 6000)]
  await answered(phone, asterisk, sdpOf(far), sdpOf(audio))
  t.match(await hears(far, audio.local, audio), { packets: 5 })
  t.notOk(isLoaded())
})
