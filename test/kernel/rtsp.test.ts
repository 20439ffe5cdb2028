/** RTSP (examples/rtsp) over real sockets: what arrives where, with the gateway's forward policy drop. */
import t from 'tap'
import {
  conntrackEntries,
  expectations,
  nftRuleset,
  TcpEndpoint,
  TcpListener,
  until,
  whyNoLab,
} from '../../lib/testing/index.js'
import { Dialogue, endpoint, portsIn, RTSP, RtspScene, uriHost } from './rtsp-scene.js'
import { hears } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

for (const [family, nat] of [
  [4, 'masquerade'],
  [4, 'none'],
  [6, 'nat66'],
  [6, 'none'],
] as const) {
  t.test(`IPv${family}, ${nat}: a client inside`, { skip }, async (t) => {
    const scene = new RtspScene(t, family, nat)
    const { lab } = scene
    const helper = await scene.helper()
    const server = await scene.listen('provider', lab.registrar)
    const rtsp = await scene.connect(server)
    const media = await scene.media()
    const { told, heard } = await rtsp.setup(media)
    t.same(heard, [4000, 4001, 6970, 6971], 'the client sees its own ports')
    const at = nat === 'none' ? media.rtp.local.address : scene.address(lab.gatewayOutside)
    const [rtp, rtcp] = told.map((port) => endpoint(at, port))
    t.ok((await expectations(lab.gateway)).length >= 4, 'witness: conntrack -L expect')
    t.match(helper.pinholes(), [
      { kind: 'media', transport: 'udp', inside: media.rtp.local, outside: rtp, far: media.farRtp.local },
    ])
    const stranger = await scene.udp('provider', lab.stranger, 6970)
    t.match(await hears(stranger, rtp!, media.rtp), { packets: 0 }, 'a stranger')
    const { rtp: near, rtcp: nearRtcp, farRtp, farRtcp } = media
    t.match(await hears(farRtp, rtp!, near), { packets: 5, from: farRtp.local }, 'RTP in')
    t.match(await hears(nearRtcp, farRtcp.local, farRtcp), { packets: 5, from: rtcp }, 'RTCP out, before any came in')
    t.match(await hears(farRtcp, rtcp!, nearRtcp), { packets: 5, from: farRtcp.local }, 'RTCP in')
    t.match(await hears(near, farRtp.local, farRtp), { packets: 5, from: rtp }, 'out by the same port')
    await until(async () => (await expectations(lab.gateway)).length === 0)
    await rtsp.teardown()
    t.same(helper.pinholes(), [])
    t.match(await hears(farRtp, rtp!, near), { packets: 0 }, 'a flow that lived is shut')
    t.match(await hears(farRtcp, rtcp!, nearRtcp), { packets: 0 })
    t.same(await expectations(lab.gateway), [])
    t.same([...scene.errors, ...scene.refusals], [])
  })
}

t.test('two clients with the same ports; without a helper there is silence', { skip }, async (t) => {
  const scene = new RtspScene(t)
  const server = await scene.listen('provider', scene.lab.registrar)
  const gateway = scene.lab.gatewayOutside.v4
  const media = await scene.media()
  const alone = await scene.connect(server)
  const { told } = await alone.setup(media)
  t.match(await hears(media.farRtp, endpoint(gateway, told[0]), media.rtp), { packets: 0 }, 'without')
  alone.client.close()
  await scene.helper()
  const other = { ...(await scene.media(1, 4000, 6980)) }
  const [first, second] = [await scene.connect(server), await scene.connect(server, 1)]
  const ports = [(await first.setup(media)).told[0], (await second.setup(other)).told[0]]
  t.not(ports[0], ports[1])
  t.match(await hears(media.farRtp, endpoint(gateway, ports[0]), media.rtp), { packets: 5 }, 'with')
  t.match(await hears(other.farRtp, endpoint(gateway, ports[1]), other.rtp), { packets: 5 })
  await first.teardown()
  t.match(await hears(other.farRtp, endpoint(gateway, ports[1]), other.rtp), { packets: 5 }, 'the other one stays')
})

