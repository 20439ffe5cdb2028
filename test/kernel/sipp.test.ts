import { readFile } from 'node:fs/promises'
import t from 'tap'
import {
  expectations,
  type Namespace,
  pause,
  RtpMeter,
  runSipp,
  scaled,
  sendRtp,
  whyNoLab,
} from '../../lib/testing/index.js'
import { Scene } from './scene.js'

const skip = whyNoLab('nft', 'conntrack', 'sipp')
const scenario = await readFile(new URL('../fixtures/sipp/caller.xml', import.meta.url), 'utf8')
const TALK_MS = scaled(3000)
/** A datagram is sent again, a refused connection is not. */
async function listens(namespace: Namespace, mode: string): Promise<void> {
  const isThere = async () => (await namespace.exec(['ss', '-Hltn', 'sport = :5060'])).stdout !== ''
  for (let i = 0; mode !== 'u1' && i < 100 && !(await isThere()); i++) await pause(50)
}

/** Who is called takes as many connections as come. */
const answers = (mode: string): string[] => ['-t', mode === 'tn' ? 't1' : mode]

// SIPp is the witness for signalling (it checks what it gets) and for media: it sends back each RTP packet to where it came from.
for (const [family, nat, mode] of [
  [4, 'masquerade', 'u1'],
  [6, 'nat66', 'u1'],
  // TCP, all calls on one connection.
  [4, 'masquerade', 't1'],
  [6, 'nat66', 't1'],
] as const) {
  t.test(`SIPp calls SIPp, IPv${family}, ${nat}, -t ${mode}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, nat, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const called = { address: scene.address('registrar'), port: 5060 }
    const local = { address: scene.phoneAddress(), port: 5060 }
    const echo = { address: called.address, port: 6000 }
    const media = await scene.inside(4000)
    const meter = new RtpMeter(media)
    const { provider, phone, gateway } = scene.lab
    const answering = runSipp(provider, {
      scenario: 'uas',
      local: called,
      mediaPort: echo.port,
      extra: [...answers(mode), '-rtp_echo'],
    })
    await listens(provider, mode)
    const keys = { rtp_port: '4000' }
    const calling = runSipp(phone, {
      scenario,
      local,
      remote: called,
      keys,
      mediaPort: 7000,
      extra: ['-t', mode, '-d', String(TALK_MS)],
    })
    for (let i = 0; i < 100 && scene.sip.calls()[0]?.state !== 'answered'; i++) await pause(50)
    t.match(scene.sip.calls(), [{ state: 'answered', streams: [{ type: 'audio', inside: media.local }] }])
    await sendRtp(media, echo, { ssrc: 7, count: 20 })
    await pause(100)
    t.equal(meter.received(7, echo), 20, 'every packet came back')
    t.match(await calling, { code: 0, successful: 1, failed: 0 })
    t.match(await answering, { code: 0, successful: 1, failed: 0 })
    t.same(await expectations(gateway), [])
    t.match(scene.sip.status().sizes, { calls: 0, pinholes: 0, flows: 0, ports: 0 })
    t.same(scene.refusals, [])
  })
}

for (const mode of ['u1', 't1', 'tn'] as const)
  t.test(`SIPp: two hundred calls, fifty a second, -t ${mode}`, { skip }, async (t) => {
    const scene = await Scene.open({ helper: { media: { ports: [30000, 39999] } } })
    t.teardown(() => scene.close())
    const called = { address: scene.address('registrar'), port: 5060 }
    const local = { address: scene.phoneAddress(), port: 5060 }
    // Nobody says anything twice: a message that is lost, or late, ends no call by itself, and a lost one is a failure.
    const many = { calls: 200, rate: 50, extra: ['-t', mode, '-max_socket', '300', '-nr'] }
    const answering = runSipp(scene.lab.provider, {
      scenario: 'uas',
      local: called,
      ...many,
      extra: [...answers(mode), '-nr'],
    })
    await listens(scene.lab.provider, mode)
    const calling = await runSipp(scene.lab.phone, { scenario: 'uac', local, remote: called, ...many })
    t.match(calling, { code: 0, successful: 200, failed: 0 })
    const answered = await answering
    // A call whose connection ends while it waits for retransmissions counts as a failure at the called SIPp, without a gateway as well:
    // with one connection a call that is every one, with one for all the last.
    if (mode === 'u1') t.match(answered, { code: 0, successful: 200, failed: 0 })
    if (mode === 't1') t.ok(answered.successful >= 199 && answered.successful + answered.failed === 200)
    t.match(scene.sip.status().sizes, { calls: 0, pinholes: 0, flows: 0, ports: 0, deadlines: 0 })
    t.same(scene.refusals, [])
    t.same(scene.errors, [])
  })
