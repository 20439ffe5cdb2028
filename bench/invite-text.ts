/** The INVITEs of the flood, and how the receiver tells that one was rewritten. */
import { type SipText, sipText } from '../lib/testing/index.js'
import type { Endpoint } from '../types/endpoint.js'

const MEDIA_PORT = 20_000

/** A description as desk phones write it. */
function description(address: string, port: number): string {
  const codecs = ['9 G722/8000', '0 PCMU/8000', '8 PCMA/8000', '18 G729/8000', '101 telephone-event/8000']
  return [
    'v=0',
    `o=- 1763633401 1763633401 IN IP4 ${address}`,
    's=call',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP 9 0 8 18 101`,
    ...codecs.map((codec) => `a=rtpmap:${codec}`),
    'a=fmtp:18 annexb=no',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'a=sendrecv',
    '',
  ].join('\r\n')
}

/** INVITE number `n` from `phone` to `peer`: own Call-ID, branch and media port; equally long for n from 0 to 999. */
export function inviteText(n: number, phone: string, peer: string): string {
  const id = String(n).padStart(3, '0')
  const headers = [
    ['Via', `SIP/2.0/UDP ${phone}:5060;branch=z9hG4bK7e5a31c0${id};rport`],
    ['Max-Forwards', '70'],
    [
      'Contact',
      `<sip:alice@${phone}:5060;transport=udp>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"`,
    ],
    ['From', `"Alice" <sip:alice@sip.example.com>;tag=3f81b60c${id}`],
    ['To', '<sip:bob@sip.example.com>'],
    ['Call-ID', `8d2f1d3a-55b0-4c11-9f6e-a0c3f8e2d${id}`],
    ['CSeq', '1 INVITE'],
    ['Allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, INFO, UPDATE, PRACK, MESSAGE, SUBSCRIBE'],
    ['Supported', 'replaces, timer, 100rel, outbound, path'],
    ['Session-Expires', '1800;refresher=uac'],
    ['Min-SE', '90'],
    ['User-Agent', 'DeskPhone T46 108.86.0.20'],
    ['Content-Type', 'application/sdp'],
  ] as const
  return sipText(`INVITE sip:bob@${peer} SIP/2.0`, headers, description(phone, MEDIA_PORT + 2 * n))
}

/** Where the places that must name `address` begin in a received message: sent-by, Contact, o= and c=; -1 where it does not. */
export function places(text: string, address: string): number[] {
  const before = ['Via: SIP/2.0/UDP ', 'Contact: <sip:alice@', 'o=- 1763633401 1763633401 IN IP4 ', 'c=IN IP4 ']
  return before.map((words) => {
    const at = text.indexOf(words + address)
    return at < 0 ? -1 : at + words.length
  })
}

const UDP_HEADER = 8

/**
 * A ruleset for the receiver: counts the datagrams that come for `peer`, and those of them that carry `address` at every one of
 * `positions`, and drops all.
 */
export function countingRules(peer: Endpoint, address: string, positions: readonly number[]): string {
  const bits = address.length * 8
  const value = `0x${Buffer.from(address, 'latin1').toString('hex')}`
  const match = positions.map((at) => `@th,${(UDP_HEADER + at) * 8},${bits} ${value}`).join(' ')
  const target = `ip daddr ${peer.address} udp dport ${peer.port}`
  return `table ip count {
    counter received { }
    counter fit { }
    chain prerouting {
      type filter hook prerouting priority -300; policy accept;
      ${target} counter name received
      ${target} ${match} counter name fit
      ${target} drop
    }
  }`
}

/** What is wrong with an INVITE that should have been rewritten; undefined: nothing. */
export function faultOf(message: SipText, text: string, inside: string, outside: string): string | undefined {
  if (text.includes(inside)) return `it still names ${inside}`
  const missing = places(text, outside).indexOf(-1)
  if (missing >= 0) return `place ${missing} does not name ${outside}`
  if (Number(message.get('Content-Length')) !== message.body.length)
    return 'Content-Length is not the length of the body'
  return undefined
}