t.test('the way stands when the request arrives, and goes with the connection', { skip }, async (t) => {
  const scene = new RtspScene(t)
  const helper = await scene.helper({ media: { ports: [41_000, 41_099] } })
  const server = await scene.listen('provider', scene.lab.registrar)
  const rtsp = await scene.connect(server)
  const media = await scene.media()
  await rtsp.client.send(
    'SETUP rtsp://h/ RTSP/1.0\r\nCSeq: 9\r\nTransport: RTP/AVP;unicast;client_port=4000-4001\r\n\r\n',
  )
  const told = portsIn((await rtsp.server.receive()).bytes.toString(), 'client_port')
  t.same(told, [41_000, 41_001], 'ports of its own')
  const to = endpoint(scene.lab.gatewayOutside.v4, told[0])
  t.match(await hears(media.farRtp, to, media.rtp), { packets: 5 }, 'before the answer')
  const refuses = ['RTSP/1.0 453 Not Enough Bandwidth', 'CSeq: 9', '', ''].join('\r\n')
  await rtsp.server.send(refuses)
  await rtsp.client.receive()
  t.match(await hears(media.farRtp, to, media.rtp), { packets: 0 }, 'refused')
  const again = await scene.media(0, 5000, 6980)
  const { told: next } = await rtsp.setup(again)
  t.match(await hears(again.farRtp, endpoint(to.address, next[0]), again.rtp), { packets: 5 })
  rtsp.client.reset()
  await until(() => helper.pinholes().length === 0)
  await until(async () => (await expectations(scene.lab.gateway)).length === 0)
  t.match(await hears(again.farRtp, endpoint(to.address, next[0]), again.rtp), { packets: 0 }, 'the connection is gone')
  const entries = await conntrackEntries(scene.lab.gateway)
  t.same(
    entries.filter(({ original }) => original.destination.port === next[0] && original.protocol === 17),
    [],
    'nor did stray media leave anything',
  )
  t.match(helper.status().sizes, { pinholes: 0, connections: 0 })
})

t.test('a client that is redirected is helped anew, with the ports it had', { skip }, async (t) => {
  const scene = new RtspScene(t)
  const { registrar, mediaServer, gatewayOutside } = scene.lab
  const helper = await scene.helper()
  const [first, other] = [await scene.listen('provider', registrar), await scene.listen('provider', mediaServer)]
  const media = await scene.media()
  const rtsp = await scene.connect(first)
  await rtsp.setup(media)
  const location = `Location: rtsp://${mediaServer.v4}/a`
  const { response } = await rtsp.exchange('PLAY', ['Session: 1234'], [location], { status: '302 Found' })
  t.match(response, location)
  const again = await scene.connect(other)
  const farRtp = await scene.udp('provider', mediaServer, 6970)
  const { told } = await again.setup({ rtp: media.rtp, farRtp })
  const at = endpoint(gatewayOutside.v4, told[0])
  t.match(await hears(farRtp, at, media.rtp), { packets: 5, from: farRtp.local }, 'from the other server')
  t.match(await hears(media.farRtp, at, media.rtp), { packets: 5 }, 'the first one may go on until it is left')
  rtsp.client.end()
  rtsp.server.end()
  await until(() => helper.pinholes().length === 1)
  t.match(await hears(media.farRtp, at, media.rtp), { packets: 0 })
  t.match(await hears(farRtp, at, media.rtp), { packets: 5 })
  t.same([...scene.errors, ...scene.refusals], [])
})

t.test('interleaved media passes, and the messages between it are helped', { skip }, async (t) => {
  const scene = new RtspScene(t)
  const helper = await scene.helper()
  const rtsp = await scene.connect(await scene.listen('provider', scene.lab.registrar))
  const { client, server } = rtsp
  const setup = 'SETUP rtsp://h/ RTSP/1.0\r\nCSeq: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n'
  await client.send(setup)
  t.equal((await server.receive()).bytes.toString(), setup)
  t.same(helper.pinholes(), [])
  const packet = (length: number) =>
    `$\x01${String.fromCharCode(length >> 8, length & 255)}${'\r\n\r\n$'.repeat(length / 5)}`
  const flood = Array.from({ length: 200 }, (_, i) => packet((i % 20) * 250)).join('')
  const request = 'TEARDOWN rtsp://h/ RTSP/1.0\r\nCSeq: 8\r\n\r\n'
  await server.send(`${flood}RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n`)
  const sizes = [3, 1000, 70_000]
  for (let at = 0, i = 0; at < flood.length; i++) {
    const piece = flood.slice(at, at + sizes[i % 3]!)
    at += piece.length
    await client.send(piece)
  }
  const other = 'SETUP rtsp://h/ RTSP/1.0\r\nCSeq: 9\r\nTransport: RTP/AVP;unicast;client_port=4000-4001\r\n\r\n'
  await client.send(request + other)
  await server.until(() => server.text.length >= setup.length + flood.length + request.length + other.length, 20_000)
  t.ok(server.text === setup + flood + request + other, 'not a byte changed')
  await client.until(() => client.text.endsWith('CSeq: 7\r\n\r\n'))
  t.ok(client.text.startsWith(flood))
  t.equal(helper.pinholes().length, 1)
  t.match(helper.status().counters, { messages: 4 })
})

