import t from 'tap'
import type { Counters } from '../../lib/alg/counters.js'
import { StreamMessages } from '../../lib/alg/stream-messages.js'
import type { TcpContacts } from '../../lib/alg/tcp-contacts.js'
import type { Attendant } from '../../lib/proxy/index.js'
import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Way } from '../../types/flow.js'
import type { SetElement } from '../../types/nftables.js'
import type { SipMessage } from '../../types/sip.js'
import type { Tuple } from '../../types/tuple.js'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, scanned, sdp, World } from '../call/world.js'
import { judgeOver } from './judge-over.js'

const CLIENT = endpoint(INSIDE, 50_100)
const LOCAL = endpoint(INSIDE, 20_100)
const SERVER = endpoint(PEER, 5060)

/** Stream messages over the fake kernel. */
class Box {
  readonly world = new World()
  readonly counters: Counters
  readonly sets: string[] = []
  readonly contacts: TcpContacts
  readonly messages: StreamMessages
  readonly asked: Tuple[] = []
  get: () => Promise<ConntrackEntry | undefined>

  constructor(failure: 'accept' | 'drop' = 'accept') {
    const { world } = this
    const { judge, counters, contacts } = judgeOver(world, failure)
    this.counters = counters
    this.contacts = contacts
    const original = { family: 4 as const, protocol: 6, source: LOCAL, destination: SERVER }
    const entry = { original, reply: { ...original, source: SERVER, destination: endpoint(OUTSIDE, 20_100) } }
    this.get = () => Promise.resolve(entry)
    contacts.serve(async (kind, set, elements) => {
      this.sets.push(`${kind} ${set} ${JSON.stringify(elements)}`)
    })
    const get = (tuple: Tuple) => {
      this.asked.push(tuple)
      return this.get()
    }
    this.messages = new StreamMessages({ engine: world.engine, judge, counters, get })
  }

  attend(way: Way = 'out'): Promise<Attendant<SipMessage>> {
    const ends = way === 'out' ? { client: CLIENT, server: SERVER } : { client: SERVER, server: CLIENT }
    return this.messages.attend({ family: 4, way, local: LOCAL, ...ends })
  }
}

/** What goes on in the message's place; undefined: nothing. */
const pass = (attendant: Attendant<SipMessage>, way: Way, text: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    attendant.judge(scanned(`\r\n${text}`), way, (bytes) => resolve(bytes && Buffer.from(bytes).toString('latin1')))
  })

const invite = request('INVITE', { by: CLIENT, body: sdp(INSIDE, 4000) })

t.test('a message goes rewritten, after its pinholes', async (t) => {
  const box = new Box()
  const attendant = await box.attend()
  t.match(box.asked, [{ protocol: 6, source: LOCAL, destination: SERVER }], "the proxy's own connection is asked for")
  const sent = await pass(attendant, 'out', invite)
  t.match(sent, `Contact: <sip:x@${OUTSIDE}:20100>`)
  t.match(sent, `c=IN IP4 ${OUTSIDE}`)
  t.match(sent, /^INVITE/, 'what stood before it is not its own')
  t.equal(box.world.kernel.expectationList().length, 2)
  const ok = response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) })
  t.equal(await pass(attendant, 'in', ok), ok, 'nothing of ours in it: as it was')
  t.match(box.counters.snapshot(), { requests: 1, responses: 1, rewritten: 1 })
  attendant.close()
  await box.world.shutdown()
  t.same(box.world.sizes(), NOTHING)
})

t.test('a connection from outside: what its destination was before the translation', async (t) => {
  const box = new Box()
  const original = { family: 4 as const, protocol: 6, source: SERVER, destination: endpoint(OUTSIDE, 5070) }
  const entry = { original, reply: { ...original, source: CLIENT, destination: SERVER } }
  box.get = () => Promise.resolve(entry)
  const attendant = await box.attend('in')
  t.match(box.asked, [{ source: CLIENT, destination: SERVER }])
  const options = request('OPTIONS', { uri: `sip:x@${OUTSIDE}:5070` })
  t.match(await pass(attendant, 'in', options), `OPTIONS sip:x@${INSIDE}:50100 SIP/2.0`)
})

t.test('where conntrack knows nothing there is no translation', async (t) => {
  const box = new Box()
  box.get = () => Promise.resolve(undefined)
  const sent = await pass(await box.attend(), 'out', invite)
  t.match(sent, `Contact: <sip:x@${INSIDE}:20100>`, "the proxy's port is what the server sees")
  t.match(sent, `c=IN IP4 ${INSIDE}`)
})

t.test('a refused pinhole: the message goes on, or is left out of the stream', async (t) => {
  for (const failure of ['accept', 'drop'] as const) {
    const box = new Box(failure)
    box.world.kernel.refuseNext(24, ({ kind }) => kind === 'create-expectation')
    const sent = await pass(await box.attend(), 'out', invite)
    if (failure === 'accept') t.match(sent, `Contact: <sip:x@${OUTSIDE}:20100>`)
    else t.equal(sent, undefined)
  }
})

t.test('ways to TCP contacts are in the sets while they stand, each once', async (t) => {
  const box = new Box()
  const attendant = await box.attend()
  const listens = endpoint(INSIDE, 5070)
  const headers = (expires: number) =>
    [['Contact', `<sip:x@${OUTSIDE}:5070;transport=tcp>;expires=${expires}`]] as const
  for (const [callId, aor] of [
    ['r1', 'one'],
    ['r2', 'two'],
  ]) {
    const to = (text: string) => text.replace('sip:two@', `sip:${aor}@`).replace('SIP/2.0/UDP', 'SIP/2.0/TCP')
    await pass(attendant, 'out', to(request('REGISTER', { callId: callId!, by: listens })))
    await pass(
      attendant,
      'in',
      to(response(200, 'REGISTER', { callId: callId!, headers: headers(aor === 'one' ? 10 : 60) })),
    )
  }
  const element: SetElement = [INSIDE, 5070]
  t.same(box.sets, [`add tcp_contacts4 ${JSON.stringify([element])}`])
  const empty = { name: 'tcp_contacts4', type: ['ipv4_addr', 'inet_service'], elements: [] } as const
  const filled = box.contacts.fill({ family: 'inet', name: 'cthelper', sets: [empty], chains: [] })
  t.same(filled.sets?.[0]?.elements, [element], 'a table that is installed again has them')
  await box.contacts.apply([], box.world.engine.shutdown().close)
  t.same(box.sets.at(-1), `delete tcp_contacts4 ${JSON.stringify([element])}`)
  t.equal(box.contacts.size, 0)
})

t.test('a contact whose way the kernel refuses is in no set, and nothing is left of it', async (t) => {
  const box = new Box()
  const attendant = await box.attend()
  const headers = [['Contact', `<sip:x@${INSIDE}:5060;transport=tcp>;expires=60`]] as const
  const [EMFILE] = [24]
  box.world.kernel.refuseNext(EMFILE, ({ kind }) => kind === 'create-expectation')
  await pass(attendant, 'out', request('REGISTER', { headers }))
  const granted = [['Contact', `<sip:x@${OUTSIDE}:5060;transport=tcp>;expires=60`]] as const
  await pass(attendant, 'in', response(200, 'REGISTER', { headers: granted }))
  t.same(box.world.refusals(), ['expectation-table-full'])
  t.same(box.sets, [])
  t.equal(box.contacts.size, 0)
})
