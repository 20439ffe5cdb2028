/** What SIPp plays: a phone that calls, and a provider that answers with media on another host. */
import type { Endpoint } from '../../../types/endpoint.js'

const xml = (name: string, steps: readonly string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="${name}">\n${steps.join('\n')}\n</scenario>\n`

/** SIPp trims the indentation and ends lines as SIP does. */
const message = (lines: readonly string[], attributes = ''): string =>
  `<send${attributes}><![CDATA[\n\n${lines.join('\n')}\n\n]]></send>`

const description = ({ address, port }: Endpoint): string[] => [
  'v=0',
  `o=demo 1 1 IN IP4 ${address}`,
  's=-',
  `c=IN IP4 ${address}`,
  't=0 0',
  `m=audio ${port} RTP/AVP 0`,
  'a=rtpmap:0 PCMU/8000',
]

function request(method: string, cseq: number, tag: string, media?: Endpoint): string[] {
  const to = 'sip:bob@[remote_ip]:[remote_port]'
  const head = [
    `${method} ${to} SIP/2.0`,
    'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport',
    'Max-Forwards: 70',
    'From: <sip:alice@provider.example>;tag=phone[call_number]',
    `To: <sip:bob@provider.example>${tag}`,
    'Call-ID: [call_id]',
    `CSeq: ${cseq} ${method}`,
    'Contact: <sip:alice@[local_ip]:[local_port]>',
  ]
  return media
    ? [...head, 'Content-Type: application/sdp', 'Content-Length: [len]', '', ...description(media)]
    : [...head, 'Content-Length: 0']
}

/** Calls, talks for so long, hangs up. */
export const caller = (media: Endpoint, talkMs: number): string =>
  xml('phone', [
    message(request('INVITE', 1, '', media), ' retrans="500"'),
    '<recv response="100" optional="true"/>',
    '<recv response="180" optional="true"/>',
    '<recv response="200"/>',
    message(request('ACK', 1, '[peer_tag_param]')),
    `<pause milliseconds="${talkMs}"/>`,
    message(request('BYE', 2, '[peer_tag_param]'), ' retrans="500"'),
    '<recv response="200"/>',
  ])

function response(line: string, media?: Endpoint): string[] {
  const head = [
    `SIP/2.0 ${line}`,
    '[last_Via:]',
    '[last_From:]',
    '[last_To:];tag=provider[call_number]',
    '[last_Call-ID:]',
    '[last_CSeq:]',
    'Contact: <sip:bob@[local_ip]:[local_port]>',
  ]
  return media
    ? [...head, 'Content-Type: application/sdp', 'Content-Length: [len]', '', ...description(media)]
    : [...head, 'Content-Length: 0']
}

/** Rings, answers, and waits for the end of the call. */
export const callee = (media: Endpoint): string =>
  xml('provider', [
    '<recv request="INVITE"/>',
    message(response('180 Ringing')),
    message(response('200 OK', media), ' retrans="500"'),
    '<recv request="ACK"/>',
    '<recv request="BYE"/>',
    message(response('200 OK').map((line) => line.replace(';tag=provider[call_number]', ''))),
  ])