for (const [family, nat] of [
  [4, 'masquerade'],
  [6, 'nat66'],
  [6, 'none'],
] as const) {
  t.test(`IPv${family}, ${nat}: a server inside`, { skip }, async (t) => {
    const scene = new RtspScene(t, family, nat)
    const { gateway, phones, registrar, gatewayOutside, provider } = scene.lab
    const own = scene.address(phones[0]!)
    const outside = nat === 'none' ? own : scene.address(gatewayOutside)
    // The server's port inside is another than the one that is forwarded to it.
    const inner = nat === 'none' ? RTSP : 8554
    const to = family === 4 ? `${own}:${inner}` : `[${own}]:${inner}`
    const forwards = `chain forwards {
      type nat hook prerouting priority -100;
      iifname "wan0" tcp dport ${RTSP} dnat ip${family === 6 ? '6' : ''} to ${to}
    }`
    gateway.nft(`table inet forwarded {
${nat === 'none' ? '' : forwards}
}
      add rule inet lab forward iifname "wan0" oifname "lan0" tcp dport { ${RTSP}, ${inner} } accept`)
    const helper = await scene.helper({ ports: [RTSP, inner] })
    const server = await TcpListener.open(scene.lab.phone, { address: own, port: inner })
    t.teardown(() => server.close())
    const far = { address: scene.address(registrar), port: 0 }
    const client = await TcpEndpoint.connect(provider, far, { address: outside, port: RTSP })
    t.teardown(() => client.close())
    const taken = await server.accept()
    t.equal(taken.remote.address, far.address, 'the server sees the client')
    const { rtp, rtcp, farRtp, farRtcp } = await scene.media()
    const other = await scene.udp('phone', phones[1]!, 4000)
    const rtsp = new Dialogue(client, taken)
    const { request } = await rtsp.exchange('DESCRIBE', [], [], { uri: `rtsp://${uriHost(outside)}/a` })
    t.match(
      request,
      `DESCRIBE rtsp://${uriHost(own)}${nat === 'none' ? '' : `:${inner}`}/a RTSP/1.0`,
      'asked as itself',
    )
    const { told, heard } = await rtsp.setup({ rtp: farRtp, farRtp: rtp })
    t.same(told, [6970, 6971], "the client's ports are its own")
    const [toRtp, toRtcp] = heard.slice(2).map((port) => endpoint(outside, port))
    t.match(await hears(rtp, farRtp.local, farRtp), { packets: 5, from: toRtp }, 'RTP out, from the announced port')
    t.match(await hears(farRtcp, toRtcp!, rtcp), { packets: 5, from: farRtcp.local }, 'RTCP in')
    t.match(await hears(rtcp, farRtcp.local, farRtcp), { packets: 5, from: toRtcp }, 'RTCP out')
    t.match(await hears(farRtp, toRtp!, rtp), { packets: 5, from: farRtp.local }, 'RTP in')
    t.match(await hears(farRtp, toRtp!, other), { packets: 0 }, 'and nowhere else')
    await rtsp.teardown()
    t.same(helper.pinholes(), [])
    t.match(await hears(farRtcp, toRtcp!, rtcp), { packets: 0 }, 'torn down')
    t.same([...scene.errors, ...scene.refusals], [])
  })
}

t.test('what is not RTSP passes; after stop nothing is left', { skip }, async (t) => {
  const scene = new RtspScene(t)
  const { gateway } = scene.lab
  const rules = (await gateway.exec(['ip', 'rule'])).stdout
  const helper = await scene.helper()
  const server = await scene.listen('provider', scene.lab.registrar)
  const http = await scene.connect(server)
  const get = 'GET /stream HTTP/1.0\r\nx-sessioncookie: 1\r\n\r\n'
  await http.client.send(get)
  t.equal((await http.server.receive()).bytes.toString(), get)
  await http.server.send('\0\x01anything')
  await http.client.until(() => http.client.text === '\0\x01anything')
  t.match(helper.status(), { counters: { foreign: 1 }, sizes: { connections: 1 } })
  const rtsp = await scene.connect(server)
  await rtsp.setup(await scene.media())
  await helper.stop()
  t.equal(await rtsp.client.ended, 'reset')
  t.same(await expectations(gateway), [])
  t.same(
    (await nftRuleset(gateway)).flatMap((it) => it.table?.name ?? []),
    ['lab'],
  )
  t.equal((await gateway.exec(['ip', 'rule'])).stdout, rules)
  await scene.connect(server)
  t.match(helper.status(), { isRunning: false, sizes: { pinholes: 0 } })
})
