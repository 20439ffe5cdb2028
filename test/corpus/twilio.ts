/**
 * Twilio Elastic SIP Trunking (Twilio's pages on sending and receiving SIP): a Contact and a Via with private addresses of its own network behind a
 * Record-Route, which is the way to go (RFC 3261 12.2.1.1); o= another private address than c=; X- headers; Call-ID at 0.0.0.0.
 */
import { type Sample, sample } from './sample.js'

export const twilio: readonly Sample[] = [
  sample(
    'twilio-invite',
    'INVITE',
    0,
    `request-uri[0].uri 192.0.2.10:41022
     record-route[0].uri 198.51.100.20:5060
     from[0].uri trunk.pstn.example.com:5060
     to[0].uri 192.0.2.10:41022
     p-asserted-identity[0].uri 198.51.100.20:5060
     diversion[0].uri public.example.com:0
     via[0].sent-by 198.51.100.20:5060
     via[1].sent-by 172.18.4.33:5060
     via[1].rport 5060
     via[1].received 10.5.0.8:0
     contact[0].uri 172.18.4.33:5060`,
    ['audio 17318 203.0.113.64'],
    `
INVITE sip:+12125550147@192.0.2.10:41022 SIP/2.0
Record-Route: <sip:198.51.100.20:5060;lr;ftag=31857922_6772d868_4c1f>
From: "+12125550110" <sip:+12125550110@trunk.pstn.example.com:5060>;tag=31857922_6772d868_4c1f
To: <sip:+12125550147@192.0.2.10:41022>
CSeq: 9215 INVITE
Max-Forwards: 132
P-Asserted-Identity: <sip:+12125550110@198.51.100.20:5060>
Diversion: <sip:+12125550199@public.example.com>;reason=unconditional
Call-ID: 0d7a2f6c5b8e41930a6d4c2b7f1e8d05@0.0.0.0
Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK8f21.7c0d5e1.0
Via: SIP/2.0/UDP 172.18.4.33:5060;rport=5060;received=10.5.0.8;branch=z9hG4bK0d7a2f6c_6772d868
Contact: <sip:+12125550110@172.18.4.33:5060;transport=udp>
Allow: INVITE,ACK,CANCEL,BYE,REFER,NOTIFY,OPTIONS
User-Agent: Twilio Gateway
X-Twilio-AccountSid: AC00000000000000000000000000000000
X-Twilio-CallSid: CA00000000000000000000000000000000
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=root 1209431127 1209431127 IN IP4 172.18.9.91
s=Twilio Media Gateway
c=IN IP4 203.0.113.64
t=0 0
m=audio 17318 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=maxptime:20
a=sendrecv
`,
  ),
  sample(
    'twilio-trunk-answer',
    'INVITE',
    200,
    `record-route[0].uri 198.51.100.20:5060
     from[0].uri trunk.pstn.example.com:5060
     to[0].uri 192.168.7.10:5060
     via[0].sent-by 198.51.100.20:5060
     via[1].sent-by 172.18.4.33:5060
     via[1].rport 5060
     via[1].received 10.5.0.8:0
     contact[0].uri 192.168.7.10:5060`,
    ['audio 12000 192.168.7.10'],
    `
SIP/2.0 200 OK
Record-Route: <sip:198.51.100.20:5060;lr;ftag=31857922_6772d868_4c1f>
From: "+12125550110" <sip:+12125550110@trunk.pstn.example.com:5060>;tag=31857922_6772d868_4c1f
To: <sip:+12125550147@192.168.7.10:5060>;tag=pbx1
CSeq: 9215 INVITE
Call-ID: 0d7a2f6c5b8e41930a6d4c2b7f1e8d05@0.0.0.0
Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK8f21.7c0d5e1.0
Via: SIP/2.0/UDP 172.18.4.33:5060;rport=5060;received=10.5.0.8;branch=z9hG4bK0d7a2f6c_6772d868
Contact: <sip:192.168.7.10:5060>
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=pbx 1 1 IN IP4 192.168.7.10
s=-
c=IN IP4 192.168.7.10
t=0 0
m=audio 12000 RTP/AVP 0 101
a=sendrecv
`,
  ),
]
