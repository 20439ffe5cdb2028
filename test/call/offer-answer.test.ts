import t from 'tap'
import { answeredCall, endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const FAR = '198.51.100.77'
const target = (text: string): string => `${/c=IN IP4 (\S+)/.exec(text)?.[1]}:${/m=audio (\d+)/.exec(text)?.[1]}`

/** Ways of one stream with RTCP, as `World.ways` lists them; far port 0: any. */
const stream = (far: string, farPort: number, outsidePort: number, insidePort = outsidePort): string[] =>
  [
    `${far}:0>${OUTSIDE}:${outsidePort}`,
    `${far}:0>${OUTSIDE}:${outsidePort + 1}`,
    `${INSIDE}:${insidePort}>${far}:${farPort}`,
    `${INSIDE}:${insidePort + 1}>${far}:${farPort + 1}`,
  ].sort()
const early = (port: number, far = PEER): string[] =>
  [`${far}:0>${OUTSIDE}:${port}`, `${far}:0>${OUTSIDE}:${port + 1}`].sort()

t.test('offer in INVITE, answer in 200', async (t) => {
  const world = new World()
  const text = request('INVITE', { body: sdp(INSIDE, 4000) })
  const invite = await world.out(text)
  t.equal(target(invite), `${OUTSIDE}:4000`)
  t.same(world.ways(), early(4000), 'until the answer, the peer may send')
  t.equal(await world.out(text), invite, 'a retransmission gets the same bytes')
  const ok = response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) })
  t.equal(await world.in(ok), ok, 'nothing of ours in it')
  t.same(world.ways(), stream(FAR, 6000, 4000))
  t.equal(world.pinholes.size.pinholes, 1)
  await world.in(ok)
  t.equal(world.opened.length, 2, 'a retransmission opens nothing')
  await world.out(request('ACK', { to: 'b' }))
  await world.out(request('BYE', { to: 'b', cseq: 2 }))
  t.same(world.ways(), stream(FAR, 6000, 4000), 'BYE is not heard yet')
  await world.in(response(200, 'BYE', { to: 'b', cseq: 2 }))
  t.same(world.sizes(), NOTHING)
  t.same(world.ends(), ['bye'])
})

t.test('the inside is called', async (t) => {
  const world = new World()
  await world.in(request('INVITE', { body: sdp(FAR, 6000) }))
  t.same(world.ways(), [], 'an offer from outside opens nothing')
  const ok = await world.out(response(200, 'INVITE', { to: 'b', body: sdp(INSIDE, 4000) }))
  t.equal(target(ok), `${OUTSIDE}:4000`)
  t.same(world.ways(), stream(FAR, 6000, 4000))
  await world.in(request('ACK', { to: 'b' }))
  await world.in(request('BYE', { to: 'b', cseq: 2 }))
  await world.out(response(200, 'BYE', { to: 'b', cseq: 2 }))
  t.same(world.sizes(), NOTHING)
})

t.test('early media, then the answer from elsewhere', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  await world.in(response(100, 'INVITE'))
  await world.in(response(183, 'INVITE', { to: 'b', body: sdp(PEER, 7000) }))
  t.same(world.ways(), stream(PEER, 7000, 4000))
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
  t.same(world.ways(), stream(FAR, 6000, 4000))
})

