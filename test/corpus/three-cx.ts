/**
 * 3CX Phone System (3CX's pages on trunk requirements and on the structure of its INVITE): `rinstance` in the Contact, by which it knows its
 * trunk again and which must come back; ports always written, also 5060; branches with three dashes; o= of two long numbers.
 */
import { type Sample, sample } from './sample.js'

export const threeCx: readonly Sample[] = [
  sample(
    '3cx-register',
    'REGISTER',
    0,
    `request-uri[0].uri trunk.example.com:5060
     via[0].sent-by 192.168.7.10:5060
     contact[0].uri 192.168.7.10:5060
     to[0].uri trunk.example.com:5060
     from[0].uri trunk.example.com:5060`,
    [],
    `
REGISTER sip:trunk.example.com:5060 SIP/2.0
Via: SIP/2.0/UDP 192.168.7.10:5060;branch=z9hG4bK-524287-1---9a71c20e5f3b8d46;rport
Max-Forwards: 70
Contact: <sip:77001@192.168.7.10:5060;rinstance=8d1f20c7b3a94e65>
To: <sip:77001@trunk.example.com:5060>
From: <sip:77001@trunk.example.com:5060>;tag=b3f06a1c
Call-ID: Tr0w3b5qYzA8nLk1..
CSeq: 2 REGISTER
Expires: 120
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO, MESSAGE, UPDATE
Supported: replaces, timer
Content-Length: 0
`,
  ),
  sample(
    '3cx-invite-ok',
    'INVITE',
    200,
    `via[0].sent-by 198.51.100.20:5060
     via[0].rport 5060
     via[0].received 198.51.100.20:0
     contact[0].uri 192.168.7.10:5060
     to[0].uri 192.168.7.10:5060
     from[0].uri 198.51.100.20:0`,
    ['audio 9022 192.168.7.10'],
    `
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK77aa01;rport=5060;received=198.51.100.20
Contact: <sip:77001@192.168.7.10:5060;rinstance=8d1f20c7b3a94e65>
To: <sip:77001@192.168.7.10:5060>;tag=5c1b7f0e
From: <sip:+12125550110@198.51.100.20>;tag=gK55
Call-ID: 3cx-in-1@198.51.100.20
CSeq: 9 INVITE
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO, MESSAGE, UPDATE
Supported: replaces, timer
User-Agent: 3CXPhoneSystem 20.0.3.884 (884)
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=3cxPS 302811217920 271841558529 IN IP4 192.168.7.10
s=3cxPS Audio call
c=IN IP4 192.168.7.10
t=0 0
m=audio 9022 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=sendrecv
`,
  ),
]
