/** Flowtables carry packets from interface to interface, past all chains: media may go that way, SIP may not. */
import t from 'tap'
import { SipPeer, whyNoLab } from '../../lib/testing/index.js'
import { CliLab } from './cli-run.js'
import { connect, listen, openTcp, plain } from './followed-lab.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const SIP = /port=5060\b.*\[OFFLOAD\]/
const RTP = /port=4000\b.*\[OFFLOAD\]/

const tableOf = (rule: string): string => `table inet x {
  flowtable f { hook ingress priority 0; devices = { lan0, wan0 }; }
  chain c { type filter hook forward priority 0; ${rule} flow add @f; }
}`

t.test('all flows go into a flowtable: SIP is seen nevertheless, media takes the short cut', { skip }, async (t) => {
  const scene = await Scene.open({ helper: { media: { ports: [30000, 30100] } } })
  t.teardown(() => scene.close())
  const { gateway } = scene.lab
  const added = await gateway.exec(['nft', tableOf('meta l4proto { tcp, udp }')])
  if (added.code !== 0) return t.plan(0, `no flowtables here: ${added.stderr.trim().split('\n')[0]}`)
  if (scene.sip.status().carrier !== 'cthelper') return t.plan(0, 'needs nfnetlink_cthelper')
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  const audio = await scene.inside(4000)
  const far = await scene.outside(6000)
  const to = bob.endpoint.local
  for (let i = 0; i < 3; i++) {
    const { invite, arrived, ok } = await call({
      caller: alice,
      callee: bob,
      to,
      callerMedia: audio.local,
      calleeMedia: far.local,
    })
    t.match(target(arrived), { address: scene.address('gatewayOutside') }, 'the description is rewritten')
    t.match(await hears(audio, far.local, far, 20), { packets: 20, from: target(arrived) })
    t.match(await hears(far, target(arrived), audio, 20), { packets: 20 })
    const flows = (await gateway.exec(['conntrack', '-L', '-p', 'udp'])).stdout
    t.match(flows, RTP, 'media is in the flowtable')
    t.notMatch(flows, SIP, 'SIP is not')
    const dialog = { callId: invite.get('Call-ID'), fromTag: invite.tag('From'), toTag: ok.tag('To'), cseq: 2 }
    await alice.request('BYE', to, dialog)
    await bob.respond(await bob.receiveRequest('BYE'), 200)
    await alice.response(200)
    t.same(scene.sip.calls(), [])
  }
  t.same(scene.errors, [])
})

t.test('mode firewall: SIP over TCP is followed nevertheless', { skip }, async (t) => {
  const lab = await openTcp(t, { layout: 'routed', family: 4 })
  const added = await lab.filter.exec(['nft', tableOf('meta l4proto { tcp, udp }')])
  if (added.code !== 0) return t.plan(0, `no flowtables here: ${added.stderr.trim().split('\n')[0]}`)
  if (lab.sip.status().carrier !== 'cthelper') return t.plan(0, 'needs nfnetlink_cthelper')
  const { client, far } = await connect(t, lab, await listen(t, lab, 'cluster'))
  const text = plain(1)
  for (let i = 1; i <= 20; i++) {
    await client.send(text)
    await far.until(() => far.text.length >= i * text.length, 10_000)
  }
  t.match(lab.sip.status().counters, { requests: 20, 'tcp-connections': 1 })
  t.notMatch((await lab.filter.exec(['conntrack', '-L', '-p', 'tcp'])).stdout, SIP)
  t.same(lab.errors, [])
})

t.test('check sees SIP in a flowtable', { skip }, async (t) => {
  const cli = new CliLab()
  t.teardown(() => cli.close())
  const { gateway } = cli.lab
  const added = await gateway.exec(['nft', tableOf('udp dport != 5060 udp sport != 5060')])
  if (added.code !== 0) return t.plan(0, `no flowtables here: ${added.stderr.trim().split('\n')[0]}`)
  t.match((await cli.ask('check')).stdout, /ok +flowtable/)
  gateway.nft('delete table inet x')
  gateway.nft(tableOf('meta l4proto udp'))
  const { alice, bob } = await cli.people()
  const ask = async () => {
    await alice.request('OPTIONS', bob.endpoint.local)
    const asked = await bob.receiveRequest('OPTIONS')
    await bob.respond(asked, 200)
    await alice.response(200)
    return asked.get('Via')
  }
  for (let i = 0; i < 3; i++) await ask()
  const listed = async () => (await gateway.exec(['conntrack', '-L', '-p', 'udp'])).stdout
  t.match(await listed(), SIP, 'it is in there before anybody runs')
  const { code, stdout } = await cli.ask('check')
  if (/^ok +flowtable/m.test(stdout)) {
    t.match(stdout, /ok +flowtable +there is a flowtable; run keeps SIP out of it/)
    const running = await cli.run()
    for (let i = 0; i < 3; i++)
      t.match(await ask(), bob.endpoint.local.address.replace(/\d+$/, '1:5060'), 'seen and mapped')
    t.notMatch(await listed(), SIP)
    t.match(
      gateway.runSync(['nft', 'list', 'table', 'inet', 'cthelper']),
      /type "cthelper" protocol udp[\s\S]*ct helper set "idle_udp"/,
    )
    t.equal(await running.end('SIGTERM'), 0)
  } else {
    t.equal(code, 1)
    t.match(stdout, /fail +flowtable +a flowtable takes SIP past the queue: inet x c: meta l4proto udp flow add @f/)
    t.match(stdout, /fail +flowtable +1 SIP flows are in a flowtable/)
  }
})