t.test('delayed offers', async (t) => {
  t.test('from outside in 200, answered in ACK', async (t) => {
    const world = new World()
    await world.out(request('INVITE'))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    t.same(world.ways(), [])
    const ack = request('ACK', { to: 'b', body: sdp(INSIDE, 4000) })
    const sent = await world.out(ack)
    t.equal(target(sent), `${OUTSIDE}:4000`)
    t.same(world.ways(), stream(FAR, 6000, 4000))
    t.equal(await world.out(ack), sent)
  })
  t.test('from inside in 200, answered in ACK', async (t) => {
    const world = new World()
    await world.in(request('INVITE'))
    await world.out(response(200, 'INVITE', { to: 'b', body: sdp(INSIDE, 4000) }))
    t.same(world.ways(), early(4000))
    await world.in(request('ACK', { to: 'b', body: sdp(FAR, 6000) }))
    t.same(world.ways(), stream(FAR, 6000, 4000))
  })
  t.test('in a reliable 183, answered in PRACK', async (t) => {
    const world = new World()
    await world.out(request('INVITE'))
    await world.in(response(183, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    await world.out(request('PRACK', { cseq: 2, to: 'b', body: sdp(INSIDE, 4000) }))
    t.same(world.ways(), stream(FAR, 6000, 4000))
    await world.in(response(200, 'PRACK', { cseq: 2, to: 'b' }))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    t.same(world.ways(), stream(FAR, 6000, 4000), 'a description that 200 repeats changes nothing')
  })
  t.test('two forks, an offer each, answered one by one', async (t) => {
    const world = new World()
    await world.out(request('INVITE'))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    await world.in(response(200, 'INVITE', { to: 'c', body: sdp(PEER, 7000) }))
    await world.out(request('ACK', { to: 'b', body: sdp(INSIDE, 4000) }))
    t.same(world.ways(), stream(FAR, 6000, 4000), 'the answer meets its own offer')
    await world.out(request('ACK', { to: 'c', body: sdp(INSIDE, 4100) }))
    t.same(world.ways(), [...stream(FAR, 6000, 4000), ...stream(PEER, 7000, 4100)].sort())
  })
  t.test('in a re-INVITE without a description', async (t) => {
    const world = new World()
    await answeredCall(world)
    await world.in(request('INVITE', { from: 'b', to: 'a', cseq: 8 }))
    await world.out(response(200, 'INVITE', { from: 'b', to: 'a', cseq: 8, body: sdp(INSIDE, 4000) }))
    t.same(world.ways(), stream(PEER, 6000, 4000))
    await world.in(request('ACK', { from: 'b', to: 'a', cseq: 8, body: sdp(FAR, 6100) }))
    t.same(world.ways(), stream(FAR, 6100, 4000))
  })
})

t.test('PRACK with an offer of its own', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  await world.in(response(183, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
  await world.out(request('PRACK', { cseq: 2, to: 'b', body: sdp(INSIDE, 4200) }))
  await world.in(response(200, 'PRACK', { cseq: 2, to: 'b', body: sdp(FAR, 6200) }))
  for (const way of stream(FAR, 6200, 4200)) t.ok(world.ways().includes(way), way)
  await world.in(response(200, 'INVITE', { to: 'b' }))
  t.same(world.ways(), stream(FAR, 6200, 4200))
})

t.test('UPDATE while it rings; the 200 that repeats the first answer does not undo it', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  await world.in(response(183, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
  await world.in(request('UPDATE', { from: 'b', to: 'a', cseq: 1, body: sdp(FAR, 6100) }))
  await world.out(response(200, 'UPDATE', { from: 'b', to: 'a', cseq: 1, body: sdp(INSIDE, 4000) }))
  t.same(world.ways(), [...early(4000), ...stream(FAR, 6100, 4000)].sort(), 'another fork may still ring')
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
  t.same(world.ways(), stream(FAR, 6100, 4000))
})

t.test('re-INVITE', async (t) => {
  t.test('moves the stream', async (t) => {
    const world = new World()
    await answeredCall(world)
    await world.out(request('INVITE', { cseq: 2, to: 'b', body: sdp(INSIDE, 4400) }))
    for (const way of stream(PEER, 6000, 4000))
      t.ok(world.ways().includes(way), 'the old ways stand until it is answered')
    await world.in(response(200, 'INVITE', { cseq: 2, to: 'b', body: sdp(FAR, 6400) }))
    t.same(world.ways(), stream(FAR, 6400, 4400))
    t.equal(world.engine.size.ports, 2)
  })
  for (const status of [488, 491, 401, 500]) {
    t.test(`refused with ${status}, leaves all as it was`, async (t) => {
      const world = new World()
      await answeredCall(world)
      await world.out(request('INVITE', { cseq: 2, to: 'b', body: sdp(INSIDE, 4400) }))
      await world.in(response(status, 'INVITE', { cseq: 2, to: 'b' }))
      t.same(world.ways(), stream(PEER, 6000, 4000))
      t.equal(world.engine.size.ports, 2)
      t.equal(world.engine.size.calls, 1)
    })
  }
  t.test('refused after a 183 had answered it', async (t) => {
    const world = new World()
    await answeredCall(world)
    await world.out(request('INVITE', { cseq: 2, to: 'b', body: sdp(INSIDE, 4400) }))
    await world.in(response(183, 'INVITE', { cseq: 2, to: 'b', body: sdp(FAR, 6400) }))
    t.same(world.ways(), stream(FAR, 6400, 4400))
    await world.in(response(488, 'INVITE', { cseq: 2, to: 'b' }))
    t.same(world.ways(), stream(PEER, 6000, 4000))
  })
  t.test('answered 481: the dialog is gone', async (t) => {
    const world = new World()
    await answeredCall(world)
    await world.out(request('INVITE', { cseq: 2, to: 'b', body: sdp(INSIDE, 4000) }))
    await world.in(response(481, 'INVITE', { cseq: 2, to: 'b' }))
    t.same(world.sizes(), NOTHING)
  })
  t.test('a late 200 of the first INVITE changes nothing', async (t) => {
    const world = new World()
    await answeredCall(world)
    await world.out(request('INVITE', { cseq: 2, to: 'b', body: sdp(INSIDE, 4400) }))
    await world.in(response(200, 'INVITE', { cseq: 2, to: 'b', body: sdp(FAR, 6400) }))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }))
    t.same(world.ways(), stream(FAR, 6400, 4400))
  })
})

t.test('forks', async (t) => {
  const forked = async (): Promise<World> => {
    const world = new World()
    await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
    await world.in(response(183, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    await world.in(response(183, 'INVITE', { to: 'c', body: sdp(PEER, 7000) }))
    return world
  }
  const both = [...stream(FAR, 6000, 4000), ...stream(PEER, 7000, 4000)].sort()
  t.test('both are heard while it rings, the answered one after', async (t) => {
    const world = await forked()
    t.same(world.ways(), both)
    await world.in(response(200, 'INVITE', { to: 'c', body: sdp(PEER, 7000) }))
    t.same(world.ways(), stream(PEER, 7000, 4000))
  })
  t.test('two are answered; BYE ends one and leaves the other alone', async (t) => {
    const world = await forked()
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    const late = response(200, 'INVITE', { to: 'c', body: sdp(PEER, 7000) })
    await world.in(late)
    t.same(world.ways(), both)
    await world.out(request('BYE', { cseq: 2, to: 'c' }))
    await world.in(response(200, 'BYE', { cseq: 2, to: 'c' }))
    t.same(world.ways(), stream(FAR, 6000, 4000))
    await world.in(late)
    t.same(world.ways(), stream(FAR, 6000, 4000), 'a late 200 does not bring it back')
    await world.wait(60)
    t.same(world.ways(), stream(FAR, 6000, 4000), 'nor does the BYE of the one end the other by a timer')
    t.equal(world.engine.calls()[0]?.state, 'answered')
    await world.out(request('BYE', { cseq: 3, to: 'b' }))
    await world.in(response(200, 'BYE', { cseq: 3, to: 'b' }))
    t.same(world.sizes(), NOTHING)
  })
  t.test('BYE ends an early one', async (t) => {
    const world = await forked()
    await world.out(request('BYE', { cseq: 2, to: 'c' }))
    await world.in(response(200, 'BYE', { cseq: 2, to: 'c' }))
    t.equal(world.engine.calls()[0]?.state, 'early')
    t.ok(world.ways().includes(`${INSIDE}:4000>${FAR}:6000`))
    t.notOk(world.ways().includes(`${INSIDE}:4000>${PEER}:7000`))
  })
  t.test('no more than thirty-two', async (t) => {
    const world = await forked()
    for (let i = 0; i < 100; i++)
      await world.in(response(183, 'INVITE', { to: `t${i}`, body: sdp(`198.51.100.${i + 100}`, 6000) }))
    t.equal(world.pinholes.size.pinholes, 32)
    t.ok(world.refusals().every((reason) => reason === 'forks-exhausted') && world.refusals().length === 70)
  })
})

t.test('CANCEL', async (t) => {
  t.test('shuts at once, and 487 ends it', async (t) => {
    const world = new World()
    await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
    await world.in(response(183, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    await world.out(request('CANCEL'))
    t.same(world.ways(), [])
    await world.in(response(200, 'CANCEL'))
    await world.in(response(487, 'INVITE', { to: 'b' }))
    t.same(world.sizes(), NOTHING)
    t.same(world.ends(), ['cancelled'])
  })
  t.test('crosses the 200: the call stands', async (t) => {
    const world = new World()
    await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
    await world.out(request('CANCEL'))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
    t.same(world.ways(), stream(FAR, 6000, 4000))
    await world.in(response(481, 'CANCEL'))
    await world.wait(60)
    t.same(world.ways(), stream(FAR, 6000, 4000))
  })
  t.test('without any answer, ends by a timer', async (t) => {
    const world = new World()
    await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
    await world.out(request('CANCEL'))
    await world.wait(34)
    t.same(world.sizes(), NOTHING)
    t.same(world.ends(), ['cancelled'])
  })
})

const refused = [
  [401, 'challenged'],
  [407, 'challenged'],
  [302, 'redirected'],
  [486, 'refused'],
  [603, 'refused'],
] as const
for (const [status, reason] of refused) {
  t.test(`${status} to the first INVITE: ${reason}, shut at once`, async (t) => {
    const world = new World()
    const invite = request('INVITE', { body: sdp(INSIDE, 4000) })
    const first = await world.out(invite)
    await world.in(response(status, 'INVITE', { to: 'b' }))
    t.same(world.sizes(), NOTHING)
    t.same(world.ends(), [reason])
    t.equal(await world.out(invite), first, 'a retransmission that was under way gets the same bytes')
    await world.in(response(status, 'INVITE', { to: 'b' }))
    t.same(world.sizes(), NOTHING, 'and leaves nothing either')
  })
}

t.test('timers', async (t) => {
  t.test('nobody answers the INVITE', async (t) => {
    const world = new World()
    await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
    await world.wait(34)
    t.same(world.sizes(), NOTHING)
    t.same(world.ends(), ['no-answer'])
  })
  t.test('it rings for long', async (t) => {
    const world = new World()
    await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
    await world.in(response(180, 'INVITE', { to: 'b' }))
    await world.wait(190)
    t.equal(world.engine.size.calls, 1)
    await world.wait(12)
    t.same(world.sizes(), NOTHING)
  })
  t.test('BYE without an answer', async (t) => {
    const world = new World()
    await answeredCall(world)
    await world.out(request('BYE', { cseq: 2, to: 'b' }))
    await world.wait(34)
    t.same(world.sizes(), NOTHING)
    t.same(world.ends(), ['bye-unanswered'])
  })
  t.test('BYE that is challenged, and sent again', async (t) => {
    const world = new World()
    await answeredCall(world)
    await world.out(request('BYE', { cseq: 2, to: 'b' }))
    await world.in(response(407, 'BYE', { cseq: 2, to: 'b' }))
    t.equal(world.engine.size.calls, 1)
    await world.out(request('BYE', { cseq: 3, to: 'b' }))
    await world.in(response(200, 'BYE', { cseq: 3, to: 'b' }))
    t.same(world.sizes(), NOTHING)
  })
  t.test('idle: neither signalling nor media', async (t) => {
    const world = new World({ idleMs: 60_000 })
    await answeredCall(world)
    await world.wait(50)
    await world.out(request('UPDATE', { cseq: 2, to: 'b' }))
    await world.in(response(200, 'UPDATE', { cseq: 2, to: 'b' }))
    await world.wait(50)
    t.equal(world.engine.size.calls, 1, 'signalling counts')
    await world.wait(12)
    t.same(world.ends(), ['idle'])
    t.same(world.sizes(), NOTHING)
  })
  t.test('media keeps it', async (t) => {
    const world = new World({ idleMs: 20_000 })
    await answeredCall(world)
    for (let i = 0; i < 5; i++) {
      t.ok(world.media(endpoint(PEER, 6000), endpoint(OUTSIDE, 4000)))
      await world.wait(15)
    }
    t.equal(world.engine.size.calls, 1)
  })
})

t.test('hold and resume', async (t) => {
  const world = new World()
  await answeredCall(world)
  const renew = async (cseq: number, body: string) => {
    const sent = await world.out(request('INVITE', { cseq, to: 'b', body }))
    await world.in(response(200, 'INVITE', { cseq, to: 'b', body: sdp(PEER, 6000) }))
    return sent
  }
  const held = await renew(2, sdp('0.0.0.0', 4000))
  t.match(held, 'c=IN IP4 0.0.0.0')
  t.same(world.ways(), stream(PEER, 6000, 4000))
  t.equal(world.engine.calls()[0]?.held, true)
  await renew(3, `${sdp(INSIDE, 4000)}a=sendonly\r\n`)
  t.equal(world.engine.calls()[0]?.held, true)
  await renew(4, sdp(INSIDE, 4000))
  t.equal(world.engine.calls()[0]?.held, false)
  t.same(world.ways(), stream(PEER, 6000, 4000))
  t.equal(world.opened.length, 2, 'ways: until the answer, and since; none for hold or resume')
  await world.in(request('INVITE', { from: 'b', to: 'a', cseq: 9, body: sdp('0.0.0.0', 6000) }))
  await world.out(response(200, 'INVITE', { from: 'b', to: 'a', cseq: 9, body: sdp(INSIDE, 4000) }))
  t.equal(world.engine.calls()[0]?.held, true, 'held by the far side')
  t.same(world.ways(), stream(PEER, 6000, 4000))
  t.same(
    world.events.flatMap(({ kind }) => (kind === 'hold' || kind === 'resume' ? [kind] : [])),
    ['hold', 'resume', 'hold'],
  )
})

t.test('a dialog older than this process', async (t) => {
  for (const method of ['INVITE', 'UPDATE'] as const) {
    t.test(`renewed by ${method}`, async (t) => {
      const world = new World()
      await world.in(request(method, { from: 'b', to: 'a', cseq: 7, body: sdp(FAR, 6000) }))
      await world.out(response(200, method, { from: 'b', to: 'a', cseq: 7, body: sdp(INSIDE, 4000) }))
      t.same(world.ways(), stream(FAR, 6000, 4000))
      await world.wait(300)
      t.same(world.ways(), stream(FAR, 6000, 4000), 'it is a call like others')
      await world.out(request('BYE', { from: 'a', to: 'b', cseq: 2 }))
      await world.in(response(200, 'BYE', { from: 'a', to: 'b', cseq: 2 }))
      t.same(world.sizes(), NOTHING)
    })
  }
})

t.test('late messages after the end leave nothing', async (t) => {
  const world = new World()
  await answeredCall(world)
  await world.out(request('BYE', { cseq: 2, to: 'b' }))
  await world.in(response(200, 'BYE', { cseq: 2, to: 'b' }))
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }))
  await world.in(response(183, 'INVITE', { to: 'c', body: sdp(FAR, 6000) }))
  await world.out(request('ACK', { to: 'b', body: sdp(INSIDE, 4000) }))
  await world.out(request('BYE', { cseq: 2, to: 'b' }))
  await world.in(response(200, 'BYE', { cseq: 2, to: 'b' }))
  t.same(world.sizes(), NOTHING)
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  await world.wait(34)
  t.same(world.sizes(), NOTHING, 'a late INVITE goes by its timer')
})

t.test('a caller of RFC 2543, who has no tag', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { from: '', body: sdp(INSIDE, 4000) }))
  await world.in(response(200, 'INVITE', { from: '', to: 'b', body: sdp(PEER, 6000) }))
  await world.in(request('BYE', { from: 'x', to: '', cseq: 9 }))
  await world.out(response(481, 'BYE', { from: 'x', to: '', cseq: 9 }))
  await world.wait(40)
  t.same(world.ways(), stream(PEER, 6000, 4000), "a stranger's BYE")
  await world.in(request('BYE', { from: 'b', to: '', cseq: 9 }))
  await world.out(response(200, 'BYE', { from: 'b', to: '', cseq: 9 }))
  t.same(world.sizes(), NOTHING)
})
