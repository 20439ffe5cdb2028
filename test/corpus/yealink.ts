/**
 * Yealink T4x: compact forms when its `use compact headers` is on (RFC 3261 7.3.3), rport, the port written always; BLF by RFC 4235.
 */
import { type Sample, sample } from './sample.js'

export const yealink: readonly Sample[] = [
  sample(
    'yealink-subscribe',
    'SUBSCRIBE',
    0,
    `request-uri[0].uri pbx.example.org:5060
     via[0].sent-by 192.168.88.14:5060
     from[0].uri pbx.example.org:5060
     to[0].uri pbx.example.org:5060
     contact[0].uri 192.168.88.14:5060`,
    [],
    `
SUBSCRIBE sip:330@pbx.example.org:5060 SIP/2.0
v: SIP/2.0/UDP 192.168.88.14:5060;branch=z9hG4bK1793262119;rport
f: "330" <sip:330@pbx.example.org:5060>;tag=1602498710
t: <sip:330@pbx.example.org:5060>
i: 0_2466109381@192.168.88.14
CSeq: 1 SUBSCRIBE
m: <sip:330@192.168.88.14:5060>
Accept: application/simple-message-summary
Max-Forwards: 70
User-Agent: Yealink SIP-T46S 66.86.0.15
Expires: 3600
o: message-summary
l: 0
`,
  ),
  sample(
    'yealink-ringing',
    'INVITE',
    180,
    `via[0].sent-by 203.0.113.9:5080
     via[0].rport 5080
     via[0].received 203.0.113.9:0
     from[0].uri pbx.example.org:5060
     to[0].uri pbx.example.org:5060
     contact[0].uri 192.168.88.14:5060`,
    [],
    `
SIP/2.0 180 Ringing
v: SIP/2.0/UDP 203.0.113.9:5080;rport=5080;branch=z9hG4bKt1;received=203.0.113.9
f: "Ann" <sip:331@pbx.example.org:5060>;tag=u9
t: "330" <sip:330@pbx.example.org:5060>;tag=2731920455
i: 71c0@203.0.113.9
CSeq: 12 INVITE
m: <sip:330@192.168.88.14:5060>
User-Agent: Yealink SIP-T46S 66.86.0.15
Allow-Events: talk,hold,conference,refer,check-sync
l: 0
`,
  ),
]
