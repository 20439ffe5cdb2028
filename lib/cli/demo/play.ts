import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Endpoint } from '../../../types/endpoint.js'
import { pause } from '../../testing/index.js'
import { diffOfTexts, diffText } from '../message-diff.js'
import { endpointText } from '../text.js'
import { type Call, type Counted, mediaTarget, type Network } from './network.js'
import type { Story } from './story.js'

/** Two seconds of audio, 50 packets a second each way. */
const PACKETS = 100
/** Longer than what happens before the phone hangs up. */
const TALK_MS = 4000
const MEDIA_PORTS = '30000-30099'

const main = fileURLToPath(new URL('../main.js', import.meta.url))

/** Tells the whole story on a network that is there. Throws where the network itself fails. */
export async function play(network: Network, story: Story): Promise<void> {
  const { phone, provider, phoneMedia, providerMedia } = network.ends
  story.say(`phone ${phone.address} --- gateway (masquerade, forward policy drop) --- provider ${provider.address}`)
  story.say(`The phone's audio is at ${endpointText(phoneMedia)}, the provider's at ${endpointText(providerMedia)}.`)
  await withoutHelp(network, story)
  const gateway = await startGateway(network, story)
  await withHelp(network, story)
  await stopGateway(network, gateway, story)
}

async function withoutHelp(network: Network, story: Story): Promise<void> {
  story.chapter('A call without cthelper')
  const call = await network.call(TALK_MS)
  const invite = await call.message('INVITE')
  await call.message('ACK')
  const told = mediaTarget(invite.outside)
  story.say(`The INVITE reaches the provider as the phone wrote it: audio to ${endpointText(told)}, a private address.`)
  const before = network.counted()
  const heard = await network.talk(PACKETS, told)
  const passed = difference(before, network.counted())
  story.say(`Both sides sent ${PACKETS} packets. ${countText(passed)}`)
  story.claim('the phone hears nothing', heard.atPhone === 0 && passed.in === 0)
  story.claim('the provider hears nothing', heard.atProvider === 0 && passed.out === 0)
  await end(call, story)
}

async function startGateway(network: Network, story: Story): Promise<ChildProcess> {
  story.chapter('cthelper starts on the gateway')
  const options = ['--inside', 'lan0', '--outside', 'wan0', '--media-ports', MEDIA_PORTS]
  story.show([`# cthelper run ${options.join(' ')}`])
  const socket = `/run/${network.lab.gateway.name}.sock`
  const argv = [process.execPath, main, 'run', ...options, '--socket', socket]
  const child = network.lab.gateway.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  for (let tries = 0; tries < 250 && !/ ready /.test(said) && child.exitCode === null; tries++) await pause(20)
  const isReady = / ready /.test(said)
  story.claim('it says that it is ready', isReady)
  if (!isReady) throw new Error(`cthelper run did not start: ${said.trim()}`)
  return child
}

async function withHelp(network: Network, story: Story): Promise<void> {
  story.chapter('The same call with cthelper')
  const call = await network.call(TALK_MS)
  const invite = await call.message('INVITE')
  await call.message('ACK')
  story.say('The INVITE on the inside wire (-) and on the outside wire (+), as tcpdump saw it:')
  story.show(diffText(diffOfTexts(invite.inside, invite.outside), story.isColoured))
  const told = mediaTarget(invite.outside)
  const { gatewayOutside } = network.lab
  story.claim(
    `the provider is told to send to the gateway, ${endpointText(told)}`,
    told.address === gatewayOutside.v4 && inRange(told.port),
  )
  story.claim(
    'no private address is left in it, but for the Call-ID',
    !leaks(invite.outside, network.ends.phone.address),
  )

  story.blank()
  story.say('The pinholes, as the kernel lists them before anybody has spoken (conntrack -L expect):')
  const expected = await network.expected()
  story.show(expected)
  story.say('Those from 127.0.0.0/8 match no packet: they keep the pair of ports together for the NAT.')
  const { providerMedia } = network.ends
  const wanted = `src=${providerMedia.address} dst=${told.address} sport=`
  story.claim(
    `one lets ${providerMedia.address} send to ${endpointText(told)}`,
    expected.some((line) => line.includes(wanted) && line.includes(`dport=${told.port} `)),
  )
  await talk(network, story, told)
  await end(call, story)
  await afterBye(network, story, told)
}

async function talk(network: Network, story: Story, told: Endpoint): Promise<void> {
  const before = network.counted()
  const queuedBefore = network.queued()
  const heard = await network.talk(PACKETS, told)
  const passed = difference(before, network.counted())
  story.blank()
  story.say(`Both sides sent ${PACKETS} packets. ${countText(passed)}`)
  story.claim('the phone hears all of them', heard.atPhone === PACKETS && passed.in === PACKETS)
  story.claim('the provider hears all of them', heard.atProvider === PACKETS && passed.out === PACKETS)
  story.claim('none of them was queued to the process', queuedBefore > 0 && network.queued() === queuedBefore)
}

async function afterBye(network: Network, story: Story, told: Endpoint): Promise<void> {
  story.chapter('After BYE, both sides send on')
  const before = network.counted()
  const heard = await network.talk(PACKETS / 2, told)
  const passed = difference(before, network.counted())
  story.say(`Both sides sent ${PACKETS / 2} packets. ${countText(passed)}`)
  story.claim('nothing passes, either way', passed.in + passed.out + heard.atPhone + heard.atProvider === 0)
  const left = await network.expected()
  story.claim('the kernel lists no pinhole', left.length === 0)
}

async function stopGateway(network: Network, gateway: ChildProcess, story: Story): Promise<void> {
  story.chapter('cthelper stops')
  const exited = once(gateway, 'exit')
  gateway.kill('SIGTERM')
  const [code] = await exited
  const tables = network.lab.gateway.runSync(['nft', 'list', 'tables']).trim().split('\n')
  story.claim(
    `it exits with 0 and takes its table along; left: ${tables.join(', ')}`,
    code === 0 && tables.length === 1,
  )
}

/** The phone hangs up: the call must have gone well at both ends. */
async function end(call: Call, story: Story): Promise<void> {
  const problem = await call.ended
  await call.stop()
  story.claim(
    `the phone hangs up, and SIPp is content at both ends${problem ? `: ${problem}` : ''}`,
    problem === undefined,
  )
}

const difference = (before: Counted, now: Counted): Counted => ({ out: now.out - before.out, in: now.in - before.in })

const countText = (counted: Counted): string =>
  `The gateway's kernel let ${counted.out} out and ${counted.in} in (nft counters).`

function inRange(port: number): boolean {
  const [first = 0, last = 0] = MEDIA_PORTS.split('-').map(Number)
  return port >= first && port <= last
}

/** SIPp's Call-ID holds its address; a Call-ID is nobody's to rewrite. */
const leaks = (message: string, address: string): boolean =>
  message
    .split('\r\n')
    .filter((line) => !line.startsWith('Call-ID:'))
    .some((line) => line.includes(address))
